from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Q
from django.urls import reverse

from heliostat.observations.rights import ObservationRecordGroupRight, ObservationRecordUserRight
from heliostat.rights.models import FOLLOWS, Guarded, Visibility
from heliostat.rights.visibility import VisibleQuerySet, is_own, own
from heliostat.targets.models import Target
from heliostat.text import validate_name

__all__ = [
    "TERMINAL",
    "ObservationRecord",
    "ObservationRecordGroupRight",
    "ObservationRecordUserRight",
    "ObservationStatus",
]


class ObservationStatus(models.TextChoices):
    """The states of an observation. Facilities convert their own states to these."""

    PENDING = "PENDING", "Pending"
    SCHEDULED = "SCHEDULED", "Scheduled"
    IN_PROGRESS = "IN_PROGRESS", "In progress"
    COMPLETED = "COMPLETED", "Completed"
    CANCELED = "CANCELED", "Canceled"
    EXPIRED = "EXPIRED", "Expired"
    FAILED = "FAILED", "Failed"


TERMINAL = frozenset(
    {
        ObservationStatus.COMPLETED.value,
        ObservationStatus.CANCELED.value,
        ObservationStatus.EXPIRED.value,
        ObservationStatus.FAILED.value,
    }
)


class ObservationRecord(Guarded):
    """One observation of a target. `observation_id` is its id at the facility."""

    owner_field = "user"

    target = models.ForeignKey(Target, models.CASCADE, related_name="observations")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="observations"
    )
    facility = models.CharField(max_length=50, validators=[validate_name])
    parameters = models.JSONField(default=dict, blank=True, encoder=DjangoJSONEncoder)
    observation_id = models.CharField(max_length=255, validators=[validate_name])
    status = models.CharField(max_length=50, choices=ObservationStatus, default=ObservationStatus.PENDING)
    scheduled_start = models.DateTimeField(null=True, blank=True)
    scheduled_end = models.DateTimeField(null=True, blank=True)
    visibility = models.CharField(
        max_length=10, choices=Visibility, blank=True, default=FOLLOWS, help_text="Empty: as its target."
    )
    created = models.DateTimeField(auto_now_add=True)
    modified = models.DateTimeField(auto_now=True)

    objects = VisibleQuerySet.as_manager()

    class Meta:
        permissions = [("share_observationrecord", "Can share observation record")]
        ordering = ("-created", "-id")
        indexes = [
            models.Index(fields=["-created"], name="heliostat_obs_created"),
            models.Index(fields=["facility", "status"], name="heliostat_obs_status"),
        ]

    def __str__(self) -> str:
        return f"{self.target} @ {self.facility}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Left empty in a form, parameters are none, which is not the same as unknown."""
        if self.parameters is None:
            self.parameters = {}
        super().save(*args, **kwargs)

    @property
    def governing(self) -> Guarded:
        return self if self.visibility else self.target.governing

    @classmethod
    def visible(cls, user: Any, prefix: str = "") -> Q:
        """Return the condition that a user may view it: its target too."""
        return Target.visible(user, f"{prefix}target__") & own(cls, user, prefix, (FOLLOWS,))

    def is_visible_to(self, user: Any) -> bool:
        return self.target.is_visible_to(user) and is_own(self, user, (FOLLOWS,))

    def get_absolute_url(self) -> str:
        return reverse("observations:detail", args=[self.pk])

    @property
    def is_terminal(self) -> bool:
        """Nothing more will happen to it."""
        return self.status in TERMINAL

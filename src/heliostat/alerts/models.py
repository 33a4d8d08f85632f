from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.urls import reverse

from heliostat.permissions import has_permission
from heliostat.text import validate_name


class BrokerQuery(models.Model):
    """A saved query. The user who created it is its owner; a query that code created has none."""

    name = models.CharField(max_length=100, validators=[validate_name])
    broker = models.CharField(max_length=100)
    parameters = models.JSONField(default=dict, blank=True, encoder=DjangoJSONEncoder)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="broker_queries"
    )
    created = models.DateTimeField(auto_now_add=True)
    modified = models.DateTimeField(auto_now=True)
    last_run = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ("name", "id")
        verbose_name = "query"
        verbose_name_plural = "queries"
        constraints = [
            models.UniqueConstraint(
                fields=["user", "name"],
                name="heliostat_query_name",
                violation_error_message="This user has a query of this name already.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Left empty in a form, parameters are none, which is not the same as unknown."""
        if self.parameters is None:
            self.parameters = {}
        super().save(*args, **kwargs)

    def get_absolute_url(self) -> str:
        return reverse("alerts:run", args=[self.pk])

    def allows(self, user: Any, action: str) -> bool:
        """Return whether a user may `view`, `change` or `delete` it: its owner, and users with that permission.

        As in Django's admin, users who may change queries may view them.
        """
        if self.user_id is not None and self.user_id == user.pk:
            return True
        enough = ("view", "change") if action == "view" else (action,)
        return any(has_permission(user, one, BrokerQuery, self) for one in enough)


class AlertRun(models.Model):
    """What one user was shown when a query was run, so that targets are made of exactly that.

    A row in the database, because the page that shows the alerts and the one that makes targets may be answered by
    different processes. Only the newest few of each user and query are kept.
    """

    KEPT = 5
    heliostat_silent = True  # no events: it is what a page shows

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    query = models.ForeignKey(BrokerQuery, models.CASCADE, related_name="runs")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    broker = models.CharField(max_length=100)
    rows = models.JSONField(default=list)
    problem = models.TextField(blank=True, default="")
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("-created",)

    def __str__(self) -> str:
        return f"{self.query} at {self.created:%Y-%m-%d %H:%M:%S}"

    def get_absolute_url(self) -> str:
        return reverse("alerts:results", args=[self.query_id, self.pk])

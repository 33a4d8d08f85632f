"""Groupings of targets: tags, which the site shares, and lists, each of one user."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.http import urlencode

from heliostat.permissions import has_permission
from heliostat.targets.extras import text_of
from heliostat.targets.names import BytewiseField
from heliostat.text import clean_name, validate_name

LONGEST_TAG = 50  # characters


class Tag(models.Model):
    """A word that marks targets. Two that differ in case are one."""

    name = models.CharField(max_length=LONGEST_TAG, validators=[validate_name])
    folded = BytewiseField(max_length=100, unique=True, editable=False)

    class Meta:
        ordering = ("folded",)

    def __str__(self) -> str:
        return self.name

    def save_base(self, *args: Any, **options: Any) -> None:
        self.folded = text_of(self.name)
        super().save_base(*args, **options)


def read_tags(text: str) -> list[str]:
    """Return the tags of a text with commas between them, each once. Raises a ValidationError."""
    words = [clean_name(word) for word in text.split(",")]
    found = {text_of(word): word for word in reversed(words) if word}
    if long := next((word for word in found.values() if len(word) > LONGEST_TAG), None):
        raise ValidationError(f"A tag has at most {LONGEST_TAG} characters: “{long[:LONGEST_TAG]}…”", code="long")
    return list(reversed(found.values()))


def tags_of(words: Iterable[str]) -> list[Tag]:
    """Return these tags; what is not there yet is created."""
    return [Tag.objects.get_or_create(folded=text_of(word), defaults={"name": word})[0] for word in words]


class ListQuerySet(models.QuerySet["TargetList"]):
    """Lists, by who sees and changes them."""

    def seen_by(self, user: Any) -> ListQuerySet:
        """Return the user's own lists, those that are shared, and all for those who may view lists."""
        if has_permission(user, "view", TargetList):
            return self
        return self.filter(Q(is_shared=True) | Q(owner_id=user.pk)) if user.pk else self.filter(is_shared=True)

    def changed_by(self, user: Any) -> ListQuerySet:
        """Return the lists that a user may add targets to."""
        return self if has_permission(user, "change", TargetList) else self.filter(owner_id=user.pk or 0)


class TargetList(models.Model):
    """Targets that a user put together."""

    name = models.CharField(max_length=100, validators=[validate_name])
    description = models.TextField(blank=True, default="")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="target_lists"
    )
    is_shared = models.BooleanField(
        "shared", default=True, help_text="All users see it; of its targets each sees those that they may view."
    )
    targets = models.ManyToManyField("heliostat_targets.Target", blank=True, related_name="lists")
    created = models.DateTimeField(auto_now_add=True)

    objects = ListQuerySet.as_manager()

    class Meta:
        ordering = ("name", "id")
        verbose_name = "list of targets"
        verbose_name_plural = "lists of targets"
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="heliostat_target_list_name")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return f"{reverse('targets:list')}?{urlencode({'list': self.pk})}"

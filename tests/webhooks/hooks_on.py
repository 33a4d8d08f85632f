"""Hooks on each of the three databases: the one that they are in is chosen for a test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.test import override_settings

from heliostat.events.matching import registry
from heliostat.webhooks.models import Hook
from tests.example.models import Vehicle

URL = "https://receiver.example.com/"


@contextmanager
def hooks_in(using: str) -> Iterator[None]:
    """Hooks are in this database."""
    with override_settings(DATABASE_ROUTERS=[HooksOn(using)]):
        registry.catch_up()
        yield
    registry.catch_up()


class HooksOn:
    """A router that keeps hooks in one database."""

    def __init__(self, using: str) -> None:
        self.using = using

    def db_for_write(self, model: type[Model], **_: Any) -> str | None:
        return self.using if model._meta.app_label == "heliostat_webhooks" else None

    db_for_read = db_for_write

    def allow_relation(self, *_: Any, **__: Any) -> bool:
        """Content types are in each database."""
        return True


def hook_in(using: str, **options: Any) -> Hook:
    """A hook on vehicles, in this database."""
    model = ContentType.objects.db_manager(using).get_for_model(Vehicle)
    return Hook.objects.using(using).create(**{"model": model, "target": URL, **options})

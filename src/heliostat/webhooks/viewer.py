"""The user that a template is rendered for: what they may view, and how many objects are fetched for them."""

from __future__ import annotations

import copy
from typing import Any

from django.db import models

from heliostat.conf import conf
from heliostat.events.event import Event
from heliostat.events.querysets import models_read
from heliostat.outbox.rendering import memory_of
from heliostat.redaction import redacted
from heliostat.webhooks.exceptions import InvalidPayloadError
from heliostat.webhooks.permissions import may_be_sent

FETCHED, TWIN = "objects fetched for owners", "twin"


class Viewer:
    """The owner of a hook, who may view what their permissions say where those are asked, and else everything."""

    def __init__(self, event: Event, owner_id: Any = None, *, is_asked: bool = False) -> None:
        self._event = event
        self._owner_id = owner_id
        self._is_asked = is_asked

    def may(self, model: type[models.Model], obj: models.Model | None = None) -> bool:
        """Return whether data of a model, or of this one object, may be sent to them."""
        return not self._is_asked or may_be_sent(self._owner_id, model, obj)

    def hides(self, value: Any) -> bool:
        """Return whether a value holds objects or querysets that this viewer may not be sent."""
        if not self._is_asked or not value:
            return False
        hidden: list[Any] = []
        redacted(value, whole=True, leaf=lambda one: one if self._shown(one) is one else hidden.append(one))
        return bool(hidden)

    def shown(self, value: Any) -> Any:
        """Return a value with None in place of objects, on their own or in lists, that they may not view."""
        return redacted(value, whole=True, leaf=self._shown) if self._is_asked else value

    def _shown(self, value: Any) -> Any:
        if isinstance(value, models.Model):
            return value if self.may(value._meta.model, value) else None
        if isinstance(value, models.QuerySet):
            return value if all(map(self.may, models_read(value))) else None
        return value

    def follow(self, instance: models.Model, field: Any) -> None:
        """Count an object that is about to be fetched; raises `InvalidPayloadError` where it would be one too many.

        Objects that an event's templates have fetched already cost nothing.
        """
        if field.is_cached(instance):
            return
        fetched = memory_of(self._event).setdefault(FETCHED, {})
        fetched[self._owner_id] = fetched.get(self._owner_id, 0) + 1
        if fetched[self._owner_id] > conf.render_relations:
            raise InvalidPayloadError(
                f"The templates of one owner follow at most {conf.render_relations} relations for one event "
                "(HELIOSTAT_RENDER_RELATIONS): name fewer objects, or use fewer hooks."
            )

    def twin(self, event: Event) -> models.Model:
        """Return a copy of the event's object: the object itself does not remember what a template fetches."""
        known = memory_of(event)
        if TWIN not in known:
            known[TWIN] = _twin_of(event.instance)
        return known[TWIN]  # type: ignore[no-any-return]


def _twin_of(instance: models.Model) -> models.Model:
    twin = instance.__class__.__new__(instance.__class__)
    twin.__dict__.update(instance.__dict__)
    twin._state = copy.copy(instance._state)
    twin._state.fields_cache = dict(instance._state.fields_cache)
    return twin

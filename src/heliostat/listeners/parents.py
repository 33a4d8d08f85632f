"""Parents of objects, as Kinto has them: foreign keys that `HELIOSTAT_PARENTS` names, `{"app.model": "field"}`."""

from __future__ import annotations

from django.core.checks import CheckMessage, Error
from django.db import models

from heliostat.conf import conf
from heliostat.events.event import Event
from heliostat.events.secrets import points_to_secret
from heliostat.events.types import resources
from heliostat.suggestions import did_you_mean


def parent_of(event: Event) -> tuple[str, str | None] | None:
    """Return the name and the key of the parent of an event's object, such as `("depot_id", "7")`; None without one."""
    field = conf.parents.get(event.resource)
    if field is None:
        return None
    key = event.snapshot.get(field)
    return f"{field}_id", None if key is None else str(key)


def check_parents(**_: object) -> list[CheckMessage]:
    """System check: HELIOSTAT_PARENTS names foreign keys whose value may be sent."""
    hint = "HELIOSTAT_PARENTS = {'app.model': 'name of a foreign key'}"
    problems = (_problem(resource, name) for resource, name in conf.parents.items())
    return [Error(f"HELIOSTAT_PARENTS: {one}", hint=hint, id="heliostat.E022") for one in problems if one]


def _problem(resource: str, name: str) -> str | None:
    model = resources().get(resource)
    if model is None:
        return f"there is no resource {resource!r}.{did_you_mean(resource, resources())}"
    keys = {field.name: field for field in model._meta.concrete_fields if isinstance(field, models.ForeignKey)}
    if name not in keys:
        return f"{model.__name__} has no foreign key {name!r}.{did_you_mean(name, keys)}"
    if points_to_secret(keys[name], model):
        return f"the value of {model.__name__}.{name} is a secret."
    return None

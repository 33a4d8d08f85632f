"""System checks of settings that name event types, models and fields."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from django.apps import apps
from django.core.checks import CheckMessage, Warning
from django.db.models import Model

from heliostat.conf import Conf, conf, did_you_mean
from heliostat.events.resources import resource_of
from heliostat.events.types import known_types, resources

OF_EVENTS = ("arguments", "payload")


def check_silent(**_: object) -> list[CheckMessage]:
    """System check: each pattern in HELIOSTAT_SILENT that is not one of the default matches an event type."""
    known = set(known_types())
    near = known | {f"{resource}.*" for resource in resources()} | {f"{name.partition('.')[0]}.*" for name in known}
    return [
        Warning(
            f"HELIOSTAT_SILENT: no event type matches {pattern!r}.{did_you_mean(pattern, near)}",
            hint="Patterns are of whole event types, such as shop.order.* or *.created.",
            id="heliostat.W002",
        )
        for pattern in conf.silent
        if pattern not in Conf.silent.default and not any(fnmatchcase(name, pattern) for name in known)
    ]


def check_exposed(**_: object) -> list[CheckMessage]:
    """System check: HELIOSTAT_EXPOSE names models or resources, and no field that is nearly one of the model."""
    hint = (
        "Write {'app.model': ['field', 'json_field.name']}; a name that is no field is one of a serializer or payload."
    )
    return [Warning(f"HELIOSTAT_EXPOSE: {problem}", hint=hint, id="heliostat.W003") for problem in _wrong_exposures()]


def _wrong_exposures() -> Iterator[str]:
    models: dict[str, type[Model] | None] = {name.rpartition(".")[0].lower(): None for name in known_types()}
    models |= {name: model for model in apps.get_models() for name in (model._meta.label_lower, resource_of(model))}
    for label, names in conf.expose.items():
        model = models.get(label.lower())
        if label.lower() not in models:
            yield f"there is no model {label!r}.{did_you_mean(label.lower(), models)}"
        if model is None:
            continue
        for name in names:
            fields = {one for field in model._meta.get_fields() for one in (field.name, getattr(field, "attname", ""))}
            first = name.partition(".")[0]
            if first not in (*fields, *OF_EVENTS, "pk") and (near := did_you_mean(first, fields)):
                yield f"{label} has no field {first!r}.{near}"

"""Which fields of a model hold secrets, by their own name or by what their value points to.

A value that is the key of an object whose key is a secret (an API token's, a session's) is that secret, wherever it
stands: as the object's own key, as a foreign key, as a generic relation, among the keys of a many-to-many relation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from itertools import chain
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Warning
from django.db import models

from heliostat.conf import conf
from heliostat.events.types import known_types, resource_of
from heliostat.redaction import is_secret_name, redacted
from heliostat.suggestions import did_you_mean


def is_secret(model: type[models.Model], name: str) -> bool:
    """Return whether a field (or attribute) of this name holds a secret that HELIOSTAT_EXPOSE does not name."""
    return is_secret_name(name) and name not in exposed_names(model)


def points_to_secret(field: Any, of: type[models.Model] | None = None) -> bool:
    """Return whether the value of a field is a secret: by its name, or because it is the key of an object whose key is.

    Understands foreign keys, one-to-one and many-to-many fields, however many are followed one after the other. A
    generic relation may point anywhere: see `generic_secrets`. `of` is the model that has the field, where it has it
    from a parent.
    """
    model, seen = of or field.model, set[Any]()
    while field is not None and field not in seen:
        seen.add(field)
        if is_secret(model, field.name):
            return True
        if field.many_to_many:
            return has_secret_key(field.related_model)
        if getattr(field, "pk_fields", None):
            return any(map(points_to_secret, field.pk_fields))
        field = field.target_field if isinstance(field, models.ForeignKey) else None
        model = field.model if field is not None else model
    return False


def has_secret_key(model: type[models.Model]) -> bool:
    """Return whether the key of such objects is a secret: then no event, address or text may name it."""
    return points_to_secret(model._meta.pk, model)


def generic_secrets(model: type[models.Model], values: Mapping[str, Any], using: str) -> frozenset[str]:
    """Return the names of fields that, with these values by attribute, hold the secret key of another object.

    They are the `object_id` of a generic relation, where its content type is a model whose key is a secret.
    """
    return frozenset(
        key
        for content_type, key in generic_relations(model)
        if (target := _model_of_type(values.get(content_type), using)) is not None and has_secret_key(target)
    )


def without_inner_secrets(model: type[models.Model], name: str, value: Any) -> Any:
    """Return a copy of a JSON value in a field, without what is under secret names inside it.

    HELIOSTAT_EXPOSE may name the field (all of it stays) or `field.name` (that name stays, anywhere inside it).
    """
    return inner_redaction(model, name)(value)


def inner_redaction(model: type[models.Model], name: str) -> Callable[[Any], Any]:
    """Return what copies values of a field without the secrets inside, by the settings of now."""
    exposed = exposed_names(model)
    return partial(redacted, exposed=_inside(exposed, name), whole=name in exposed)


def without_secrets_of_event(resource: str, name: str, value: Any) -> Any:
    """Return a copy of an event's `arguments` or `payload` (its `name`) without what is under secret names.

    HELIOSTAT_EXPOSE may name what stays: {"weather.station": ["payload.key"]}.
    """
    exposed = (names for label, names in conf.expose.items() if label.lower() == resource.lower())
    return redacted(value, _inside(frozenset(chain.from_iterable(exposed)), name))


def _inside(exposed: frozenset[str], name: str) -> frozenset[str]:
    prefix = f"{name}."
    return frozenset(entry.removeprefix(prefix) for entry in exposed if entry.startswith(prefix))


def exposed_names(model: type[models.Model]) -> frozenset[str]:
    """Return the names that HELIOSTAT_EXPOSE gives for a model, and those that the model gives itself."""
    own = frozenset(getattr(model, "heliostat_expose", ()))
    if not conf.expose:
        return own
    labels = (model._meta.label_lower, resource_of(model))
    return own.union(*(names for label, names in conf.expose.items() if label.lower() in labels))


@cache
def generic_relations(model: type[models.Model]) -> tuple[tuple[str, str], ...]:
    """Return the attribute of the content type, and the name of the key, of each generic foreign key."""
    return tuple(
        (str(getattr(model._meta.get_field(field.ct_field), "attname", "")), field.fk_field)
        for field in model._meta.private_fields
        if hasattr(field, "ct_field") and hasattr(field, "fk_field")
    )


def _model_of_type(content_type_id: Any, using: str) -> type[models.Model] | None:
    if content_type_id is None or not any(map(has_secret_key, apps.get_models())):
        return None
    from django.contrib.contenttypes.models import ContentType

    try:
        return ContentType.objects.db_manager(using).get_for_id(content_type_id).model_class()
    except ContentType.DoesNotExist:
        return None


def check_exposed(**_: object) -> list[CheckMessage]:
    """System check: HELIOSTAT_EXPOSE names models or resources, and no field that is nearly one of the model."""
    hint = (
        "Write {'app.model': ['field', 'json_field.name']}; a name that is no field is one of a serializer or payload."
    )
    return [Warning(f"HELIOSTAT_EXPOSE: {problem}", hint=hint, id="heliostat.W003") for problem in _wrong_exposures()]


def _wrong_exposures() -> Iterator[str]:
    by_name: dict[str, type[models.Model] | None] = {name.rpartition(".")[0].lower(): None for name in known_types()}
    by_name |= {name: model for model in apps.get_models() for name in (model._meta.label_lower, resource_of(model))}
    for label, names in conf.expose.items():
        model = by_name.get(label.lower())
        if label.lower() not in by_name:
            yield f"there is no model {label!r}.{did_you_mean(label.lower(), by_name)}"
        if model is None:
            continue
        for name in names:
            fields = {one for field in model._meta.get_fields() for one in (field.name, getattr(field, "attname", ""))}
            first = name.partition(".")[0]
            if first not in (*fields, "arguments", "payload", "pk") and (near := did_you_mean(first, fields)):
                yield f"{label} has no field {first!r}.{near}"

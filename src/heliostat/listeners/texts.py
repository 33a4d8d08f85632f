"""Texts about events, made of templates such as `"{resource_name} {object_name}: {action}"`.

In braces, a template may have the names of `NAMES`, the fields of the object (`{status}`), and `{new[status]}` and
`{old[status]}` for a value after and before the change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from string import Formatter
from typing import Any
from urllib.parse import quote

from django.db import models

from heliostat.conf import conf
from heliostat.events.snapshot import visible_fields
from heliostat.events.types import WILD, resources
from heliostat.exceptions import ConfigurationError
from heliostat.listeners.base import ListenerEvent
from heliostat.listeners.config import aslist
from heliostat.suggestions import did_you_mean
from heliostat.text import clean_name

NAMED = 10  # objects in `{objects}`
NOBODY = "nobody"
NAMES = (
    "action", "resource_name", "app_name", "uri", "subpath", "user_id", "timestamp", "event_id", "object_name", "link",
    "objects", "count", "changes",
)  # fmt: skip
"""What a template may name beside the fields of the object."""
IN_LINKS = "/:?=%#"
"""Characters of an address that stay as they are in `{link}`; none of them means anything in a chat."""
VALUES = ("new", "old")

Write = Callable[[str], str]


class Facts(dict[str, Any]):
    """What a template is filled in with. A name that this event has no value for is an empty text."""

    def __missing__(self, name: str) -> str:
        return ""


def facts_of(event: ListenerEvent, write: Write = str) -> Facts:
    """Return the facts of an event. Texts are on one line, without hidden characters, and passed through
    `write`, except the link."""
    payload, impacts = event.payload, event.impacted_objects or [{"new": one} for one in event.read_objects]
    names = [clean_name(one.text or one.object_id or "") for one in event.events]
    count = len(names)
    first = impacts[0]
    old, new = first.get("old", {}), first["new"]
    objects = ", ".join(names[:NAMED]) + (f" and {count - NAMED} more" if count > NAMED else "")
    changes = [(name, values) for name, values in event.event.changes.items() if count == 1]
    facts = {
        **(old if payload["action"] == "delete" else new),
        **payload,
        "user_id": payload["user_id"] or NOBODY,
        "object_name": names[0] if count == 1 else f"{count} objects",
        "objects": objects,
        "count": count,
        "changes": "; ".join(f"{name}: {before} → {after}" for name, (before, after) in changes),
    }
    written = Facts({name: _written(value, write) for name, value in facts.items()})
    written["link"] = conf.site_url.rstrip("/") + quote(payload["uri"], safe=IN_LINKS)
    written |= {
        side: Facts({name: _written(value, write) for name, value in values.items()})
        for side, values in (("new", new), ("old", old))
    }
    return written


class _Filler(Formatter):
    """Fills a template in. A format that does not fit a value, such as that of a number where there is none, is left
    out: an event of an object without it is sent, too."""

    def format_field(self, value: Any, format_spec: str) -> str:
        for kind in (type(value), Decimal):
            try:
                return format(kind(value), format_spec)
            except (ArithmeticError, TypeError, ValueError):
                continue
        return str(value)


_filler = _Filler()


def fill(template: str, facts: Mapping[str, Any]) -> str:
    """Return a template that `check_template` has checked, filled in with the facts of an event."""
    return _filler.vformat(template, (), facts)


def _written(value: Any, write: Write) -> Any:
    """Return a number as it is, so that a template may round it, and everything else as text."""
    if value is None:
        return ""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    return write(clean_name(str(value)))


def check_template(template: Any, settings: dict[str, Any], prefix: str) -> str:
    """Return a template. Raise `ConfigurationError` where it is none, or names what no event of the section has."""
    if not isinstance(template, str):
        raise ConfigurationError(f"{template!r} is no text")
    fields = set(_fields(settings.get(f"{prefix}resources", "*")))
    known = {*NAMES, *VALUES, *fields}
    try:
        parts = [part[1:] for part in Formatter().parse(template) if part[1] is not None]
    except ValueError as error:
        raise ConfigurationError(f"{template!r} cannot be filled in: {error}") from error
    for name, spec, conversion in parts:
        assert name is not None
        _check_format(template, spec or "", conversion)
        first, _, rest = name.partition("[")
        inner = rest.rstrip("]")
        if first not in known:
            near = did_you_mean(first, known) or f" It may name {', '.join(NAMES)} and fields of the object."
            raise ConfigurationError(f"{template!r} names {first!r}, which no event has.{near}")
        if first in VALUES and inner not in fields:
            text = f"{template!r} names {name!r}, and there is no field {inner!r}"
            raise ConfigurationError(text + (did_you_mean(inner, fields) or "."))
        if rest and first not in VALUES:
            raise ConfigurationError(f"{template!r}: there is nothing inside {first!r}")
    return template


def _check_format(template: str, spec: str, conversion: str | None) -> None:
    if conversion not in (None, *"rsa"):
        raise ConfigurationError(f"{template!r} cannot be filled in: after `!` there can be r, s or a.")
    for value in ("", 0, 0.0):
        try:
            format(value, spec)
        except ValueError:
            continue
        return
    raise ConfigurationError(f"{template!r} cannot be filled in: {spec!r} is no format of a number or a text.")


def _fields(words: Any) -> Iterable[str]:
    """Yield the names of the fields of the resources that a section names; of all models where they are patterns."""
    known = resources()
    wanted = aslist(words)
    found = [model for resource, model in known.items() if resource in wanted or resource.rpartition(".")[2] in wanted]
    for model in known.values() if any(WILD.search(word) for word in wanted) else found:
        yield from (name for name, _, _ in visible_fields(model))
        yield f"{model._meta.model_name}_id"
        yield from (field.attname for field in model._meta.concrete_fields if isinstance(field, models.ForeignKey))

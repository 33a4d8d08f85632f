"""The payload of a hook: rendered when the event happens, inside the transaction of the change.

In this order: an explicit payload (`emit(..., payload=)`), the hook's `payload_template`, its `serializer_class`, what
the model gives (`get_static_payload()`, `get_dynamic_payload(hook)`), the event's default body.

A template, serializer or method that fails does not undo the change, and nothing else is sent in its place: the
callback is an error, with the reason.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import msgspec
from django.db import models

from heliostat.conf import conf
from heliostat.events.context import notifying
from heliostat.events.event import Event
from heliostat.events.secrets import (
    exposed_names,
    generic_secrets,
    has_secret_key,
    points_to_secret,
    without_inner_secrets,
    without_secrets_of_event,
)
from heliostat.events.transactions import own_savepoint
from heliostat.outbox.bodies import body_of
from heliostat.outbox.problems import CannotRender
from heliostat.outbox.rendering import default_body, is_rendering, memory_of, object_of, rendering
from heliostat.redaction import is_secret_name, redacted
from heliostat.webhooks.content_types import Kind, kind_of
from heliostat.webhooks.deliverers.base import dumped, dumping_class
from heliostat.webhooks.exceptions import InvalidPayloadError
from heliostat.webhooks.import_guard import serializer_at
from heliostat.webhooks.models import Hook
from heliostat.webhooks.permissions import Viewer
from heliostat.webhooks.templates import LONGEST_BODY, compiled, without_nul

logger = logging.getLogger("heliostat.webhooks")

STATIC, DYNAMIC = "get_static_payload", "get_dynamic_payload"
SPENT = "bytes rendered for owners"
TOO_MUCH = (
    "The hooks of one owner are sent at most {:,} bytes of one event (HELIOSTAT_RENDER_LIMIT), and the hooks before "
    "this one took them: send less, or use fewer hooks."
)


def body_for(hook: Hook, event: Event) -> str | None:
    """Return the body of this hook for an event, or None where it is the event's own.

    Raises, and logs, whatever the template, serializer or method of the model raises; `InvalidPayloadError` where the
    hooks of its owner have taken more bytes of this event than HELIOSTAT_RENDER_LIMIT allows.
    """
    try:
        body = made_body(hook, event)
        if body is not None:
            size = len(body) if body.isascii() else len(body.encode())
            if size > _bytes_left(hook, event):
                raise InvalidPayloadError(TOO_MUCH.format(conf.render_limit))
            spent = memory_of(event).setdefault(SPENT, {})
            spent[hook.user_id] = spent.get(hook.user_id, 0) + size
    except Exception:
        logger.exception(
            "hook %s: its payload for %s %s (event %s) could not be made; it is not sent",
            hook.pk,
            event.type,
            event.object_id,
            event.id,
        )
        raise
    return body


def made_body(hook: Hook, event: Event) -> str | None:
    """Return the same for a single hook; nothing is counted or logged."""
    if not is_rendering():
        with rendering():
            return made_body(hook, event)
    is_own = event.payload is not None or hook.payload_template or dumping_class() is not None
    if not is_own and event.instance is not None:
        is_own = hook.serializer_class or hasattr(event.instance, STATIC) or hasattr(event.instance, DYNAMIC)
    if not is_own and not (event.arguments and _viewer(hook, event).hides(event.arguments)):
        return None
    with notifying(event), own_savepoint():
        return _rendered(hook, event)


def _viewer(hook: Hook, event: Event) -> Viewer:
    """Return the viewer of what a hook is sent. A hook that code made is the site's, unless it says otherwise."""
    return Viewer(event, hook.user_id, is_enforced=hook.user_id is not None and hook.enforce_permissions)


def _rendered(hook: Hook, event: Event) -> str:
    viewer = _viewer(hook, event)
    if event.payload is not None:
        payload = without_secrets_of_event(event.resource, "payload", viewer.shown(event.payload))
    elif hook.payload_template:
        template, left = compiled(hook.payload_template, hook.content_type), _bytes_left(hook, event)
        if left >= LONGEST_BODY:
            return template.render(event, viewer)
        return template.render(event, viewer, left, TOO_MUCH.format(conf.render_limit))
    elif event.instance is not None and hook.serializer_class:
        instance = object_of(event)
        fields = serializer_at(hook.serializer_class).to_representation(instance)
        payload = without_secrets(fields, instance, event.using)
    elif hasattr(event.instance, STATIC) or hasattr(event.instance, DYNAMIC):
        payload = without_secrets(_from_model(hook, event), object_of(event), event.using)
    else:
        return _default(event, viewer)
    if isinstance(payload, str) and kind_of(hook.content_type) is not Kind.JSON:
        return without_nul(payload)
    return without_nul(dumped(payload, f"the payload of {event.type}"))


def _default(event: Event, viewer: Viewer) -> str:
    if viewer.hides(event.arguments):
        body = body_of(replace(event, arguments=viewer.shown(event.arguments)))
    else:
        made, problem = default_body(event)
        if problem is not None:
            raise CannotRender(problem)
        body = made or ""
    return without_nul(dumped(msgspec.json.decode(body), event.type))


def _from_model(hook: Hook, event: Event) -> Any:
    """Return what the model gives. With both methods, the payload for this hook overrides the one for all.

    `get_static_payload()` is called once for an event, however many hooks; so it fails once, too.
    """
    known = memory_of(event)
    if STATIC not in known:
        method: Callable[[], Any] | None = getattr(object_of(event), STATIC, None)
        try:
            with own_savepoint():
                known[STATIC] = (method() if method is not None else None), None
        except Exception as error:
            known[STATIC] = None, error
    static, failure = known[STATIC]
    if failure is not None:
        raise failure
    if (method_of_hook := getattr(object_of(event), DYNAMIC, None)) is None:
        return static
    copied = copy.copy(hook)  # hooks are shared by threads
    copied.action = event.action
    dynamic = method_of_hook(copied)
    are_objects = isinstance(static, Mapping) and isinstance(dynamic, Mapping)
    return {**static, **dynamic} if are_objects else dynamic


def _bytes_left(hook: Hook, event: Event) -> int:
    """Return how many bytes of this event the hooks of this owner may still be sent."""
    spent = memory_of(event).get(SPENT, {})
    return int(max(0, conf.render_limit - spent.get(hook.user_id, 0)))


def without_secrets(payload: Any, instance: models.Model, using: str) -> Any:
    """Return a payload about an object without its secret fields, and without secret names anywhere inside it.

    `model_to_dict(user)` holds a password's hash, and a serializer with a `depth` writes related objects out, with
    whatever fields they have. HELIOSTAT_EXPOSE keeps names of the model that an object is of.
    """
    if not isinstance(payload, Mapping):
        return redacted(payload)
    hidden = generic_secrets(type(instance), instance.__dict__, using)
    return {name: value for name, value in _of_object(payload, type(instance)).items() if name not in hidden}


def _of_object(payload: Mapping[Any, Any], model: type[models.Model]) -> dict[Any, Any]:
    meta, exposed = model._meta, exposed_names(model)
    fields: dict[Any, Any] = {field.attname: field for field in meta.concrete_fields}
    fields |= {field.name: field for field in (*meta.concrete_fields, *meta.many_to_many)}
    found: dict[Any, Any] = {}
    for name, value in payload.items():
        field = fields.get(name)
        if name not in exposed and (is_secret_name(name) or (name == "pk" and has_secret_key(model))):
            continue
        if field is not None and field.is_relation:
            if _is_nested(value):
                found[name] = _of_related(value, field.related_model)
            elif not points_to_secret(field, model):
                found[name] = redacted(value)
        elif field is None or not points_to_secret(field, model):
            found[name] = without_inner_secrets(model, str(name), value)
    return found


def _of_related(value: Any, model: Any) -> Any:
    if not isinstance(model, type):  # a generic relation
        return redacted(value)
    return _of_object(value, model) if isinstance(value, Mapping) else [_of_object(item, model) for item in value]


def _is_nested(value: Any) -> bool:
    """Return whether related objects are written out, rather than named by their keys."""
    if isinstance(value, (list, tuple)):
        return bool(value) and all(isinstance(item, Mapping) for item in value)
    return isinstance(value, Mapping)

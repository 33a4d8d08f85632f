"""What a hook is sent: made when it happened, inside the transaction of the change.

In this order: an explicit payload (`emit(..., payload=)`), the hook's `payload_template`, its `serializer_class`, what
the model says itself (`get_static_payload()`, `get_dynamic_payload(hook)`), the event's default body.

A template, serializer or method that fails does not undo the change: it is logged, and the default body is sent.
"""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from django.db import models, transaction

from heliostat.conf import conf
from heliostat.events.context import telling
from heliostat.events.event import Event
from heliostat.events.secrets import is_secret
from heliostat.exceptions import ConfigurationError
from heliostat.outbox.bodies import body_of
from heliostat.redaction import is_secret_name
from heliostat.webhooks.content import Kind, kind_of
from heliostat.webhooks.deliverers.overrides import dumped, has_own_dump
from heliostat.webhooks.exceptions import InvalidSerializerError
from heliostat.webhooks.paths import object_at
from heliostat.webhooks.templates import compiled, without_nul

if TYPE_CHECKING:
    from heliostat.webhooks.models import Hook

logger = logging.getLogger("heliostat.webhooks")

STATIC, DYNAMIC = "get_static_payload", "get_dynamic_payload"
REMEMBERED_EVENTS = 16  # one is enough, unless a payload saves objects itself


def body_for(hook: Hook, event: Event) -> str | None:
    """The body of this hook for an event, or None where it is the event's own."""
    try:
        return made_body(hook, event)
    except Exception:
        if conf.hooks_raise_exceptions or event.payload is not None:
            raise
        logger.exception(
            "hook %s: its payload for %s %s (event %s) could not be made; the default body is sent in its place",
            hook.pk,
            event.type,
            event.object_id,
            event.id,
        )
        return None


def made_body(hook: Hook, event: Event) -> str | None:
    """The same; raises whatever the template, serializer or method of the model raises."""
    if event.payload is not None:
        return _written(event.payload, hook, event)
    maker = _maker(hook, event)
    if maker is None:
        return None
    with telling(event), _own_savepoint(event.using):
        return maker(hook, event)


def _maker(hook: Hook, event: Event) -> Callable[[Hook, Event], str | None] | None:
    if hook.payload_template:
        return _from_template
    if event.instance is not None and (maker := _maker_of_instance(hook, event)) is not None:
        return maker
    return _default if has_own_dump() else None


def _maker_of_instance(hook: Hook, event: Event) -> Callable[[Hook, Event], str] | None:
    if hook.serializer_class:
        return _from_serializer
    says_itself = hasattr(event.instance, STATIC) or hasattr(event.instance, DYNAMIC)
    return _from_model if says_itself else None


def _default(_: Hook, event: Event) -> str:
    return without_nul(dumped(msgspec.json.decode(body_of(event)), event.type))


def _from_template(hook: Hook, event: Event) -> str:
    return compiled(hook.payload_template, hook.content_type).render(event)


def _from_serializer(hook: Hook, event: Event) -> str:
    told = serializer_at(hook.serializer_class).to_representation(event.instance)
    return _written(_without_nested_secrets(without_secrets(told, event.instance)), hook, event)


def _from_model(hook: Hook, event: Event) -> str:
    payload = _static.of(event)
    if (dynamic := getattr(event.instance, DYNAMIC, None)) is not None:
        payload = _merged(payload, dynamic(_with_action(hook, event.action)))
    return _written(without_secrets(payload, event.instance), hook, event)


def _merged(static: Any, dynamic: Any) -> Any:
    """Both, where a model has both: what is said for this hook goes over what is said for all."""
    both_are_objects = isinstance(static, Mapping) and isinstance(dynamic, Mapping)
    return {**static, **dynamic} if both_are_objects else dynamic


def _with_action(hook: Hook, action: str) -> Hook:
    """A copy: hooks are shared by threads."""
    told = copy.copy(hook)
    told.action = action
    return told


def _written(payload: Any, hook: Hook, event: Event) -> str:
    if isinstance(payload, str) and kind_of(hook.content_type) is not Kind.JSON:
        return without_nul(payload)
    return without_nul(dumped(payload, f"the payload of {event.type}"))


class _StaticPayloads(threading.local):
    """What `get_static_payload()` gave, or how it failed: it is called once for an event, however many hooks."""

    def __init__(self) -> None:
        self._known: dict[UUID, tuple[Any, Exception | None]] = {}

    def of(self, event: Event) -> Any:
        if event.id not in self._known:
            if len(self._known) >= REMEMBERED_EVENTS:
                del self._known[next(iter(self._known))]
            self._known[event.id] = self._call(event)
        payload, failure = self._known[event.id]
        if failure is not None:
            raise failure
        return payload

    def _call(self, event: Event) -> tuple[Any, Exception | None]:
        method = getattr(event.instance, STATIC, None)
        try:
            return (method() if method is not None else None), None
        except Exception as error:
            return None, error


_static = _StaticPayloads()


def without_secrets(payload: Any, instance: models.Model) -> Any:
    """A payload without the object's own secret fields: `model_to_dict(user)` holds a password's hash."""
    if not isinstance(payload, Mapping):
        return payload
    model = type(instance)
    fields = {name for field in model._meta.concrete_fields for name in (field.name, field.attname)}
    return {name: value for name, value in payload.items() if not (name in fields and is_secret(model, name))}


def _without_nested_secrets(payload: Any) -> Any:
    """Serializers with a `depth` write related objects out, with whatever fields they have."""
    if isinstance(payload, Mapping):
        return {name: _without_nested(value) for name, value in payload.items()}
    return payload


def _without_nested(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_nested(item) for name, item in value.items() if not is_secret_name(name)}
    return [_without_nested(item) for item in value] if isinstance(value, (list, tuple)) else value


@cache
def serializer_at(path: str) -> Any:
    """A serializer of this class, kept: making one costs ten times its use."""
    return object_at(path, "serializers")()


def check_serializer(path: str) -> None:
    """Raises `InvalidSerializerError` where a path leads to no class with the method `to_representation`."""
    try:
        found = object_at(path, "serializers")
    except ConfigurationError as error:
        raise InvalidSerializerError(f"The serializer {error}") from error
    if not isinstance(found, type) or not callable(getattr(found, "to_representation", None)):
        raise InvalidSerializerError(f"“{path}” is no serializer, that is a class with to_representation(instance).")
    try:
        serializer_at(path)
    except Exception as error:
        raise InvalidSerializerError(f"The serializer “{path}” cannot be made without arguments: {error}") from error


@contextmanager
def _own_savepoint(using: str) -> Iterator[None]:
    """Should a query inside fail, the caller's transaction goes on. Costs nothing where there is no query."""
    connection = transaction.get_connection(using)
    needed_rollback = connection.needs_rollback
    savepoint: list[str] = []

    def before_the_first_query(execute: Any, *query: Any) -> Any:
        if not begun:
            begun.append(True)
            savepoint.append(connection.savepoint())
        return execute(*query)

    begun: list[bool] = [] if connection.in_atomic_block else [True]
    try:
        with connection.execute_wrapper(before_the_first_query):
            yield
        if savepoint:
            connection.savepoint_commit(savepoint[0])
    except BaseException:
        if savepoint:
            connection.needs_rollback = needed_rollback  # what failed inside is undone right here
            connection.savepoint_rollback(savepoint[0])
        raise

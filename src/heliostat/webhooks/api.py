"""Hooks and signals made by a function call; validated as everywhere, all or nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Model

from heliostat.conf import did_you_mean
from heliostat.events.types import resource_of
from heliostat.webhooks.event_patterns import check_signals, is_path
from heliostat.webhooks.exceptions import InvalidModelError, InvalidSignalError
from heliostat.webhooks.models import Hook, Signal

ModelName = str | type[Model] | ContentType


def create_hook(
    signals: Iterable[str | Signal] = (),
    model: ModelName | None = None,
    target_url: str = "",
    http_method: str = "POST",
    content_type: str | None = "application/json",
    headers: str | Mapping[str, str] | None = "",
    name: str | None = "",
    **fields: Any,
) -> Hook:
    """Create a hook, and the rows of the custom signals that it names; raises a `ValidationError` and creates nothing.

    `signals` are actions, event types and paths of signals; none stand for everything. `model` is a class,
    `"app.model"`, or the name of a model that no two apps have (`"user"`). With a `payload_template` and an empty
    `content_type` the template is any text. `fields` are further fields of `Hook`: `user`, `payload_template`,
    `serializer_class`, `content_object` ...
    """
    if isinstance(signals, str):
        raise InvalidSignalError(f"Signals are a list: write [{signals!r}].")
    names = [str(signal) for signal in signals]
    if model is not None:
        fields["model"] = _content_type(model)
    if isinstance(headers, Mapping):
        headers = json.dumps(dict(headers))
    with transaction.atomic():
        check_signals(names, fields.get("model"))
        for path in filter(is_path, names):
            create_signal(path)
        fields |= {"signals": names, "name": name, "content_type": content_type, "headers": headers}
        return Hook.objects.create(target_url=target_url, http_method=http_method, **fields)


def create_signal(signal: str) -> Signal:
    """The row of a signal, made where there is none; raises `InvalidSignalError` where the path leads nowhere."""
    return Signal.objects.get_or_create(name=signal)[0]


def _content_type(model: ModelName) -> ContentType:
    if isinstance(model, ContentType):
        return model
    return ContentType.objects.get_for_model(named_model(model) if isinstance(model, str) else model)


def named_model(name: str) -> type[Model]:
    """The model of this name; raises `InvalidModelError` where there is none, or where there are several."""
    known: dict[str, list[type[Model]]] = {}
    for model in apps.get_models():
        meta = model._meta
        names = {meta.model_name, meta.label_lower} | (set() if meta.proxy else {resource_of(model)})
        for each in names:
            known.setdefault(str(each), []).append(model)
    found = known.get(name.lower(), [])
    if not found:
        raise InvalidModelError(f"There is no model “{name}”.{did_you_mean(name.lower(), known)}")
    if len(found) > 1:
        labels = ", ".join(model._meta.label_lower for model in found)
        raise InvalidModelError(f"“{name}” could be each of {labels}; name the app too.")
    return found[0]

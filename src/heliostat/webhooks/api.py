"""Create webhooks and signals with a function call, with the validation of the admin and the REST API."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Model

from heliostat.events.types import resource_of
from heliostat.suggestions import did_you_mean
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
    """Create a webhook, and the rows of the custom signals that it names.

    `signals` are actions, event types and paths of signals; empty means all events. `model` is a class,
    `"app.model"`, or the name of a model that only one app has (`"user"`). With an empty `content_type`,
    `payload_template` may be any text. `fields` are other fields of `Hook`: `user`, `payload_template`,
    `serializer_class`, `content_object` … Raise a `ValidationError`, and create nothing, if one is not valid.
    """
    if isinstance(signals, str):
        raise InvalidSignalError(f"Signals are a list: write [{signals!r}].")
    names = [str(signal) for signal in signals]
    if isinstance(model, str):
        model = named_model(model)
    if model is not None:
        fields["model"] = model if isinstance(model, ContentType) else ContentType.objects.get_for_model(model)
    if isinstance(headers, Mapping):
        headers = json.dumps(dict(headers))
    with transaction.atomic():
        check_signals(names, fields.get("model"))
        for path in filter(is_path, names):
            create_signal(path)
        fields |= {"signals": names, "name": name, "content_type": content_type, "headers": headers}
        return Hook.objects.create(target_url=target_url, http_method=http_method, **fields)


def create_signal(signal: str) -> Signal:
    """Return the row of a signal; create it if needed. Raise `InvalidSignalError` if the path leads to no signal."""
    return Signal.objects.get_or_create(name=signal)[0]


def named_model(name: str) -> type[Model]:
    """Return the model with this name. Raise `InvalidModelError` if there is none, or several."""
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

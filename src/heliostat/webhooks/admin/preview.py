"""The preview on a hook's page: what a hook would send of an object that this person may see, rendered as always, sent
to nobody, kept nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import smart_split

from heliostat.delivery.request import headers_and_body
from heliostat.delivery.signing import SIGNATURE
from heliostat.events.context import quiet
from heliostat.events.event import Event
from heliostat.events.filters import PARTS
from heliostat.events.snapshot import public_key, snapshot, visible_fields
from heliostat.events.transactions import own_savepoint
from heliostat.events.types import ACTIONS, WILD, is_silent, model_of, resource_of
from heliostat.exceptions import ConfigurationError
from heliostat.objects import find_object
from heliostat.outbox.bodies import body_of
from heliostat.outbox.models import Callback, message_id
from heliostat.outbox.problems import Problem
from heliostat.permissions import has_permission
from heliostat.queues.named import is_queue
from heliostat.webhooks.exceptions import InvalidFiltersError
from heliostat.webhooks.filters import compiled
from heliostat.webhooks.kind import destination_of
from heliostat.webhooks.models import Hook
from heliostat.webhooks.payloads import made_body
from heliostat.webhooks.template_context import models_on
from heliostat.webhooks.templates import names_in

NOT_YOURS = "You may not view {}, so no preview of it is shown."


class Question(forms.Form):
    """What the preview is about; the names begin with `preview_`, beside the hook's own fields."""

    prefix = "preview"
    use_required_attribute = False

    object = forms.CharField(required=False, max_length=255, label="Object", help_text="Its id. Empty: the newest.")
    action = forms.CharField(required=False, max_length=100, label="What happens", help_text="Empty: updated.")
    changes = forms.CharField(
        required=False, max_length=1000, label="What changed", help_text="Fields and old values: status=PENDING name"
    )

    def clean_changes(self) -> dict[str, str | None]:
        """`status=PENDING "name=M 31"` by field name."""
        pairs = (text.strip("\"'").partition("=") for text in smart_split(self.cleaned_data["changes"]))
        return {name: old if equals else None for name, equals, old in pairs if name}


class Refused(Exception):
    """There is nothing to show; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A request that is not made, or the `data` of a message in a queue, which has no headers.

    `obstacles`: why the hook would not be notified; `error`: why there is no body.
    """

    event: Event
    obstacles: list[str]
    headers: list[tuple[str, str]]
    body: str
    error: str = ""


def previewed(form: Any, request: HttpRequest, site: admin.AdminSite) -> dict[str, Any]:
    """Return what the page shows of a hook's form: the preview, or why there is none."""
    question = Question(request.POST)
    if not (form.is_valid() and question.is_valid()):
        problems = [
            f"{one[name].label if name in one.fields else 'Form'}: {error}"
            for one in (form, question)
            for name, errors in one.errors.items()
            for error in errors
        ]
        return {"problems": problems}
    hook: Hook = form.instance
    hook.enforce_permissions = True  # as once it is saved here
    in_full = has_permission(request.user, "view", Callback)  # as the log of callbacks shows errors
    try:
        return {"hook": hook, "preview": _preview(hook, _event(hook, question.cleaned_data, request, site), in_full)}
    except (Refused, ConfigurationError) as refusal:
        return {"problems": [str(refusal)]}


def _event(hook: Hook, question: dict[str, Any], request: HttpRequest, site: admin.AdminSite) -> Event:
    """Return the event that the question describes; raise `Refused`."""
    resource, _, action = hook.patterns[0].rpartition(".")
    action = question["action"].strip() or (ACTIONS[1] if WILD.search(action) else action)
    if hook.model is not None:
        model = hook.model.model_class()
    else:
        named = (model_of(pattern.rpartition(".")[0]) for pattern in hook.patterns)
        model = next((one for one in named if one is not None), None)
    if model is None:
        return Event(resource=resource, action=action)
    seen = _visible(model, request, site)
    _check_template(hook, model, request, site)
    object_id = hook.object_id or question["object"].strip()
    try:
        with own_savepoint():
            instance: Model | None = find_object(seen, object_id) if object_id else seen.order_by("-pk").first()
    except DatabaseError as error:  # an unmanaged model whose table is not there, for example
        raise Refused(f"The {model._meta.verbose_name_plural} cannot be read: {error}.") from error
    if instance is None:
        which = f"the id “{object_id}”" if object_id else "any id yet"
        raise Refused(f"There is no {model._meta.verbose_name} with {which}.")
    page = site._registry.get(model)
    if page is not None and not page.has_view_permission(request, instance):
        raise Refused(NOT_YOURS.format("this object"))
    now = snapshot(instance)
    return Event(
        resource=resource_of(type(instance)),
        action=action,
        object_id=public_key(instance, type(instance)),
        snapshot=now,
        changes={name: (old, now.get(name)) for name, old in _old_values(question["changes"], model).items()},
        instance=instance,
        using=seen.db,
    )


def _visible(model: type[Model], request: HttpRequest, site: admin.AdminSite) -> QuerySet[Any]:
    """Return the objects that this person may see: as the model's own page has them, where there is one."""
    page = site._registry.get(model)
    if not (page.has_view_permission(request) if page is not None else has_permission(request.user, "view", model)):
        raise Refused(NOT_YOURS.format(model._meta.verbose_name_plural))
    return page.get_queryset(request) if page is not None else model._default_manager.all()


def _check_template(hook: Hook, model: type[Model], request: HttpRequest, site: admin.AdminSite) -> None:
    """What a template reaches over relations is shown, too."""
    for path in names_in(hook.payload_template, hook.content_type) if hook.payload_template else ():
        for reached in models_on(path, model):
            if reached is None:
                raise Refused(f"{'.'.join(path)} may lead to anything, so no preview of it is shown.")
            _visible(reached, request, site)


def _old_values(changes: dict[str, str | None], model: type[Model]) -> dict[str, Any]:
    """Old values as their fields have them; what is none stays a text."""
    converters = {name: convert for name, _, convert in visible_fields(model)}
    fields = {field.name: field for field in model._meta.concrete_fields}
    typed: dict[str, Any] = {}
    for name, old in changes.items():
        try:
            typed[name] = None if old is None else converters[name](fields[name].to_python(old))
        except (KeyError, ValueError, TypeError, ValidationError):
            typed[name] = old
    return typed


def _preview(hook: Hook, event: Event, in_full: bool) -> Preview:
    """Return the request for an event. Whatever rendering a payload writes is undone, and published to nobody.

    `in_full`: show the texts of errors of the site's own code, too, which may hold anything.
    """
    body, error = "", ""
    with quiet(), transaction.atomic(using=event.using):
        try:
            made = made_body(hook, event)
            body = body_of(event) if made is None else made
        except Exception as failure:
            problem = Problem.of(failure)
            error = problem.reason if in_full else problem.shown
        transaction.set_rollback(True, using=event.using)
    headers, sent = ([], body) if is_queue(hook.target_url) else _request(hook, event, body)
    return Preview(
        event=event,
        obstacles=list(_obstacles(hook, event)),
        headers=headers,
        body=sent,
        error=error,
    )


def _request(hook: Hook, event: Event, body: str) -> tuple[list[tuple[str, str]], str]:
    """Return headers and body of the request that would be made."""
    hook.make_secret()  # of one that was not saved yet; nobody sees it
    destination = destination_of(hook)
    id_ = message_id(str(event.id), hook.subscriber if hook.pk else "hook:0")
    lines, sent = headers_and_body(destination, id_, int(timezone.now().timestamp()), body)
    pairs = [line.split(": ", 1) for line in lines if ": " in line]
    return [(name, "created at each attempt" if name == SIGNATURE else value) for name, value in pairs], sent.decode()


def _obstacles(hook: Hook, event: Event) -> Iterator[str]:
    if not hook.enabled:
        yield "the hook is disabled"
    if hook.ended:
        yield "the hook ended with its object"
    if hook.expires_at is not None and hook.expires_at <= event.time:
        yield "the hook has expired"
    if is_silent(event.type):
        yield f"HELIOSTAT_SILENT names {event.type}"
    if not any(fnmatchcase(event.type, pattern) for pattern in hook.patterns):
        yield f"its signals leave out {event.type}"
    if hook.object_id and hook.object_id != event.object_id:
        yield f"it is notified of {hook.object_id} only, not of {event.object_id}"
    yield from (f"the filter says otherwise: {part}" for part in _parts_that_fail(hook, event))


def _parts_that_fail(hook: Hook, event: Event) -> Iterator[str]:
    comparison = {name: value for name, value in hook.filters.items() if name not in PARTS}
    parts = [{name: hook.filters[name]} for name in PARTS if name in hook.filters]
    for part in [*parts, *([comparison] if comparison else [])]:
        try:
            holds = compiled(part, hook.patterns)
            if holds is not None and not holds(event):
                yield ", ".join(part)
        except InvalidFiltersError as error:
            yield error.messages[0]

"""The preview on a hook's page: what would be sent of an object that this person may see."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.text import smart_split

from heliostat.events.event import Event
from heliostat.events.snapshot import visible_fields
from heliostat.events.types import ACTIONS, WILD, model_of
from heliostat.exceptions import ConfigurationError
from heliostat.objects import find_object
from heliostat.outbox.models import Callback
from heliostat.permissions import has_permission
from heliostat.webhooks.models import Hook
from heliostat.webhooks.preview import Preview, event_about, preview
from heliostat.webhooks.template_context import models_on
from heliostat.webhooks.templates import names_in

NOT_YOURS = "You may not view {}, so no preview of it is shown."


class Question(forms.Form):
    """Of what a preview is wanted; the names begin with `preview_`, beside the hook's own fields."""

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


def previewed(form: Any, request: HttpRequest, site: admin.AdminSite) -> dict[str, Any]:
    """What the page shows of a hook's form: the preview, or what is in its way."""
    question = Question(request.POST)
    if not (form.is_valid() and question.is_valid()):
        return {"problems": [*_said(form), *_said(question)]}
    form.instance.enforce_permissions = True  # as once it is saved here
    try:
        return {"hook": form.instance, "preview": answer(form.instance, question, request, site)}
    except (Refused, ConfigurationError) as refusal:
        return {"problems": [str(refusal)]}


def _said(form: forms.BaseForm) -> list[str]:
    return [
        f"{form[name].label if name in form.fields else 'Form'}: {error}"
        for name, errors in form.errors.items()
        for error in errors
    ]


def answer(hook: Hook, question: Question, request: HttpRequest, site: admin.AdminSite) -> Preview:
    """The preview that was asked for; raises `Refused`."""
    asked = question.cleaned_data
    action = asked["action"].strip() or _first_action(hook)
    in_full = has_permission(request.user, "view", Callback)  # as the log of callbacks shows errors
    model = _model(hook)
    if model is None:
        resource = hook.patterns[0].rpartition(".")[0]
        return preview(hook, Event(resource=resource, action=action), in_full=in_full)
    seen = _visible(model, request, site)
    _check_template(hook, model, request, site)
    instance = _chosen(seen, hook.object_id or asked["object"].strip(), model)
    page = site._registry.get(model)
    if page is not None and not page.has_view_permission(request, instance):
        raise Refused(NOT_YOURS.format("this object"))
    event = event_about(instance, action, _typed(asked["changes"], model), seen.db)
    return preview(hook, event, in_full=in_full)


def _first_action(hook: Hook) -> str:
    action = hook.patterns[0].rpartition(".")[2]
    return ACTIONS[1] if WILD.search(action) else action


def _model(hook: Hook) -> type[Model] | None:
    """The model that a hook is on, or whose events it names."""
    if hook.model is not None:
        return hook.model.model_class()
    found = (model_of(pattern.rpartition(".")[0]) for pattern in hook.patterns)
    return next((model for model in found if model is not None), None)


def _visible(model: type[Model], request: HttpRequest, site: admin.AdminSite) -> QuerySet[Any]:
    """The objects that this person may see: as the model's own page has them, where there is one."""
    page = site._registry.get(model)
    permission = f"{model._meta.app_label}.view_{model._meta.model_name}"
    may_view = page.has_view_permission(request) if page is not None else request.user.has_perm(permission)
    if not may_view:
        raise Refused(NOT_YOURS.format(model._meta.verbose_name_plural))
    return page.get_queryset(request) if page is not None else model._default_manager.all()


def _check_template(hook: Hook, model: type[Model], request: HttpRequest, site: admin.AdminSite) -> None:
    """What a template reaches over relations is shown, too."""
    for path in names_in(hook.payload_template, hook.content_type) if hook.payload_template else ():
        for reached in models_on(path, model):
            if reached is None:
                raise Refused(f"{'.'.join(path)} may lead to anything, so no preview of it is shown.")
            _visible(reached, request, site)


def _chosen(seen: QuerySet[Any], object_id: str, model: type[Model]) -> Model:
    found: Model | None = find_object(seen, object_id) if object_id else seen.order_by("-pk").first()
    if found is None:
        which = f"the id “{object_id}”" if object_id else "any id yet"
        raise Refused(f"There is no {model._meta.verbose_name} with {which}.")
    return found


def _typed(changes: dict[str, str | None], model: type[Model]) -> dict[str, Any]:
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

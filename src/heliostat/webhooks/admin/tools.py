"""Operations on hooks: on one by a button on its page, on many by an action of the list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from heliostat.conf import conf
from heliostat.webhooks import operations
from heliostat.webhooks.models import Hook

MOST_MESSAGES = 5


class Tool(NamedTuple):
    """What a button does. `message` is shown afterwards, with the hook and the page of the callback of a test event."""

    title: str
    act: Callable[[Hook], Any]
    message: str


TOOLS = {
    "ping": Tool(
        "Send a test event",
        operations.ping,
        'A test event for “{hook}” is on its way: <a href="{page}">see what came of it</a>.',
    ),
    "pause": Tool("Pause", operations.pause, "“{hook}” is paused: what happens waits."),
    "resume": Tool("Resume", operations.resume, "“{hook}” is sent again, beginning with what waited."),
    "enable": Tool("Enable", operations.enable, "“{hook}” is enabled."),
    "disable": Tool(
        "Disable",
        lambda hook: operations.disable(hook, "by hand"),
        "“{hook}” is disabled; the callbacks that waited for it are cancelled.",
    ),
}


def tools_for(hook: Hook) -> list[tuple[str, str]]:
    """Return the tools that make sense for a hook in its state."""
    names = ["ping", "resume" if hook.paused else "pause", "disable"] if hook.enabled else ["enable"]
    return [(name, TOOLS[name].title) for name in names]


def use(tool: str, hooks: Sequence[Hook], page: Any, request: HttpRequest) -> None:
    """Use a tool, and show the result."""
    (title, act, message), texts = TOOLS[tool], list[str]()
    for hook in hooks:
        try:
            made = act(hook)
            log = reverse("admin:heliostat_outbox_callback_change", args=[made.pk]) if made is not None else ""
            texts.append(format_html(message, hook=hook, page=log))
            page.log_change(request, hook, title)
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
    if len(texts) > MOST_MESSAGES:
        texts = [f"{title}: done for {len(texts)} hooks."]
    for one in texts:
        messages.success(request, one)


def action_of(tool: str) -> Callable[[Any, HttpRequest, QuerySet[Hook]], None]:
    """Return the action of the list that uses a tool on each chosen hook."""

    @admin.action(description=TOOLS[tool].title, permissions=["change"])
    def action(page: Any, request: HttpRequest, queryset: QuerySet[Hook]) -> None:
        use(tool, list(queryset), page, request)

    action.__name__ = tool
    return action


class RotationForm(forms.Form):
    """For how long the old secret is valid beside the new one."""

    signature = forms.ChoiceField(choices=Hook.SIGNATURES, label="Signature")
    overlap = forms.IntegerField(
        min_value=0, max_value=24 * 90, label="Sign with the old secret too, for so many hours",
        help_text="Until then the receiver may have either. 0: at once with the new one alone.",
    )  # fmt: skip
    seen = forms.CharField(widget=forms.HiddenInput)


def show_secret(request: HttpRequest, hook: Hook) -> None:
    """Show on the next page, and never again, what the receiver needs; a private key is never shown."""
    key, what = (
        (hook.public_key, "public key") if hook.public_key else (hook.reveal_secret(), "secret, shown this once")
    )
    text = "The {}; the receiver needs it to verify: <code class='heliostat-secret'>{}</code>"
    messages.warning(request, format_html(text, what, key))


def rotation_page(page: Any, request: HttpRequest, hook: Hook) -> HttpResponse | None:
    """Show the form of a new secret, or make the secret and return None once the form is sent.

    A page that is sent twice makes one new secret: it knows which it saw.
    """
    seen = sha256(hook.encrypted_secret.encode()).hexdigest()
    hours = round(conf.secret_overlap / 3600)
    initial = {"seen": seen, "signature": hook.signature, "overlap": hours}
    form = RotationForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        if form.cleaned_data["seen"] != seen:
            messages.error(request, "The secret was changed in the meantime, and was left as it is now.")
        else:
            overlap = timedelta(hours=form.cleaned_data["overlap"])
            operations.rotate_secret(hook, overlap, form.cleaned_data["signature"])
            show_secret(request, hook)
            page.log_change(request, hook, "New secret")
        return None
    context = {**page.admin_site.each_context(request), "opts": page.opts, "hook": hook, "form": form}
    context |= {"title": "New secret", "media": page.media}
    return TemplateResponse(request, "admin/heliostat_webhooks/hook/rotate.html", context)

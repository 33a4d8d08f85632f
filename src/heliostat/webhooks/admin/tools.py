"""What can be done with hooks, one by a button on its page, many by an action of the list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from heliostat.conf import conf
from heliostat.webhooks import operations
from heliostat.webhooks.models import Hook


def _ping(hook: Hook) -> SafeString:
    page = reverse("admin:heliostat_outbox_callback_change", args=[operations.ping(hook).pk])
    return format_html('A test event for “{}” is on its way: <a href="{}">see what came of it</a>.', hook, page)


def _pause(hook: Hook) -> str:
    operations.pause(hook)
    return f"“{hook}” is paused: what happens waits."


def _resume(hook: Hook) -> str:
    operations.resume(hook)
    return f"“{hook}” is sent again, beginning with what waited."


def _enable(hook: Hook) -> str:
    operations.enable(hook)
    return f"“{hook}” is enabled."


def _disable(hook: Hook) -> str:
    operations.disable(hook, "by hand")
    return f"“{hook}” is disabled; what waited for it is cancelled."


MOST_SAID = 5
TOOLS: dict[str, tuple[str, Callable[[Hook], str]]] = {
    "ping": ("Send a test event", _ping),
    "pause": ("Pause", _pause),
    "resume": ("Resume", _resume),
    "enable": ("Enable", _enable),
    "disable": ("Disable", _disable),
}


def tools_for(hook: Hook) -> list[tuple[str, str]]:
    """The tools that make sense for a hook as it is."""
    names = ["ping", "resume" if hook.paused else "pause", "disable"] if hook.enabled else ["enable"]
    return [(name, TOOLS[name][0]) for name in names]


def use(tool: str, hooks: Sequence[Hook], page: Any, request: HttpRequest) -> None:
    """Use a tool, and say what came of it."""
    said: list[str] = []
    for hook in hooks:
        try:
            said.append(TOOLS[tool][1](hook))
            page.log_change(request, hook, TOOLS[tool][0])
        except ValidationError as error:
            messages.error(request, " ".join(error.messages))
    if len(said) > MOST_SAID:
        said = [f"{TOOLS[tool][0]}: done for {len(said)} hooks."]
    for one in said:
        messages.success(request, one)


def action_of(tool: str) -> Callable[[Any, HttpRequest, QuerySet[Hook]], None]:
    """The action of the list that uses a tool on each chosen hook."""

    @admin.action(description=TOOLS[tool][0], permissions=["change"])
    def action(page: Any, request: HttpRequest, queryset: QuerySet[Hook]) -> None:
        use(tool, list(queryset), page, request)

    action.__name__ = tool
    return action


class RotationForm(forms.Form):
    """For how long the old secret counts beside the new one."""

    signature = forms.ChoiceField(choices=Hook.SIGNATURES, label="Signature")
    overlap = forms.IntegerField(
        min_value=0, max_value=24 * 90, label="Sign with the old secret too, for so many hours",
        help_text="Until then the receiver may have either. 0: at once with the new one alone.",
    )  # fmt: skip
    seen = forms.CharField(widget=forms.HiddenInput)


def show_secret(request: HttpRequest, hook: Hook) -> None:
    """Show on the next page, and never again, what the receiver needs; a private key is nobody's business."""
    key, what = (
        (hook.public_key, "public key") if hook.public_key else (hook.reveal_secret(), "secret, shown this once")
    )
    text = "The {}; the receiver needs it to verify: <code class='heliostat-secret'>{}</code>"
    messages.warning(request, format_html(text, what, key))


def rotation_page(page: Any, request: HttpRequest, hook: Hook) -> HttpResponse | None:
    """Asks how, and makes a new secret once that is answered; None when there is nothing more to ask.

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

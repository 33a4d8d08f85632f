from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from heliostat.outbox.models import Callback
from heliostat.webhooks.lookup import EVENT_NAMES
from heliostat.webhooks.models import Hook, Signal
from heliostat.webhooks.patterns import DJANGO_SIGNALS

if TYPE_CHECKING:
    HookModelForm = forms.ModelForm[Hook]
    HookModelAdmin = admin.ModelAdmin[Hook]
    SignalModelAdmin = admin.ModelAdmin[Signal]
else:
    HookModelForm = forms.ModelForm
    HookModelAdmin = admin.ModelAdmin
    SignalModelAdmin = admin.ModelAdmin

TEMPLATE_EXAMPLE = '{"id": {{instance.id}}, "name": "{{instance.name}}", "depot": {{instance.depot.name}}}'
TEMPLATE_HELP = format_html(
    "What to send, with names in double braces, for example <code>{}</code>. Names are fields of the "
    "<code>instance</code> and of what it refers to, {}, and a signal's own arguments. Values are escaped for the "
    "content type; without quotes around it, a value keeps its type in JSON. Empty: the serializer, or else what the "
    "model or Heliostat gives.",
    TEMPLATE_EXAMPLE,
    format_html_join(", ", "<code>{}</code>", ([name] for name in EVENT_NAMES)),
)


class HookForm(HookModelForm):
    """A hook, with what can be written into its fields said beside them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        paths = [*DJANGO_SIGNALS, *Signal.objects.exclude(name__in=DJANGO_SIGNALS).values_list("name", flat=True)]
        signals = self.fields["signals"]
        signals.help_text = format_html(
            "{} A JSON list. Signals that are known: {}.",
            signals.help_text,
            format_html_join(", ", "<code>{}</code>", ([path] for path in paths)),
        )
        self.fields["payload_template"].help_text = TEMPLATE_HELP

    class Meta:
        model = Hook
        fields = (
            "name", "user", "enabled", "model", "object_id", "signals",
            "target_url", "http_method", "headers", "content_type", "payload_template", "serializer_class",
        )  # fmt: skip
        widgets = {
            "target_url": forms.URLInput(attrs={"size": 80}),
            "signals": forms.Textarea(attrs={"rows": 2, "cols": 80}),
            "headers": forms.Textarea(attrs={"rows": 3, "cols": 80}),
            "payload_template": forms.Textarea(attrs={"rows": 6, "cols": 80, "spellcheck": "false"}),
            "serializer_class": forms.TextInput(attrs={"size": 80}),
        }


@admin.register(Hook)
class HookAdmin(HookModelAdmin):
    form = HookForm
    list_display = ("__str__", "model", "object_id", "target_url", "enabled", "user", "callbacks")
    list_filter = ("enabled", "model")
    list_select_related = ("model", "user")
    search_fields = ("name", "target_url")
    readonly_fields = ("callbacks",)
    autocomplete_fields = ("user",)

    @admin.display(description="what it was told")
    def callbacks(self, hook: Hook) -> SafeString | str:
        """A link to the callbacks of this hook."""
        if hook.pk is None:
            return "-"
        address = reverse(f"admin:{Callback._meta.app_label}_callback_changelist")
        return format_html('<a href="{}?subscriber={}">callbacks</a>', address, hook.subscriber)

    def save_model(self, request: HttpRequest, obj: Hook, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            text = "The secret of this hook, shown this once; the receiver needs it to verify: {}"
            messages.warning(request, format_html(text, obj.reveal_secret()))


@admin.register(Signal)
class SignalAdmin(SignalModelAdmin):
    search_fields = ("name",)

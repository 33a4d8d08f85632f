"""The form of a hook. Each field says what may be written into it; each error stands beside its field."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Q
from django.utils.datastructures import MultiValueDict
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe

from heliostat.events.types import ACTIONS, declared_types
from heliostat.form_fields import JsonField
from heliostat.json_values import parse_json
from heliostat.objects import find_object
from heliostat.webhooks import owners
from heliostat.webhooks.event_patterns import DJANGO_SIGNALS, hookable_models
from heliostat.webhooks.exceptions import InvalidModelError, by_field
from heliostat.webhooks.models import Hook, Signal
from heliostat.webhooks.template_context import EVENT_NAMES

if TYPE_CHECKING:
    HookModelForm = forms.ModelForm[Hook]
else:
    HookModelForm = forms.ModelForm

TEMPLATE_EXAMPLE = '{"id": {{instance.id}}, "name": "{{instance.name}}", "depot": {{instance.depot.name}}}'
TEMPLATE_HELP = format_html(
    "Names in double braces, for example <code>{}</code>. Names are fields of the <code>instance</code> and of what it "
    "refers to, {}, and a signal's own arguments. Values are escaped for the content type; without quotes around it, a "
    "value keeps its type in JSON. Empty: the serializer, or else what the model or Heliostat gives.",
    TEMPLATE_EXAMPLE,
    format_html_join(", ", "<code>{}</code>", ([name] for name in EVENT_NAMES)),
)
SIGNALS_HELP = format_html(
    "Nothing ticked or written: all that happens to the model. A line is a declared action of the project's own "
    "(<code>crashed</code>), the path of a signal ({}), or an event type (<code>targets.target.*</code>).",
    format_html_join(", ", "<code>{}</code>", ([path] for path in DJANGO_SIGNALS)),
)
DECLARED_HELP = (  # on the event types that this site declares beside the changes of its models
    '<details class="heliostat-examples"><summary>Declared event types</summary><dl>{}</dl></details>'
)
HEADERS_HELP = mark_safe(
    "One a line, for example <code>Authorization: Bearer …</code>; or a JSON object. Content-Type and the headers of "
    "the signature are set by Heliostat."
)

FILTER_EXAMPLES = (
    ("one of these fields changed", '{"changed": ["status", "name"]}'),
    ("a field went from one value to another", '{"from_to": {"status": {"from": "PENDING", "to": "COMPLETED"}}}'),
    ("a field has a value (eq, ne, lt, lte, gt, gte, in, contains …)", '{"field": "priority", "gte": 3}'),
    (
        "what happened, and one of several things",
        '{"actions": ["updated"], "any": [{"changed": ["ra"]}, {"changed": ["dec"]}]}',
    ),
    ("not so", '{"not": {"field": "name", "startswith": "test"}}'),
)
FILTERS_HELP = format_html(
    "Notify only of events that meet these conditions, written as JSON; all of them must hold. Empty: of all events."
    '<details class="heliostat-examples"><summary>Examples</summary><dl>{}</dl></details>',
    format_html_join("", "<dt>{}</dt><dd><code>{}</code></dd>", FILTER_EXAMPLES),
)


CHANGED_MEANWHILE = (
    "This hook was changed since you opened the page, and to save this would undo it: open the page again, in another "
    "tab."
)


class SignalsWidget(forms.Textarea):
    """Ticks for what is known and lines for anything else, all sent under one name."""

    template_name = "heliostat_webhooks/signals.html"
    known: Sequence[tuple[str, str]] = ()

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> list[str]:
        if isinstance(data, MultiValueDict):
            return [str(value) for value in data.getlist(name)]
        value = data.get(name, ())
        return [value] if isinstance(value, str) else [str(one) for one in value]

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        given = _lines(value or ())
        names = [name for name, _ in self.known]
        context = super().get_context(name, "\n".join(line for line in given if line not in names), attrs)
        context["widget"]["known"] = [(path, label, path in given) for path, label in self.known]
        return context

    def id_for_label(self, id_: str) -> str:
        return f"{id_}_lines" if id_ else id_


class SignalsField(forms.Field):
    """A list of signals: ticks, one per line, or a JSON list."""

    widget = SignalsWidget

    def to_python(self, value: Any) -> list[str]:
        found: dict[str, None] = {}
        for line in _lines(value or ()):
            names = parse_json(line) if line.startswith("[") else [line]
            if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
                raise ValidationError('A JSON list holds texts alone, for example ["created", "updated"].')
            found.update(dict.fromkeys(names))
        return list(found)

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return list(initial or ()) != self.to_python(data)
        except ValidationError:
            return True


def _lines(values: Iterable[str]) -> list[str]:
    """Each line by itself; a text that begins a JSON list stays whole."""
    lines: list[str] = []
    for value in values:
        text = value.strip()
        lines += [text] if text.startswith("[") else [line.strip() for line in text.splitlines() if line.strip()]
    return lines


class SeenField(forms.CharField):
    """Which version of a row a page shows; nothing that a person writes."""

    widget = forms.HiddenInput

    def has_changed(self, initial: Any, data: Any) -> bool:
        return False


class HookForm(HookModelForm):
    """The form of a hook, with examples beside its fields."""

    signals = SignalsField(required=False, help_text=SIGNALS_HELP)
    filters = JsonField(required=False, help_text=FILTERS_HELP)
    seen = SeenField(required=False)
    editor: Any = None
    """The user who saves the form: only what they may receive themselves. None where nothing is saved."""
    viewer: Any = None
    """The user who sees the form, who learns which objects exist only of models that they may view."""

    class Meta:
        model = Hook
        fields = (
            "name", "user", "model", "object_id", "signals", "filters", "expires_at",
            "target_url", "http_method", "headers", "content_type", "payload_template", "serializer_class",
            "enabled", "paused", "ordered", "max_per_second", "max_concurrent", "signature",
        )  # fmt: skip
        widgets = {
            "target_url": forms.URLInput(attrs={"class": "vLargeTextField", "placeholder": "https://"}),
            "headers": forms.Textarea(attrs={"rows": 3, "cols": 80, "spellcheck": "false"}),
            "payload_template": forms.Textarea(attrs={"rows": 6, "cols": 80, "spellcheck": "false"}),
            "serializer_class": forms.TextInput(attrs={"class": "vLargeTextField"}),
        }
        help_texts = {"payload_template": TEMPLATE_HELP, "headers": HEADERS_HELP}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._before = copy.copy(self.instance)
        if self.instance.pk:
            self.initial["seen"] = self.instance.modified.isoformat()
        if "model" not in self.fields:  # a person who may only look has no fields
            return
        models, signals, filters = (self.fields[name] for name in ("model", "signals", "filters"))
        # and the one that was chosen before the settings forbade it
        allowed = [one.pk for one in ContentType.objects.get_for_models(*hookable_models()).values()]
        offered = ContentType.objects.filter(Q(pk__in=allowed) | Q(pk=self.instance.model_id))
        models.queryset = offered.order_by("app_label", "model")  # type: ignore[attr-defined]
        if types := declared_types().items():
            terms = format_html_join("", "<dt><code>{}</code></dt><dd>{}</dd>", types)
            signals.help_text = SIGNALS_HELP + format_html(DECLARED_HELP, terms)
        paths = Signal.objects.exclude(name__in=DJANGO_SIGNALS).values_list("name", flat=True)
        custom = ((path, format_html("<code>{}</code>", path)) for path in paths)
        signals.widget.known = [*((action, action) for action in ACTIONS), *custom]
        filters.widget.attrs |= {"rows": 5, "cols": 80, "spellcheck": "false"}

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or self.cleaned_data
        if self.instance.pk and cleaned.get("seen") and cleaned["seen"] != self.initial["seen"]:
            raise ValidationError(CHANGED_MEANWHILE)
        model, object_id = cleaned.get("model"), cleaned.get("object_id")
        if object_id and {"model", "object_id"} & set(self.changed_data) and "model" in cleaned:
            of = model.model_class() if model else None
            if of is None:
                self.add_error("model", InvalidModelError("An object needs the model that it is of."))
            elif self.viewer is not None and not owners.may_hook(self.viewer, of):
                pass  # say nothing of its objects
            elif find_object(of._base_manager.all(), object_id) is None:  # it may have been deleted since, though
                self.add_error("object_id", f"There is no {of._meta.verbose_name} with the id “{object_id}”.")
        return cleaned

    def _post_clean(self) -> None:
        """Refuse a hook that sends what the editor may not view, and changes of one whose owner may not be notified."""
        super()._post_clean()  # type: ignore[misc]  # the stubs leave it out
        if self.editor is None or self.errors:
            return
        is_new = self.instance.pk is None
        changed = owners.DECIDE if is_new else self.changed_data
        try:
            owners.check_change(self.editor, self.instance, changed, None if is_new else self._before)
        except PermissionDenied as error:
            self.add_error(None, str(error))
        except ValidationError as error:
            for name, errors in by_field(error).items():
                messages = [str(text).removesuffix(owners.WHERE) for one in errors for text in one.messages]
                self.add_error(name if name in self.fields else None, messages)

"""The pages of hooks (list, form and operations) and of custom signals.

Each checks Django's permissions on hooks, or on the one hook. Only superusers name a serializer, which is code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.forms.models import model_to_dict
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from heliostat.checked_input import CheckedInput
from heliostat.exceptions import ConfigurationError
from heliostat.outbox.admin.log import moment
from heliostat.outbox.models import Callback
from heliostat.permissions import ObjectPermissions, permitted
from heliostat.visible import VisibleText
from heliostat.webhooks.admin.forms import HookForm
from heliostat.webhooks.admin.preview import Question, previewed
from heliostat.webhooks.admin.state import Summary, state_of, summaries
from heliostat.webhooks.admin.tools import TOOLS, action_of, rotation_page, show_secret, tools_for, use
from heliostat.webhooks.headers import masked
from heliostat.webhooks.models import Hook, Signal
from heliostat.webhooks.owners import why_stopped
from heliostat.webhooks.targets import host_of

if TYPE_CHECKING:
    HookModelAdmin = admin.ModelAdmin[Hook]
    SignalModelAdmin = admin.ModelAdmin[Signal]
else:
    HookModelAdmin = SignalModelAdmin = admin.ModelAdmin

STATE = ("enabled", "paused")
FILTERED = (*STATE, "model")
FIELDSETS: Any = (
    ("Subscriber", {"fields": ("name", "user", STATE)}),
    ("Events", {"fields": ("model", "object_id", "signals", "filters", "expires_at")}),
    ("Receiver", {"fields": ("target_url", ("http_method", "content_type"), "headers")}),
    ("Payload", {"fields": ("payload_template", "serializer_class")}),
    ("Limits", {"fields": ("ordered", ("max_per_second", "max_concurrent"))}),
    ("Signing", {"fields": ("signature",)}),
)
# Once a hook is there, it has buttons for its state, and a new way to sign takes a new secret.
OF_A_HOOK = {STATE: (), "signature": ("signature", "public_key")}
TO_LOOK_AT = OF_A_HOOK | {"target_url": "host", "headers": "masked_headers"}  # both are where keys are written


@admin.register(Hook)
class HookAdmin(CheckedInput, VisibleText, ObjectPermissions, HookModelAdmin):
    form = HookForm
    fieldsets = FIELDSETS
    list_display = ("__str__", "state", "deliveries", "events", "host", "user")
    list_filter = (*STATE, ("model", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("model", "user")
    search_fields = ("name", "target_url")
    search_help_text = "Name; for those who may change hooks, address."
    show_facets = admin.ShowFacets.NEVER
    raw_id_fields = ("user",)
    actions = [action_of(tool) for tool in TOOLS]

    class Media:
        css = {"all": ("heliostat_outbox/admin.css", "heliostat_webhooks/admin.css")}
        js = ("heliostat_webhooks/admin.js",)

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, "heliostat_webhooks_hook"
        tools = [path(f"<int:pk>/{tool}/", view(self.use_tool), {"tool": tool}, f"{name}_{tool}") for tool in TOOLS]
        ours = [
            path("<int:pk>/rotate/", view(self.rotate), name=f"{name}_rotate"),
            path("preview/", view(self.preview), name=f"{name}_preview_new"),
            path("<int:pk>/preview/", view(self.preview), name=f"{name}_preview"),
        ]
        return [*tools, *ours, *super().get_urls()]

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        """Allow only what the filters offer: `?headers__contains=…` would reveal secrets letter by letter."""
        return lookup.partition("__")[0] in FILTERED and super().lookup_allowed(lookup, value, request)

    def get_autocomplete_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Find users by typing where their own pages in this admin can search; elsewhere by key."""
        page = self.admin_site._registry.get(get_user_model())
        return ("user",) if page is not None and page.get_search_fields(request) else ()

    def get_search_fields(self, request: HttpRequest) -> tuple[str, ...]:
        """Many receivers keep a key in their address; to search it is to read it, too."""
        return self.search_fields if self.has_change_permission(request) else ("name",)

    def get_list_display(self, request: HttpRequest) -> Any:
        """Only users who may view callbacks see the column of deliveries."""
        shown = super().get_list_display(request)
        return shown if permitted(request.user, "view", Callback) else [name for name in shown if name != "deliveries"]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        found = super().get_changelist_instance(request)
        self._attach(list(found.result_list), found.queryset.db)
        return found

    def _attach(self, hooks: list[Hook], using: str) -> None:
        for hook, summary in zip(hooks, summaries(hooks, using), strict=True):
            hook.summary = summary  # type: ignore[attr-defined]

    @admin.display(description="state")
    def state(self, hook: Hook) -> SafeString:
        word, why = state_of(hook, _summary(hook))
        return format_html('<span class="heliostat-state heliostat-{}">{}</span> {}', word, word, why)

    @admin.display(description="deliveries")
    def deliveries(self, hook: Hook) -> SafeString:
        """How many callbacks wait, when one was last received, and a link to them."""
        summary = _summary(hook)
        last = moment(summary.last_success) if summary.last_success else "never"
        log = f"{reverse(f'admin:{Callback._meta.app_label}_callback_changelist')}?subscriber={hook.subscriber}"
        text = '{} waiting · last received {} · <a href="{}">log</a>'
        return format_html(text, summary.waiting, last, log)

    @admin.display(description="events")
    def events(self, hook: Hook) -> str:
        return f"{', '.join(hook.patterns)} {hook.object_id}"

    @admin.display(description="host")
    def host(self, hook: Hook) -> str:
        return host_of(hook.target_url)

    @admin.display(description="headers")
    def masked_headers(self, hook: Hook) -> str:
        return "\n".join(f"{name}: {value}" for name, value in masked(hook.headers).items())

    @admin.display(description="public key")
    def public_key(self, hook: Hook) -> str:
        try:
            return hook.public_key or "none: a secret is shared"
        except ConfigurationError as error:  # the key that encrypted its secret is lost
            return str(error)

    def get_fieldsets(self, request: HttpRequest, obj: Hook | None = None) -> Any:
        if obj is None:
            hidden = {"user", "serializer_class"}  # of a new hook
            if request.user.is_superuser:
                hidden.remove("serializer_class")
            if self.has_change_permission(request):
                hidden.remove("user")
            return [
                (title, {"fields": [name for name in one["fields"] if name not in hidden]}) for title, one in FIELDSETS
            ]
        may_change = self.has_change_permission(request, obj)
        shown: Any = OF_A_HOOK if may_change else TO_LOOK_AT
        found = [(title, {"fields": [shown.get(name, name) for name in one["fields"]]}) for title, one in FIELDSETS]
        return [*found, (None, {"fields": ("seen",)})] if may_change else found

    def get_readonly_fields(self, request: HttpRequest, obj: Hook | None = None) -> Any:
        if obj is None:
            return ()
        code = () if request.user.is_superuser else ("serializer_class",)
        return ("signature", "public_key", *code)

    def get_form(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        form = super().get_form(request, *args, **kwargs)
        form.editor = form.viewer = request.user  # type: ignore[attr-defined]
        return form

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """`?copy=7` begins with what hook 7 is, for those who may change it."""
        copied = self.get_object(request, request.GET.get("copy", "")) if "copy" in request.GET else None
        if copied is None or not self.has_change_permission(request, copied):
            own = {} if request.user.is_superuser else {"user": request.user.pk}
            return own | dict(super().get_changeform_initial_data(request))
        return {**model_to_dict(copied, HookForm.Meta.fields), "name": f"{copied.name} (copy)"[:200]}

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        hook = context.get("original")
        if hook is not None:
            self._attach([hook], hook._state.db)
            context["state"] = self.state(hook)
            context["deliveries"] = self.deliveries(hook) if permitted(request.user, "view", Callback) else ""
            context["tools"] = tools_for(hook) if self.has_change_permission(request, hook) else []
        if self._may_write(request, hook):
            context |= {"question": Question(), "preview_url": "../preview/"}
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Hook, form: Any, change: bool) -> None:
        """Save only what the form changed of a hook: its secret and its state are not the form's."""
        obj.enforce_permissions = True
        if change:
            obj.save(update_fields=[*form.changed_data, "enforce_permissions", "modified"])
        else:
            if "user" not in form.fields:
                obj.user = request.user  # type: ignore[assignment]
            super().save_model(request, obj, form, change)
            show_secret(request, obj)

    def use_tool(self, request: HttpRequest, pk: int, tool: str) -> HttpResponse:
        hook = self._changeable(request, pk)
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        use(tool, [hook], self, request)
        return self._back_to(hook)

    def rotate(self, request: HttpRequest, pk: int) -> HttpResponse:
        hook = self._changeable(request, pk)
        if reason := why_stopped(hook):
            messages.error(request, f"The secret cannot be changed while {reason}.")
            return self._back_to(hook)
        return rotation_page(self, request, hook) or self._back_to(hook)

    def preview(self, request: HttpRequest, pk: int | None = None) -> HttpResponse:
        """Show what the hook of this form would send; save nothing."""
        hook = self._changeable(request, pk) if pk is not None else None
        if not self._may_write(request, hook):
            raise PermissionDenied
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        form_class = self.get_form(request, hook, change=hook is not None)
        form_class.editor = None  # the preview itself checks what this user may view
        form = form_class(request.POST, instance=hook)
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": "Preview", "media": self.media}
        context |= previewed(form, request, self.admin_site)
        is_fragment = "X-Heliostat-Fragment" in request.headers
        return TemplateResponse(request, f"heliostat_webhooks/preview{'_result' if is_fragment else ''}.html", context)

    def _may_write(self, request: HttpRequest, hook: Hook | None) -> bool:
        return self.has_change_permission(request, hook) if hook else self.has_add_permission(request)

    def _changeable(self, request: HttpRequest, pk: int) -> Hook:
        hook: Hook | None = self.get_object(request, str(pk))
        if not self.has_change_permission(request, hook):
            raise PermissionDenied
        if hook is None:
            raise Http404
        return hook

    def _back_to(self, hook: Hook) -> HttpResponse:
        return HttpResponseRedirect(reverse(f"{self.admin_site.name}:heliostat_webhooks_hook_change", args=[hook.pk]))


@admin.register(Signal)
class SignalAdmin(CheckedInput, VisibleText, SignalModelAdmin):
    search_fields = ("name",)


def _summary(hook: Hook) -> Summary:
    return getattr(hook, "summary", Summary())

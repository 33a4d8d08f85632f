"""The admin's pages of callbacks and their attempts."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from heliostat.events.databases import database_of
from heliostat.objects import find_object
from heliostat.outbox import resending, transitions
from heliostat.outbox.admin.filters import StatusFilter, SubscriberFilter, TimeFilter
from heliostat.outbox.admin.log import LogAdmin, at, object_link, pretty, subscriber_link
from heliostat.outbox.admin.send_failed import SendFailedView
from heliostat.outbox.models import Attempt, Callback, Status
from heliostat.outbox.queries import search
from heliostat.permissions import has_permission

ATTEMPTS_SHOWN = 100


@admin.register(Callback)
class CallbackAdmin(LogAdmin):
    list_display = ("id", "status", "event", "subscriber_name", "details", "attempts", "changed")
    list_filter = (StatusFilter, TimeFilter, SubscriberFilter)
    list_select_related = ("event",)
    search_fields = ("id",)
    search_help_text = "The id of a callback, event, message (webhook-id) or object; or a subscriber, such as hook:7."
    fields = (
        ("id", "message_id"), ("status", "details"), ("attempts", "due"), ("created", "changed"),
    )  # fmt: skip
    actions = ("send_again",)
    due, created, changed = at("due_at", "due"), at("created_at", "created"), at("updated_at", "last change")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Callback]:
        callbacks: QuerySet[Callback] = super().get_queryset(request)
        return callbacks.defer("body", "event__body", "event__context")

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Callback], search_term: str) -> Any:
        return (search(queryset, search_term.strip()) if search_term.strip() else queryset), False

    def has_resend_permission(self, request: HttpRequest, obj: Callback | None = None) -> bool:
        """Sending again is for those who may change callbacks, though nobody changes them by hand."""
        return has_permission(request.user, "change", Callback, obj)

    @admin.display(description="subscriber")
    def subscriber_name(self, callback: Callback) -> SafeString | str:
        return subscriber_link(callback.subscriber)

    @admin.display(description="details")
    def details(self, callback: Callback) -> str:
        """How it went, in full."""
        return callback.render_error or callback.status_details

    @admin.action(description="Send again, with the same id and body", permissions=["resend"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Callback]) -> None:
        if request.POST.get("select_across") == "1":
            messages.error(
                request, "So many are not sent again by a tick. “Resend failed callbacks” counts them first."
            )
            return
        count = resending.resend(queryset.values_list("pk", flat=True), queryset.db)
        _say_sent_again(request, count)

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        view = self.admin_site.admin_view
        ours = [
            path("send-failed/", view(SendFailedView.as_view(page=self)), name=f"{name}_send_failed"),
            path("<int:pk>/send-again/", view(self.send_one_again), name=f"{name}_send_again"),
        ]
        return [*ours, *super().get_urls()]

    @method_decorator(require_POST)
    def send_one_again(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Resend a finished callback; retry one now that waits for its next attempt."""
        callback = find_object(self.get_queryset(request), pk)
        if not self.has_resend_permission(request, callback):
            raise PermissionDenied
        if callback is None:
            raise Http404
        if callback.status == Status.WAITING:
            transitions.retry_now(database_of(callback), ids=[pk])
            messages.success(request, "It is tried as soon as a worker is free.")
        else:
            _say_sent_again(request, resending.resend([pk], database_of(callback)))
        return HttpResponseRedirect(reverse(f"{self.admin_site.name}:{self.opts.app_label}_callback_change", args=[pk]))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {"may_resend": self.has_resend_permission(request), "subscriber": request.GET.get("subscriber", "")}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        obj = context["original"]
        log = Attempt.objects.using(obj._state.db).filter(callback=obj).order_by("-id")
        context |= {
            "what": object_link(obj.event, request, self.admin_site),
            "subscriber_link": subscriber_link(obj.subscriber),
            "body": pretty(obj.what_is_sent),
            "log": log[:ATTEMPTS_SHOWN],
            "may_resend": self.has_resend_permission(request, obj) and obj.status != Status.SENDING,
            "is_waiting": obj.status == Status.WAITING,
        }
        return super().render_change_form(request, context, *args, **kwargs)


def _say_sent_again(request: HttpRequest, count: int) -> None:
    messages.success(
        request, f"{count} will be sent again; what is waiting or being sent, or cannot be rendered, was left alone."
    )

"""The admin's pages of events."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from heliostat.outbox.admin.log import LogAdmin, at, object_link, pretty, subscriber_link
from heliostat.outbox.models import Callback, Event
from heliostat.outbox.queries import event_id
from heliostat.permissions import permitted

CALLBACKS_SHOWN = 100


@admin.register(Event)
class EventAdmin(LogAdmin):
    list_display = ("id", "type", "object_id", "happened")
    search_fields = ("id",)
    search_help_text = "The id of an event or message (webhook-id), or of an object."
    fields = ("id", "type", "happened", "matched")
    happened = at("created_at", "happened")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Event]:
        events: QuerySet[Event] = super().get_queryset(request)
        is_about_one = request.resolver_match is not None and "object_id" in request.resolver_match.kwargs
        return events if is_about_one else events.defer("body", "context")

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Event], search_term: str) -> Any:
        term = search_term.strip()
        if id_ := event_id(term):
            return queryset.filter(pk=id_), False
        return (queryset.filter(object_id=term) if term else queryset), False

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        obj = context["original"]
        callbacks = Callback.objects.using(obj._state.db).filter(event=obj).order_by("id").defer("body")
        callbacks = callbacks if permitted(request.user, "view", Callback) else callbacks.none()
        context |= {
            "what": object_link(obj, request, self.admin_site),
            "actor": _actor(obj),
            "body": pretty(obj.body),
            "callbacks": [(callback, subscriber_link(callback.subscriber)) for callback in callbacks[:CALLBACKS_SHOWN]],
        }
        return super().render_change_form(request, context, *args, **kwargs)


def _actor(event: Event) -> str:
    """Who did it, where that is known; events that other programs wrote may say anything."""
    try:
        return str(json.loads(event.context)["actor"]["username"])
    except (ValueError, LookupError, TypeError):
        return ""

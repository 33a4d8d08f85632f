"""What the pages of a log have in common: they are read, not written, and never counted to the end."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.core.paginator import Paginator
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString

from heliostat.checked_input import CheckedInput
from heliostat.events.types import model_of
from heliostat.objects import find_object
from heliostat.outbox.kinds import kind_of
from heliostat.outbox.models import Event
from heliostat.permissions import ObjectPermissions
from heliostat.visible import VisibleText, written_out

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    LogPaginator = Paginator[Any]
else:
    ModelAdmin = admin.ModelAdmin
    LogPaginator = Paginator

MOST = 10_000


class BoundedPaginator(LogPaginator):
    """Counts so far and no further: to count a long log costs more than to read it."""

    @cached_property
    def count(self) -> int:
        return min(self._counted, MOST)

    @cached_property
    def _counted(self) -> int:
        return int(self.object_list[: MOST + 1].count())  # type: ignore[attr-defined]

    @property
    def is_cut(self) -> bool:
        """Whether there is more than it counts."""
        return self._counted > MOST


class LogAdmin(CheckedInput, VisibleText, ObjectPermissions, ModelAdmin):
    """A log: to be read, not to be written."""

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = BoundedPaginator
    list_max_show_all = 0
    sortable_by = ()

    class Media:
        css = {"all": ("heliostat_outbox/admin.css",)}

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only what the filters offer: `?body__contains=…` would read the whole log."""
        return lookup in {getattr(one, "parameter_name", None) for one in self.list_filter}

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the row with the key that an address gives, or None: also where a database refuses such a text."""
        return find_object(self.get_queryset(request), object_id)

    def change_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """A page of the log edits nothing, so that hidden characters are written out there, too."""
        return written_out(super().change_view(request, *args, **kwargs))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


def object_link(event: Event, request: HttpRequest, site: admin.AdminSite) -> SafeString | str:
    """What it happened to: a link where there is a page of it that this person may see."""
    model, text = model_of(event.resource), f"{event.resource} {event.object_id or ''}".rstrip()
    page = site._registry.get(model) if model and event.object_id else None
    if page is None or not page.has_view_permission(request):
        return text
    try:
        name = f"{site.name}:{page.opts.app_label}_{page.opts.model_name}_change"
        return format_html('<a href="{}">{}</a>', reverse(name, args=[quote(event.object_id or "")]), text)
    except NoReverseMatch:
        return text


def subscriber_link(subscriber: str) -> SafeString | str:
    """Return the subscriber, as a link where it has a page."""
    kind = kind_of(subscriber)
    try:
        address = "" if kind is None else kind.admin_url(subscriber)
    except NoReverseMatch:  # a project without the admin
        return subscriber
    return format_html('<a href="{}">{}</a>', address, subscriber) if address else subscriber


def moment(time: datetime) -> str:
    """A time as this person reads it, to the second."""
    local = timezone.localtime(time) if timezone.is_aware(time) else time
    return f"{local:%Y-%m-%d %H:%M:%S}"


def at(field: str, description: str) -> Any:
    """A column, or a line of a page, that shows a time to the second."""

    @admin.display(description=description)
    def shown(_: admin.ModelAdmin[Any], obj: Model) -> str:
        return moment(getattr(obj, field))

    return shown


def pretty(body: str) -> SafeString:
    """A body as a person likes to read it: JSON with line breaks, anything else as it is."""
    try:
        text = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = body
    return format_html('<pre class="heliostat-body" tabindex="0">{}</pre>', text)

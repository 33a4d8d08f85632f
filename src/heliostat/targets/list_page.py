"""The page of all targets: filtered, sorted, with a column for each declared extra field."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import F, Max, QuerySet
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from heliostat.rights.pages import open_to_readers
from heliostat.targets.extras import ExtraField, declared_fields
from heliostat.targets.filters import TargetFilter
from heliostat.targets.keyset import keyset_page
from heliostat.targets.models import Target, TargetExtra

SIZE = 25
SORTS = ("name", "type", "status", "priority", "classification", "ra", "dec", "created")
NEWEST = "-created"


@require_safe
@open_to_readers
def target_list(request: HttpRequest) -> HttpResponse:
    """All targets that the user may view; htmx asks for the table alone while somebody types."""
    filters = TargetFilter(request.GET, request.user)
    targets, field = sorted_by(filters.apply(Target.objects.visible_to(request.user)), request.GET.get("sort", ""))
    page = keyset_page(request, targets, field, SIZE)
    declared = declared_fields()
    _add_extras(page.rows, declared)
    _add_last_observed(page.rows, request.user)
    query = request.GET.copy()
    for name in ("after", "before"):
        query.pop(name, None)
    context = {
        "filters": filters,
        "page": page,
        "query": query.urlencode(),
        "sort": request.GET.get("sort", ""),
        "declared": [(f"x.{name}", one.label) for name, one in declared.items()],
        "q": request.GET.get("q", ""),
    }
    filtering = request.headers.get("HX-Request") and not request.headers.get("HX-History-Restore-Request")
    response = render(request, "heliostat_targets/table.html" if filtering else "heliostat_targets/list.html", context)
    response["Vary"] = "HX-Request, Cookie"
    if filtering:  # the address holds what was chosen, not each field that is empty
        chosen = urlencode([(name, value) for name in _asked(query) for value in query.getlist(name) if value])
        response["HX-Push-Url"] = f"{request.path}?{chosen}" if chosen else request.path
    return response


def _asked(query: QueryDict) -> list[str]:
    """Return the parameters that mean something: the unit of a radius does only beside a radius."""
    return [name for name in query if name != "radius_unit" or query.get("radius")]


def sorted_by(targets: QuerySet[Target], sort: str) -> tuple[QuerySet[Target], str]:
    """Return the targets with the field that `?sort=` names: the newest first where it names none."""
    sign, name = ("-", sort[1:]) if sort.startswith("-") else ("", sort)
    if name in SORTS:
        return targets, sign + name
    if field := declared_fields().get(name.removeprefix("x.")) if name.startswith("x.") else None:
        return targets.filter(extras__key=field.name).annotate(extra=F(f"extras__{field.column}")), f"{sign}extra"
    return targets, NEWEST


def _add_extras(rows: list[Any], declared: dict[str, ExtraField]) -> None:
    """Give each target its values of the declared fields, in their order, in one query."""
    stored: dict[int, dict[str, str]] = {}
    if rows and declared:
        extras = TargetExtra.objects.filter(target__in=[row.pk for row in rows], key__in=declared)
        for target, key, value in extras.values_list("target_id", "key", "value"):
            stored.setdefault(target, {})[key] = value
    for row in rows:
        values = stored.get(row.pk, {})
        row.columns = [(field.label, field.shown(values.get(name, ""))) for name, field in declared.items()]


def _add_last_observed(rows: Iterable[Any], user: Any) -> None:
    """Give each target the time at which its last completed observation ended, in one query."""
    model: Any = Target._meta.get_field("observations").related_model
    completed = model._default_manager.visible_to(user).filter(target__in=[row.pk for row in rows], status="COMPLETED")
    last = dict(completed.order_by().values_list("target_id").annotate(last=Max(Coalesce("scheduled_end", "modified"))))
    for row in rows:
        row.last_observed = last.get(row.pk)

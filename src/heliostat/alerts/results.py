"""What a query gave: the alerts, one alert as the broker sent it, and targets made of some."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.html import format_html, format_html_join
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from heliostat.alerts.alerts import BrokerError, GenericAlert
from heliostat.alerts.ingest import Ingested, ingest
from heliostat.alerts.models import AlertRun, BrokerQuery
from heliostat.alerts.runs import StoredRow, rows_of, run
from heliostat.alerts.views import query_for
from heliostat.exceptions import Refused
from heliostat.objects import get_object
from heliostat.rights.pages import check_may_add
from heliostat.targets.models import Target
from heliostat.targets.names import FoldedName, key_of
from heliostat.text import LINES, escape

LINK = '<a class="alert-link" href="{}">{}</a>'


@transaction.non_atomic_requests  # no transaction is held open while the broker is asked
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def run_query(request: HttpRequest, pk: int) -> HttpResponse:
    """POST: query the broker now. GET: show what this user was shown last, and a button that runs the query.

    If the broker fails, the page says how, and the query is kept.
    """
    query = query_for(request, pk, "change")
    if request.method == "POST":
        return redirect(run(query, request.user))
    newest = AlertRun.objects.filter(query=query, user_id=request.user.pk or 0).first()
    return _show(request, query, newest)


@require_safe
@login_required
def results(request: HttpRequest, pk: int, run_id: UUID) -> HttpResponse:
    """What an earlier run gave, as it was then."""
    stored = _run_of(request, pk, run_id)
    return _show(request, stored.query, stored)


def _run_of(request: HttpRequest, pk: int, run_id: UUID) -> AlertRun:
    """A run is for the eyes of the user who made it."""
    query = query_for(request, pk, "view")
    runs = AlertRun.objects.filter(query=query, user_id=request.user.pk or 0).select_related("query")
    return get_object(runs, run_id)


def _show(request: HttpRequest, query: BrokerQuery, stored: AlertRun | None) -> HttpResponse:
    rows = rows_of(stored) if stored else []
    known = _known((row.alert for row in rows if row.alert), request.user)
    lines = [{"row": row, "target": known.get(key_of(row.alert.name)) if row.alert else None} for row in rows]
    return render(request, "heliostat_alerts/results.html", {"run": stored, "query": query, "lines": lines})


def _known(alerts: Any, user: Any) -> dict[str, int]:
    """Targets that have the names of these alerts already, by folded name: one query however many there are."""
    keys = {key_of(alert.name) for alert in alerts}
    names = FoldedName.objects.filter(folded__in=keys, target__in=Target.objects.visible_to(user))
    return dict(names.values_list("folded", "target_id"))


@require_safe
@login_required
def raw_alert(request: HttpRequest, pk: int, run_id: UUID, number: int) -> HttpResponse:
    """One alert as the broker sent it."""
    stored = _run_of(request, pk, run_id)
    row = _row(stored, number)
    text = escape(json.dumps(row.raw, indent=2, ensure_ascii=False), LINES)
    return render(
        request, "heliostat_alerts/raw.html", {"run": stored, "query": stored.query, "row": row, "text": text}
    )


def _row(stored: AlertRun, number: int) -> StoredRow:
    try:
        return rows_of(stored)[number]
    except IndexError:
        raise Http404 from None


@require_POST
@login_required
def create_targets(request: HttpRequest, pk: int, run_id: UUID) -> HttpResponse:
    """Make targets of the chosen rows of a run: of exactly what was shown."""
    stored = _run_of(request, pk, run_id)
    check_may_add(request, Target)
    # The button of one row means that row alone, whatever is ticked.
    chosen = [request.POST["only"]] if "only" in request.POST else request.POST.getlist("selected")
    alerts = [row.alert for row in rows_of(stored) if str(row.number) in chosen and row.alert]
    if not alerts:
        messages.warning(request, "No alert was chosen.")
        return redirect(stored)
    made = [one for alert in alerts if (one := _ingest(request, alert, stored.broker))]
    created = [one.target for one in made if not one.duplicate_by]
    if created:
        links = format_html_join(", ", LINK, ((target.get_absolute_url(), target.name) for target in created))
        messages.success(request, format_html("{} {} created.", links, "was" if len(created) == 1 else "were"))
    if len(made) != len(alerts):
        return redirect(stored)
    if len(alerts) == 1:
        return redirect(made[0].target)
    return redirect("targets:list" if created else stored)


def _ingest(request: HttpRequest, alert: GenericAlert, broker: str) -> Ingested | None:
    try:
        made = ingest(alert, broker, request.user)
    except (BrokerError, Refused) as error:
        messages.error(request, f"{alert.name}: {error}")
        return None
    if made.duplicate_by:
        link = format_html(LINK, made.target.get_absolute_url(), made.target)
        text = format_html("{} is there already as {}: recognised by {}.", alert.name, link, made.duplicate_by)
        messages.warning(request, text)
    return made

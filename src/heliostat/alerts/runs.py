"""Runs of queries: what was fetched is kept for the user who saw it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from heliostat import quiet
from heliostat.alerts.alerts import GenericAlert
from heliostat.alerts.fetching import Fetched, fetch
from heliostat.alerts.models import AlertRun, BrokerQuery
from heliostat.alerts.plain import plain

FIELDS = ("timestamp", "id", "name", "ra", "dec", "mag", "score", "url", "classification", "aliases")


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One row of a run, as it was shown."""

    number: int
    raw: Any
    alert: GenericAlert | None
    problem: str


def fetch_for(query: BrokerQuery) -> Fetched:
    """Ask the query's broker, and note that it was run. No event is published of that: nothing changed in the query."""
    fetched = fetch(query.broker, query.parameters if isinstance(query.parameters, dict) else {})
    query.last_run = timezone.now()
    with quiet():
        BrokerQuery.objects.filter(pk=query.pk).update(last_run=query.last_run)
    return fetched


def run(query: BrokerQuery, user: Any) -> AlertRun:
    """Ask the broker, and keep what came for this user."""
    fetched = fetch_for(query)
    rows = [{"raw": row.raw, "alert": _stored(row.alert), "problem": plain(row.problem)} for row in fetched.rows]
    stored = AlertRun.objects.create(
        query=query, user=user, broker=query.broker, rows=rows, problem=plain(fetched.problem)
    )
    mine = AlertRun.objects.filter(query=query, user=user)
    AlertRun.objects.filter(pk__in=list(mine.values_list("pk", flat=True)[AlertRun.KEPT :])).delete()
    return stored


def rows_of(stored: AlertRun) -> list[StoredRow]:
    return [
        StoredRow(number, row["raw"], _restored(row["alert"], row["raw"]), row["problem"])
        for number, row in enumerate(stored.rows)
    ]


def _stored(alert: GenericAlert | None) -> dict[str, Any] | None:
    return None if alert is None else {name: plain(getattr(alert, name)) for name in FIELDS}


def _restored(stored: dict[str, Any] | None, raw: Any) -> GenericAlert | None:
    if stored is None:
        return None
    return GenericAlert(**{**stored, "aliases": tuple(stored["aliases"])}, raw=raw)

"""Running a query: so many alerts at most, within a deadline, whatever the broker does.

The broker's code runs in a thread, because it may hang where nobody can interrupt it. What came until the deadline
is shown. A thread that hangs is left behind; when too many do, none is started until some have ended.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import Any

from django.db import connections

from heliostat.alerts.alerts import BrokerError, GenericAlert, GenericBroker, QueryParameters
from heliostat.alerts.conf import alert_settings
from heliostat.alerts.plain import plain
from heliostat.alerts.problems import sentence_of
from heliostat.alerts.registry import get_broker
from heliostat.text import clean_name

logger = logging.getLogger(__name__)

THREADS = 16
NAME_LENGTH = 100
_free_threads = threading.BoundedSemaphore(THREADS)


@dataclass(slots=True)
class AlertRow:
    """One alert as the broker sent it, and translated; or why it could not be."""

    raw: Any
    alert: GenericAlert | None = None
    problem: str = ""


@dataclass(slots=True)
class Fetched:
    """What a query gave. `problem` says why there is nothing, or only a part."""

    rows: list[AlertRow] = field(default_factory=list)
    problem: str = ""


def fetch(broker_name: str, parameters: Mapping[str, Any]) -> Fetched:
    """Ask a broker. Never raises: what goes wrong is in the result."""
    try:
        broker = get_broker(broker_name)
    except BrokerError as error:
        return Fetched(problem=str(error))
    threads = _free_threads
    if not threads.acquire(blocking=False):
        return Fetched(problem="Too many queries are still waiting for their brokers. Try again in a minute.")
    job = _Job(broker, QueryParameters(parameters), alert_settings.limit, threads.release)
    threading.Thread(target=job.run, name=f"heliostat-broker-{broker_name}", daemon=True).start()
    return job.wait(alert_settings.deadline)


class _Job:
    def __init__(
        self, broker: type[GenericBroker], parameters: QueryParameters, limit: int, ended: Callable[[], None]
    ) -> None:
        self._broker = broker
        self._parameters = parameters
        self._limit = limit
        self._ended = ended
        self._rows: list[AlertRow] = []
        self._problem = ""
        self._done = threading.Event()
        self._is_late = threading.Event()

    def run(self) -> None:
        try:
            self._take()
        except Exception as error:  # whatever a broker's code raises
            logger.warning("The broker %s failed", self._broker.name, exc_info=True)
            self._problem = sentence_of(error)
        finally:
            self._done.set()
            connections.close_all()  # this thread's own
            self._ended()

    def _take(self) -> None:
        broker = self._broker()
        alerts = broker.fetch_alerts(self._parameters)
        if alerts is None:
            raise BrokerError("The broker module gave no alerts: fetch_alerts() returned None.")
        for raw in islice(alerts, self._limit):
            if self._is_late.is_set():
                return
            self._rows.append(_row(broker, raw))

    def wait(self, seconds: float) -> Fetched:
        if self._done.wait(seconds):
            return Fetched(self._rows, self._problem)
        self._is_late.set()
        rows = list(self._rows)
        came = f"; {len(rows)} alerts had come until then" if rows else ""
        return Fetched(rows, f"The broker did not finish within {seconds:g} seconds{came}.")


def _row(broker: GenericBroker, raw: Any) -> AlertRow:
    """One alert that cannot be translated does not hide the others."""
    try:
        alert = checked(broker.to_generic_alert(raw))
    except Exception as error:  # whatever a broker's code raises
        return AlertRow(plain(raw), problem=f"{type(error).__name__}: {error}"[:300])
    alert.raw = plain(raw)
    return AlertRow(alert.raw, alert)


def checked(alert: GenericAlert) -> GenericAlert:
    """The alert with types that can be relied on, and names without hidden characters; `raw` has them as they came.

    Raises ValueError that says what is wrong.
    """
    if not isinstance(alert, GenericAlert):
        raise ValueError(f"to_generic_alert() gave a {type(alert).__name__}, not a GenericAlert")
    alert.name = clean_name(str(alert.name or ""))
    if not alert.name or len(alert.name) > NAME_LENGTH:
        raise ValueError(f"the name {alert.name[:NAME_LENGTH]!r} is empty or longer than {NAME_LENGTH} characters")
    for attribute in ("ra", "dec", "mag", "score"):
        setattr(alert, attribute, _number(attribute, getattr(alert, attribute)))
    if alert.ra is not None and not 0 <= alert.ra <= 360:  # noqa: PLR2004  a circle
        raise ValueError(f"ra is {alert.ra}, outside of 0 to 360 degrees")
    if alert.dec is not None and not -90 <= alert.dec <= 90:  # noqa: PLR2004  pole to pole
        raise ValueError(f"dec is {alert.dec}, outside of -90 to 90 degrees")
    alert.ra = alert.ra % 360 if alert.ra is not None else None
    alert.timestamp = alert.timestamp.isoformat() if isinstance(alert.timestamp, date) else str(alert.timestamp or "")
    alert.timestamp, alert.id, alert.url = (
        clean_name(str(one)) for one in (alert.timestamp, alert.id, alert.url or "")
    )
    alert.classification = clean_name(str(alert.classification or ""))
    names = (clean_name(str(alias))[:NAME_LENGTH].strip() for alias in alert.aliases or ())
    alert.aliases = tuple(filter(None, names))
    return alert


def _number(name: str, value: Any) -> float | None:
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {str(value)[:50]!r}, which is no number") from None
    return number if math.isfinite(number) else None

"""Metrics for Prometheus: what waits in the outbox, and what a worker has done. Needs `heliostat[metrics]`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import accumulate
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from heliostat.conf import conf
from heliostat.delivery.attempts import BUCKETS, OTHERS, Metrics
from heliostat.delivery.heartbeat import worker_status
from heliostat.exceptions import ConfigurationError
from heliostat.outbox.backlog import backlog
from heliostat.outbox.transitions import CANCEL, GIVE_UP, RETRY, SENT

if TYPE_CHECKING:
    from heliostat.delivery.worker import Worker

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MISSING = "There are no metrics without prometheus-client: pip install 'heliostat[metrics]'"
WORDS = {SENT: "sent", RETRY: "retried", GIVE_UP: "given_up", CANCEL: "cancelled"}


def exposition(using: str, worker: Worker | None = None) -> bytes:
    """Return all metrics in Prometheus' text format. Raise `ConfigurationError` where prometheus-client is missing."""
    try:
        from prometheus_client import generate_latest
    except ImportError as error:
        raise ConfigurationError(MISSING) from error
    families = [*(_of_worker(worker) if worker is not None else ()), *_of_outbox(using)]
    registry: Any = SimpleNamespace(collect=lambda: families)  # one of Prometheus' own would ask twice
    return bytes(generate_latest(registry))


def _of_outbox(using: str) -> Iterator[Any]:
    from prometheus_client.core import GaugeMetricFamily

    now = backlog(using)
    waiting = {name: one.callbacks for name, one in now.waiting.items()}
    due_for = {name: one.due_for for name, one in now.waiting.items()}
    yield _labelled("heliostat_waiting", "Callbacks that wait to be sent.", _most(waiting))
    yield _labelled("heliostat_sending", "Callbacks that are being sent.", _most(now.sending))
    yield _labelled(
        "heliostat_oldest_due_seconds", "For how long the oldest callback has been due.", _most(due_for, total=max)
    )
    yield GaugeMetricFamily(
        "heliostat_circuit_breakers_open", "Open circuit breakers of receivers.", value=len(now.open)
    )
    running = worker_status(using).running
    yield GaugeMetricFamily("heliostat_worker_running", "Whether any worker had a heartbeat lately.", value=running)


def _of_worker(worker: Worker) -> Iterator[Any]:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

    metrics = worker.metrics or Metrics()
    yield GaugeMetricFamily("heliostat_worker_up", "Whether this worker is well.", value=worker.problem() is None)
    yield GaugeMetricFamily("heliostat_worker_in_flight", "Callbacks that this worker sends.", value=worker.in_flight)
    yield CounterMetricFamily("heliostat_worker_claims", "Claims that this worker made.", value=metrics.claims)
    yield CounterMetricFamily("heliostat_worker_claimed", "Callbacks that it claimed.", value=metrics.claimed)
    attempts = CounterMetricFamily("heliostat_attempts", "Attempts by outcome.", labels=["subscriber", "outcome"])
    for (subscriber, outcome), count in sorted(metrics.attempts.copy().items()):
        attempts.add_metric([subscriber, WORDS[outcome]], count)
    yield attempts
    durations = HistogramMetricFamily("heliostat_attempt_duration_seconds", "How long attempts took.")
    totals = map(float, accumulate(metrics.durations))
    durations.add_metric([], list(zip([*map(str, BUCKETS), "+Inf"], totals, strict=True)), metrics.seconds)
    yield durations


def _most(values: Mapping[str, float], total: Any = sum) -> dict[str, float]:
    """Return the greatest by name, and all others as one."""
    ranked = Counter(values).most_common()
    named, rest = ranked[: conf.metrics_subscribers], [value for _, value in ranked[conf.metrics_subscribers :]]
    return dict(named) | ({OTHERS: total(rest)} if rest else {})


def _labelled(name: str, meaning: str, values: Mapping[str, float]) -> Any:
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(name, meaning, labels=["subscriber"])
    for subscriber, value in values.items():
        family.add_metric([subscriber], value)
    return family

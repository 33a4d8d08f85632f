"""(f) The same work by django-webhook2 with Celery and Redis, and by django-outbound-webhooks.

They live in a virtual environment of the benchmark's own, `build/peers`, made when it is first wanted.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import psutil

from benchmarks.bench import Bench, Receiver, receiver
from benchmarks.environments import python_with

TITLE = "(f) the same work by others"
WANTED = (
    "django-webhook2==0.11.0",
    "celery[redis]==5.7.0",
    "django-outbound-webhooks==0.4.0",
    "psycopg[binary]>=3.2",
)
WEBHOOK2 = ("django_webhook",)
OUTBOUND = ("django_domain_events", "django_outbound_webhooks")
REDIS = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
HOOKS = (0, 1, 10)
SAVES, DELIVERIES = 400, 400
WARM = 20
LATEST = 60.0

_left_out: set[str] = set()


def measure(bench: Bench) -> None:
    if not (python := python_with("peers", WANTED)):
        return
    on = "PostgreSQL" if "PostgreSQL" in bench.databases else next(iter(bench.databases))
    around = {"BENCH_BROKER": REDIS, "BENCH_QUEUE": _queue(), "PYTHONWARNINGS": "ignore"}  # Celery warns of root
    more: dict[str, Any] = {"on": on, "python": python, **around}
    _note(bench, "peers", bench.child("benchmarks.peers.saving:bare", bench.amount(SAVES), apps=(), **more))
    more["apps"] = OUTBOUND
    for hooks in HOOKS:
        _note(bench, "outbound", bench.child("benchmarks.peers.outbound:save", hooks, bench.amount(SAVES), **more))
    with receiver() as there:
        _note(bench, "outbound", bench.child("benchmarks.peers.outbound:deliver", *_job(bench, there), **more))
    if _has_redis():
        more["apps"] = WEBHOOK2
        _measure_webhook2(bench, more)


def _job(bench: Bench, there: Receiver) -> tuple[int, str]:
    return bench.amount(DELIVERIES), there.urls()[0]


def _measure_webhook2(bench: Bench, more: dict[str, Any]) -> None:
    for hooks in HOOKS:
        found = bench.child("benchmarks.peers.webhook2:save", hooks, bench.amount(SAVES), **more)
        _note(bench, "webhook2", found)
    with receiver() as there:
        count, url = _job(bench, there)
        bench.child("benchmarks.peers.webhook2:fill", count, url, **more)
        child = bench.start("benchmarks.peers.webhook2:work", **more)
        try:
            _note(bench, "webhook2", _watch(child.pid, there, count))
        except TimeoutError as error:  # of somebody else's package: the rest is measured
            print(f"django-webhook2 is left out: {error}", file=sys.stderr)
        finally:
            child.terminate()
            child.communicate()
    bench.child("benchmarks.peers.webhook2:forget", **more)


def _watch(pid: int, there: Receiver, count: int) -> dict[str, float]:
    """The CPU time of Celery's processes between the first deliveries and the last."""
    early = _until(there, WARM)
    began, cpu = time.monotonic(), _cpu(pid)
    done = _until(there, count) - early
    cpu, wall = _cpu(pid) - cpu, time.monotonic() - began
    return {"core": done / cpu, "clock": done / wall, "cpu": cpu / done * 1e6}


def _until(there: Receiver, count: int) -> int:
    latest = time.monotonic() + LATEST
    while (arrived := int(there.ask("count"))) < count:
        if time.monotonic() > latest:
            raise TimeoutError(f"Celery sent {arrived} of {count} in {LATEST:.0f} s")
        time.sleep(0.02)
    return arrived


def _cpu(pid: int) -> float:
    worker = psutil.Process(pid)
    return sum(times.user + times.system for times in (p.cpu_times() for p in (worker, *worker.children(True))))


def _note(bench: Bench, who: str, found: dict[str, float]) -> None:
    for key, value in found.items():
        bench.figures.add(f"{who} {key}", value)


def table(bench: Bench) -> Iterator[str]:
    figures = bench.figures
    if "peers save bare cpu" not in figures:
        yield "  left out"
        return
    on = "PostgreSQL" if "PostgreSQL" in bench.databases else next(iter(bench.databases))
    for who in ("outbound", "webhook2"):
        if f"{who} core" not in figures:
            yield f"  {NAMES[who]} is left out"
            continue
        yield (
            f"  {NAMES[who]}, {on}: a second and core {figures.text(f'{who} core', '')}, "
            f"each {figures.text(f'{who} cpu', 'µs')}"
        )
        for hooks in HOOKS:
            cpu, wall = (figures.text(f"{who} save {hooks} {kind}", "µs") for kind in ("cpu", "wall"))
            times = figures.ratio(f"{who} save {hooks} cpu", "peers save bare cpu")
            yield f"    save with {hooks:>2} hooks   CPU {cpu:<26} wall {wall:<28} {times:5.2f} x bare"


NAMES = {"outbound": "django-outbound-webhooks", "webhook2": "django-webhook2 with Celery and Redis"}


def _has_redis() -> bool:
    where = urlsplit(REDIS)
    try:
        socket.create_connection((where.hostname or "127.0.0.1", where.port or 6379), timeout=2).close()
    except OSError as error:
        _leave_out(f"django-webhook2 is left out, no Redis: {error}")
        return False
    return True


def _leave_out(why: str) -> None:
    if why not in _left_out:
        _left_out.add(why)
        print(why, file=sys.stderr)


def _queue() -> str:
    return f"heliostat_bench_{secrets.token_hex(4)}"

"""(g) The raw limit: the same POSTs by a bare pycurl loop, with no database and nothing to sign."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pycurl

from benchmarks.bench import Bench, receiver

TITLE = "(g) the raw limit: the same POSTs by a bare pycurl loop"
REQUESTS, AT_ONCE = 20_000, 100
HEADERS = [
    "Content-Type: application/json",
    "Expect:",
    "webhook-id: msg_0199f0f0f0f07000800000000000000a_1",
    "webhook-timestamp: 1700000000",
    "webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
]


def measure(bench: Bench) -> None:
    with receiver() as there:
        database = next(iter(bench.databases))
        found = bench.child("benchmarks.raw:post", bench.amount(REQUESTS), there.urls()[0], on=database, apps=())
    for key, value in found.items():
        bench.figures.add(f"raw {key}", value)


def table(bench: Bench) -> Iterator[str]:
    figures = bench.figures
    yield (
        f"  one receiver             a second and core {figures.text('raw core', ''):<28} "
        f"each {figures.text('raw cpu', 'µs'):<20} a second by the clock {figures.text('raw clock', '')}"
    )


def post(count: int, url: str) -> dict[str, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    _post(count, url)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"core": count / cpu, "clock": count / wall, "cpu": cpu / count * 1e6}


def _post(count: int, url: str) -> None:
    multi = pycurl.CurlMulti()
    multi.setopt(pycurl.M_MAXCONNECTS, 2 * AT_ONCE)
    spare = [_handle(url) for _ in range(AT_ONCE)]
    begun = done = 0
    while done < count:
        while spare and begun < count:
            multi.add_handle(spare.pop())
            begun += 1
        multi.perform()
        _, succeeded, failed = multi.info_read()
        assert not failed, failed
        for handle in succeeded:
            multi.remove_handle(handle)
        spare += succeeded
        done += len(succeeded)
        if not succeeded:
            multi.select(1.0)


def _handle(url: str) -> pycurl.Curl:
    handle = pycurl.Curl()
    handle.setopt(pycurl.URL, url)
    handle.setopt(pycurl.HTTPHEADER, HEADERS)
    handle.setopt(pycurl.POSTFIELDS, "x" * 1024)
    handle.setopt(pycurl.WRITEFUNCTION, len)
    return handle

"""`make chaos`: thousands of events while writers, workers, connections and the database are killed at random.

CHAOS_EVENTS, CHAOS_KILLS and CHAOS_SEED change what is tried; the seed is printed with the report.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from tests.chaos import mariadb
from tests.chaos.postgres import OwnServer, binaries, own_server
from tests.chaos.processes import World, migrate, world
from tests.chaos.receivers import LeanReceiver, receivers
from tests.chaos.storm import WORKERS, Storm

EVENTS = int(os.environ.get("CHAOS_EVENTS", "20000"))
KILLS = int(os.environ.get("CHAOS_KILLS", "200"))
SEED = int(os.environ.get("CHAOS_SEED", random.randrange(10**6)))
AT_ONCE = 50  # HELIOSTAT_CONCURRENCY_PER_SUBSCRIBER: sent and not yet recorded, at most

HOOK = """
from django.contrib.contenttypes.models import ContentType
from heliostat.webhooks.models import Hook
from tests.example.models import Vehicle
hook = Hook(model=ContentType.objects.get_for_model(Vehicle), signals=["created"], target={url!r})
hook.set_secret({secret!r})
hook.save()
"""
UNFINISHED = """
from heliostat.outbox.models import Callback
answer(Callback.objects.exclude(status="sent").count())
"""
KEPT = """
from collections import Counter
from django.db.models import Sum
from heliostat.outbox.models import Attempt, Callback, Event
from tests.example.models import Vehicle
answer({
    "objects": [str(pk) for pk in Vehicle.objects.values_list("pk", flat=True)],
    "ghosts": Vehicle.objects.filter(name="ghost").count(),
    "events": list(Event.objects.values_list("object_id", flat=True)),
    "states": Counter(Callback.objects.values_list("status", flat=True)),
    "claims": Callback.objects.aggregate(n=Sum("attempts"))["n"],
    "logged": Attempt.objects.count(),
    "logged_sent": Attempt.objects.filter(outcome="sent").count(),
})
"""

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1200)]


def test_nothing_is_lost_and_nothing_rolled_back_is_sent_on_postgresql(tmp_path: Path) -> None:
    if binaries() is None:
        pytest.skip("no initdb and pg_ctl of PostgreSQL here: only a server of the test's own may be restarted")
    with own_server() as server:
        server.execute("CREATE DATABASE chaos")
        made = World("chaos")
        made.environment.update(server.environment)
        migrate(made)
        survive("PostgreSQL, a server of its own", made, tmp_path, partial(endanger, server=server))


def test_nothing_is_lost_and_nothing_rolled_back_is_sent_on_mariadb(tmp_path: Path) -> None:
    if "mariadb" not in settings.DATABASES:
        pytest.skip("no MariaDB at 127.0.0.1:3306, or no `make mariadb` yet")
    with world("mariadb", tmp_path) as made:
        survive("MariaDB, a server that others use too", made, tmp_path, partial(cut_off, database=made.database))


def test_nothing_is_lost_and_nothing_rolled_back_is_sent_on_sqlite(tmp_path: Path) -> None:
    made = World(str(tmp_path / "chaos.sqlite3"))
    migrate(made)
    survive("SQLite", made, tmp_path, lambda _: None)


def survive(database: str, made: World, folder: Path, endanger: Callable[[Storm], None]) -> None:
    """A storm, calm, and then a look at what every side remembers."""
    began = time.monotonic()
    with receivers(lambda: "ok", moods(SEED), lambda: "ok") as (quick, moody, absent):
        three = [quick, moody, absent]
        for one in three:
            made.run(HOOK.format(url=one.url, secret=one.secret))
        with storm(made, folder) as raging:
            raging.milestone(0.3, "receiver down", absent.down)
            raging.milestone(0.7, "receiver up", absent.up)
            endanger(raging)
            raging.rage()
            stormed = time.monotonic()
            calm(made)
            raging.workers.stop()
        kept = made.run(KEPT)
    seconds = {"storm": stormed - began, "calm": time.monotonic() - stormed}
    print(report(database, kept, three, raging, seconds))
    check_guarantees(kept, three, raging)
    check_repeats(kept, three, raging)


def moods(seed: int) -> Callable[[], str]:
    """How the moody receiver answers: a third of the time, badly."""
    pick = random.Random(seed)
    kinds, weights = ("ok", "busy", "reset", "drip", "delay"), (66, 12, 8, 4, 10)
    return lambda: pick.choices(kinds, weights)[0]


@contextmanager
def storm(made: World, folder: Path) -> Iterator[Storm]:
    raging = Storm(made, folder, SEED, EVENTS, KILLS)
    try:
        yield raging
    finally:
        raging.end()


def endanger(raging: Storm, server: OwnServer) -> None:
    """What can happen to a database server: killed connections, restarts, a crash."""
    raging.harm("connections", lambda: server.kill_a_backend("chaos"), 0.5)
    for share, mode in ((0.25, "fast"), (0.5, "immediate"), (0.75, "immediate")):
        raging.milestone(share, f"restart ({mode})", lambda mode=mode: server.restart(mode))


def cut_off(raging: Storm, database: str) -> None:
    """What may be done to a server that others use, too: connections to our database are killed."""
    raging.harm("connections", lambda: mariadb.kill_a_connection(database), 0.5)


def calm(made: World, patience: float = 120) -> None:
    """No process is killed any more: the outbox becomes empty."""
    deadline = time.monotonic() + patience
    while (unfinished := made.run(UNFINISHED)) and time.monotonic() < deadline:
        time.sleep(1)
    assert not unfinished, f"{unfinished} callbacks were not sent within {patience:g} s"


def check_guarantees(kept: dict[str, Any], three: list[LeanReceiver], raging: Storm) -> None:
    objects = set(kept["objects"])
    assert set(raging.writers.printed) <= objects, "committed, and gone"
    assert sorted(kept["events"]) == sorted(kept["objects"]), "a change without its event, or the other way round"
    assert two_ids(kept, three) == 0, "a change published under two ids"
    assert kept["states"] == {"sent": len(objects) * len(three)}
    for one in three:
        assert not one.problems, one.problems[:5]
        assert heard_by(one) == objects, "lost"
        assert len(one.messages) == len(objects), "sent under two ids"
        assert all(message.name == "bus" for message in one.messages.values()), "sent what was rolled back"
    assert kept["ghosts"] == 0
    assert "Traceback" not in raging.workers.errors + raging.writers.errors, raging.workers.errors[-3000:]
    assert raging.workers.ended_by_themselves == [0] * WORKERS, raging.workers.errors[-3000:]
    assert raging.writers.ended_by_themselves == [], raging.writers.errors[-3000:]


def heard_by(one: LeanReceiver) -> set[str]:
    """The objects of the messages that this receiver accepted."""
    return {message.object_id for message in one.messages.values() if message.accepted}


def two_ids(kept: dict[str, Any], three: list[LeanReceiver]) -> int:
    """How many changes have more than one id: as events, or as messages of one receiver."""
    by_message = (Counter(message.object_id for message in one.messages.values()) for one in three)
    return sum(count > 1 for counts in (Counter(kept["events"]), *by_message) for count in counts.values())


def check_repeats(kept: dict[str, Any], three: list[LeanReceiver], raging: Storm) -> None:
    """Repeated is only what a worker had sent and could not write down any more."""
    repeats = sum(one.repeats for one in three)
    in_flight = AT_ONCE * len(three)
    lost = kept["claims"] - kept["logged"]
    late = kept["logged_sent"] - kept["states"]["sent"]
    forgotten = raging.counts["restart (immediate)"] * WORKERS * in_flight  # claims do not wait for the disk
    assert repeats <= lost + late + forgotten
    deaths = raging.workers.kills + raging.counts["connections"] + WORKERS * restarts(raging)
    assert repeats <= deaths * in_flight


def restarts(raging: Storm) -> int:
    return sum(count for name, count in raging.counts.items() if name.startswith("restart"))


def report(
    database: str, kept: dict[str, Any], three: list[LeanReceiver], raging: Storm, seconds: dict[str, float]
) -> str:
    rescued = re.findall(r"took (\d+) callbacks from a worker", raging.workers.errors)
    answers = ["  ".join(f"{how} {count}" for how, count in sorted(one.answers.items())) for one in three]
    rows = {
        "database": database,
        "seed": SEED,
        "events": f"{len(kept['objects'])} committed ({len(raging.writers.printed)} known to their writers)",
        "workers killed": raging.workers.kills,
        "writers killed": raging.writers.kills,
        "connections killed": raging.counts["connections"],
        "PostgreSQL restarted": f"{restarts(raging)} times, {raging.counts['restart (immediate)']} of them a crash",
        "callbacks": ", ".join(f"{count} {state}" for state, count in kept["states"].items()),
        "requests, quick receiver": answers[0],
        "requests, moody receiver": answers[1],
        "requests, absent receiver": answers[2],
        "attempts": f"{kept['claims']} begun, {kept['logged']} recorded",
        "rescued": sum(map(int, rescued)),
        "repeats": f"{sum(one.repeats for one in three)} (" + ", ".join(str(one.repeats) for one in three) + ")",
        "rolled back, but sent": sum(message.name == "ghost" for one in three for message in one.messages.values()),
        "changes with two ids": two_ids(kept, three),
        "lost": sum(len(set(kept["objects"]) - heard_by(one)) for one in three),
        "seconds": ", ".join(f"{name} {value:.0f}" for name, value in seconds.items()),
    }
    return "\n\n" + "\n".join(f"  {name:<27}{value}" for name, value in rows.items()) + "\n"

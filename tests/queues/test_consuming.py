"""`heliostat consume`: every event is handled, and a consumer that fails, hangs or dies loses none."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from heliostat.exceptions import ConfigurationError
from heliostat.queues import Consumer
from tests.cli.running import environment, run
from tests.queues.streams import Consuming, Stream, consuming, event, plain_stream, redis_url, stream, until

__all__ = ["consuming", "plain_stream", "redis_url", "stream"]


def test_each_event_is_handled_once_in_order_and_nothing_is_left_behind(stream: Stream, consuming: Consuming) -> None:
    ids = stream.add(250)
    consumer = consuming.run(stream, "quick", "--batch", "100")
    assert [id for _, id, _ in consuming.calls()] == ids
    assert "handled 250, failures 0, dead letters 0" in consumer.output
    assert (stream.pending(), stream.consumers(), stream.dead()) == (0, [], [])


def test_the_function_gets_the_event_as_it_was_published(plain_stream: Stream, tmp_path: Path) -> None:
    (tmp_path / "keeping.py").write_text("import json\ndef keep(event): open('event', 'w').write(json.dumps(event))\n")
    (id,) = plain_stream.add(name="O'B ☀")
    where = (plain_stream.url, "--stream", plain_stream.name, "--group", "g")
    result = run("consume", *where, "--call", "keeping.keep", "--exit-when-idle", "0", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert json.loads((tmp_path / "event").read_text()) == event(id, name="O'B ☀")


def test_each_group_gets_all_events_and_a_new_one_begins_at_the_beginning(
    plain_stream: Stream, consuming: Consuming
) -> None:
    ids = plain_stream.add(3)
    for group in ("g", "other"):
        consuming.run(plain_stream, "quick", group=group)
    assert consuming.noted() == dict.fromkeys(ids, 2)


def test_a_group_can_begin_with_what_comes_from_now_on(plain_stream: Stream, consuming: Consuming) -> None:
    plain_stream.add(3)
    consuming.run(plain_stream, "quick", "--from", "new")
    ids = plain_stream.add(2)
    consuming.run(plain_stream, "quick", "--from", "new")
    assert list(consuming.noted()) == ids


def test_a_consumer_may_be_there_before_the_stream(plain_stream: Stream, consuming: Consuming) -> None:
    with consuming.start(plain_stream, "quick") as consumer:
        consumer.wait_for("consuming the group")
        ids = plain_stream.add(2)
        until(lambda: list(consuming.noted()) == ids, lambda: consumer.output)


@pytest.mark.parametrize("protocol", ["2", "3"])
def test_the_url_may_ask_for_either_protocol(stream: Stream, consuming: Consuming, protocol: str) -> None:
    ids = stream.add(3, fails=True)
    stream.url += f"?protocol={protocol}"
    consuming.run(stream, "failing", "--max-deliveries", "1")
    assert list(consuming.noted("began")) == ids
    assert [json.loads(one["event"])["id"] for one in stream.dead()] == ids


@pytest.mark.parametrize("call", ["awaited", "gives_a_coroutine"])
def test_what_can_be_awaited_is_awaited(plain_stream: Stream, consuming: Consuming, call: str) -> None:
    ids = plain_stream.add(3)
    consuming.run(plain_stream, call)
    assert list(consuming.noted()) == ids


# Consumers that die.


@pytest.mark.slow
def test_a_consumer_that_is_killed_loses_nothing_and_what_is_repeated_has_the_same_id(
    stream: Stream, consuming: Consuming
) -> None:
    ids = stream.add(40, seconds=0.05)
    with consuming.start(stream, "slow") as first:
        until(lambda: len(consuming.noted()) >= 5, lambda: first.output)
        first.stop(signal.SIGKILL)
    consuming.run(stream, "slow")
    noted = consuming.noted()
    assert set(noted) == set(ids)
    assert sum(noted.values()) - len(ids) <= 2, "more than what was in hand, or not yet acknowledged"
    assert stream.consumers() == [], "the name of the dead is removed when nothing is pending for it"


@pytest.mark.slow
def test_the_name_of_a_dead_consumer_stays_while_something_is_pending_for_it(
    stream: Stream, consuming: Consuming
) -> None:
    stream.client.xgroup_create(stream.name, "g", "0", mkstream=True)
    (id,) = stream.add()
    stream.client.xreadgroup("g", "dead", {stream.name: ">"})
    with consuming.start(stream, "quick", "--lease", "3600") as consumer:
        consumer.wait_for("consuming the group")
        consumer.stop()
    assert stream.consumers() == ["dead"], "its pending entry would be lost with the name"
    consuming.run(stream, "quick")
    assert list(consuming.noted()) == [id]
    assert stream.consumers() == []


@pytest.mark.slow
def test_the_name_of_a_consumer_that_waits_stays_beside_others(stream: Stream, consuming: Consuming) -> None:
    """On Redis 7.0, reading nothing is no sign of life."""
    with consuming.start(stream, "quick", "--lease", "4", "--consumer", "ada") as ada:
        until(lambda: stream.client.exists(stream.name) and "ada" in stream.consumers(), lambda: ada.output)
        with consuming.start(stream, "quick", "--lease", "4", "--consumer", "bob") as bob:
            until(lambda: stream.consumers() == ["ada", "bob"], lambda: bob.output)
            time.sleep(6)
            assert stream.consumers() == ["ada", "bob"]
            assert (ada.stop(), stream.consumers()) == (0, ["bob"])
        assert "removed the names" not in ada.output + bob.output


@pytest.mark.slow
def test_entries_of_the_dead_are_taken_over_by_one_of_several_consumers(stream: Stream, consuming: Consuming) -> None:
    stream.client.xgroup_create(stream.name, "g", "0", mkstream=True)
    ids = stream.add(200, seconds=0.005)
    stream.client.xreadgroup("g", "dead", {stream.name: ">"}, count=200)
    with consuming.start(stream, "slow") as one, consuming.start(stream, "slow") as two:
        until(lambda: len(consuming.noted()) == 200, lambda: one.output + two.output)
        assert (one.stop(), two.stop()) == (0, 0)
    assert consuming.noted() == dict.fromkeys(ids, 1), "claimed by two"
    assert len({process for _, _, process in consuming.calls()}) == 2


@pytest.mark.slow
def test_an_entry_that_kills_its_consumers_becomes_a_dead_letter_and_its_neighbours_do_not(
    plain_stream: Stream, consuming: Consuming
) -> None:
    before, (poison,), after = plain_stream.add(3), plain_stream.add(kills=True), plain_stream.add(3)
    for _ in range(3):
        with consuming.start(plain_stream, "killed", "--max-deliveries", "3") as consumer:
            assert consumer.process.wait(60) == -signal.SIGKILL
    consuming.run(plain_stream, "killed", "--max-deliveries", "3")
    assert set(consuming.noted()) == {*before, *after}
    (dead,) = plain_stream.dead()
    assert json.loads(dead["event"])["id"] == poison
    assert "delivered 3 times" in dead["reason"]


# Slow handlers.


@pytest.mark.slow
def test_a_handler_that_takes_longer_than_the_lease_is_not_run_twice(stream: Stream, consuming: Consuming) -> None:
    ids = stream.add(2, seconds=3)
    with consuming.start(stream, "slow") as one, consuming.start(stream, "slow") as two:
        until(lambda: len(consuming.noted()) == 2, lambda: one.output + two.output)
    assert consuming.noted("began") == dict.fromkeys(ids, 1)


@pytest.mark.slow
def test_what_a_consumer_read_and_has_not_begun_is_not_run_twice_either(stream: Stream, consuming: Consuming) -> None:
    with consuming.start(stream, "slow") as one:
        ids = stream.add(3, seconds=1.5)
        until(lambda: consuming.noted("began"), lambda: one.output)
        with consuming.start(stream, "slow") as two:
            until(lambda: len(consuming.noted()) == 3, lambda: one.output + two.output)
    assert consuming.noted("began") == dict.fromkeys(ids, 1)


@pytest.mark.slow
def test_a_consumer_that_stood_still_does_not_begin_what_another_took_over(
    stream: Stream, consuming: Consuming
) -> None:
    """A process that is stopped, as by a debugger or a suspended machine, sends no heartbeats."""
    with consuming.start(stream, "slow") as one:
        ids = stream.add(5, seconds=0.5)
        until(lambda: consuming.noted("began"), lambda: one.output)
        one.process.send_signal(signal.SIGSTOP)
        consuming.run(stream, "slow")
        one.process.send_signal(signal.SIGCONT)
        until(lambda: len(consuming.noted()) == 5, lambda: one.output)
        assert one.stop() == 0
    repeated = consuming.noted("began") - Counter(ids)
    assert sum(repeated.values()) <= 1, "only what it had begun when it was stopped"


@pytest.mark.slow
def test_a_handler_is_killed_at_its_timeout_with_its_children_and_others_go_on(
    plain_stream: Stream, consuming: Consuming
) -> None:
    (hanging,) = plain_stream.add(hangs=True)
    others = plain_stream.add(3)
    consuming.run(plain_stream, "hanging", "--handler-timeout", "1", "--max-deliveries", "2")
    assert consuming.noted() == dict.fromkeys(others, 1)
    assert consuming.noted("began")[hanging] == 2
    (dead,) = plain_stream.dead()
    assert dead["reason"] == "the handler took longer than 1 s and was killed"
    grandchild = int((consuming.folder / "grandchild").read_text())
    until(lambda: not os.path.exists(f"/proc/{grandchild}"), "a process that the handler started lives on")


def test_a_handler_that_kills_its_process_costs_only_that_event(plain_stream: Stream, consuming: Consuming) -> None:
    plain_stream.add(kills=True)
    others = plain_stream.add(3)
    consuming.run(plain_stream, "killed", "--handler-timeout", "10", "--max-deliveries", "1")
    assert consuming.noted() == dict.fromkeys(others, 1)
    assert [one["reason"] for one in plain_stream.dead()] == [
        "the process of the handler ended with the signal SIGKILL"
    ]


def test_the_process_of_a_handler_ends_with_its_consumer(plain_stream: Stream, consuming: Consuming) -> None:
    plain_stream.add(hangs=True)
    with consuming.start(plain_stream, "hanging", "--handler-timeout", "1000") as consumer:
        until((consuming.folder / "grandchild").exists, lambda: consumer.output)
        consumer.stop(signal.SIGKILL)
    ((_, _, child),) = consuming.calls()
    until(lambda: not os.path.exists(f"/proc/{child}"), "the event would be handled twice at once")


# Failures.


@pytest.mark.slow
def test_a_failure_is_retried_with_waits_that_double_and_does_not_stop_the_others(
    stream: Stream, consuming: Consuming
) -> None:
    (failing,), others = stream.add(fails=True), stream.add(20)
    consumer = consuming.run(stream, "failing", "--lease", "30", "--max-deliveries", "3")
    order = [id for what, id, _ in consuming.calls() if what == "began"]
    assert order == [failing, *others, failing, failing]
    for delivery, wait in ((1, 1), (2, 2)):
        text = (
            f"event {failing} (targets.target.created) failed in delivery {delivery} of 3, and is retried in {wait} s"
        )
        assert f"{text}: ValueError: no such mailbox ({consuming.folder}/handlers.py, line" in consumer.output


@pytest.mark.slow
def test_a_retry_waits_as_long_as_it_says(plain_stream: Stream, consuming: Consuming) -> None:
    plain_stream.add(fails=True)
    began = time.monotonic()
    consuming.run(plain_stream, "failing", "--lease", "30", "--max-deliveries", "3")
    assert time.monotonic() - began >= 1 + 2


@pytest.mark.slow
def test_the_retries_of_a_consumer_that_died_are_taken_over(plain_stream: Stream, consuming: Consuming) -> None:
    (id,) = plain_stream.add(fails=True)
    with consuming.start(plain_stream, "failing") as consumer:
        consumer.wait_for("is retried in")
        consumer.stop(signal.SIGKILL)
    consuming.run(plain_stream, "failing", "--max-deliveries", "2")
    assert consuming.noted("began") == {id: 2}
    assert len(plain_stream.dead()) == 1


@pytest.mark.slow
def test_after_the_last_delivery_an_event_is_a_dead_letter_with_all_that_a_person_needs(
    stream: Stream, consuming: Consuming
) -> None:
    (id,) = stream.add(fails=True)
    ((entry, _),) = stream.client.xrange(stream.name)
    consumer = consuming.run(stream, "failing", "--max-deliveries", "2", "--consumer", "ada")
    assert consuming.noted("began") == {id: 2}
    (dead,) = stream.dead()
    assert json.loads(dead.pop("event")) == event(id, fails=True)
    assert dead.pop("reason").startswith("ValueError: no such mailbox (")
    assert dead == {"deliveries": "2", "entry": entry.decode(), "consumer": "ada"}
    assert f"is now a dead letter in {stream.dead_letters}" in consumer.output
    assert stream.pending() == 0


@pytest.mark.slow
def test_where_no_dead_letter_can_be_written_the_entry_stays_pending(
    plain_stream: Stream, consuming: Consuming
) -> None:
    plain_stream.add(fails=True)
    plain_stream.client.set(plain_stream.dead_letters, "not a stream")
    with consuming.start(plain_stream, "failing", "--max-deliveries", "1") as consumer:
        consumer.wait_for("WRONGTYPE")
        assert plain_stream.pending() == 1
        plain_stream.client.delete(plain_stream.dead_letters)
        until(plain_stream.dead, lambda: consumer.output)
        assert consumer.stop() == 0


def test_sys_exit_in_a_handler_is_a_failure_and_no_end(plain_stream: Stream, consuming: Consuming) -> None:
    plain_stream.add(2)
    consuming.run(plain_stream, "exiting", "--max-deliveries", "1")
    assert len(plain_stream.dead()) == 2


@pytest.mark.parametrize("call", ["oddly", "oddly_awaited"])
@pytest.mark.parametrize("timeout", [(), ("--handler-timeout", "10")], ids=["", "timeout"])
def test_whatever_a_handler_raises_is_a_failure_and_no_end(
    plain_stream: Stream, consuming: Consuming, call: str, timeout: tuple[str, ...]
) -> None:
    for what in ("cancelled", "exit", "base", "half", "wordless", ""):
        plain_stream.add(raises=what)
    output = consuming.run(plain_stream, call, "--max-deliveries", "1", *timeout).output
    assert len(consuming.noted()) == 1, output
    reasons = [one["reason"].partition(" (")[0] for one in plain_stream.dead()]
    assert reasons[0].startswith("CancelledError")
    assert reasons[1:] == ["SystemExit: 1", "Base: ", "ValueError: half \\ud800", "Wordless: <exception str() failed>"]
    assert all("handlers.py, line" in one["reason"] for one in plain_stream.dead())
    assert output.count(" is now a dead letter in ") == 5


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"evnt": "{}"}, "the entry has no field 'event'"),
        ({"event": "{"}, "the field 'event' is no JSON: Input data was truncated"),
        ({"event": b"\xff\x00"}, "the field 'event' is no JSON"),
        ({"event": "[" * 100_000}, "the field 'event' is no JSON"),
        ({"event": "[1]"}, "the field 'event' is no JSON object, but list"),
    ],
)
@pytest.mark.parametrize("timeout", [(), ("--handler-timeout", "10")], ids=["", "timeout"])
def test_an_entry_that_is_no_event_is_a_dead_letter_at_once(
    plain_stream: Stream, consuming: Consuming, fields: dict[str, Any], reason: str, timeout: tuple[str, ...]
) -> None:
    plain_stream.client.xadd(plain_stream.name, fields)
    ids = plain_stream.add()
    consuming.run(plain_stream, "quick", *timeout)
    assert list(consuming.noted()) == ids
    ((_, dead),) = plain_stream.client.xrange(plain_stream.dead_letters)
    assert dead[b"reason"].decode().startswith(reason)
    assert dead[b"deliveries"] == b"1"
    for name, value in fields.items():
        assert dead[name.encode()] == (value.encode() if isinstance(value, str) else value)


# Stopping.


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_handler_finish_and_gives_the_rest_back(
    plain_stream: Stream, consuming: Consuming, number: int
) -> None:
    ids = plain_stream.add(10, seconds=0.5)
    with consuming.start(plain_stream, "slow", "--lease", "3600") as consumer:
        until(lambda: consuming.noted("began"), lambda: consumer.output)
        assert consumer.stop(number) == 0
    assert consuming.noted("began") == consuming.noted()
    assert len(consuming.noted()) < 10
    consuming.run(plain_stream, "slow", "--lease", "3600", "--max-deliveries", "1")
    assert consuming.noted() == dict.fromkeys(ids, 1), "what was given back is there at once, and cost no delivery"


@pytest.mark.slow
def test_it_exits_when_idle_only_when_nothing_is_pending_in_the_group(
    plain_stream: Stream, consuming: Consuming
) -> None:
    (id,) = plain_stream.add(seconds=3)
    with consuming.start(plain_stream, "slow") as one:
        until(lambda: consuming.noted("began"), lambda: one.output)
        consuming.run(plain_stream, "quick")
        assert list(consuming.noted()) == [id]


# Wrong usage.


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("--call", "handlers.quik"), 1, "has no function 'quik'. Did you mean 'quick'?"),
        (("--call", "handler.quick"), 1, "there is no module 'handler'"),
        (("--call", "quick"), 1, "Write module.function, with dots"),
        (
            ("--call", "handlers.generator"),
            1,
            "'handlers.generator' is a generator, which does nothing when it is called",
        ),
        (("--call", "handlers.number"), 1, "'handlers.number' is int, not a function"),
        (("--call", "broken.quick"), 1, "'broken.quick' cannot be imported: ZeroDivisionError: division by zero ("),
        (("--call", "broken.quick", "--handler-timeout", "1"), 1, "ZeroDivisionError: division by zero ("),
        (
            ("--call", "needing.quick"),
            1,
            "'needing.quick' cannot be imported: ModuleNotFoundError: No module named 'x'",
        ),
        (("--call", "handlers.quick", "--batch", "0"), 2, "--batch"),
        (("--call", "handlers.quick", "--handler-timeout", "0"), 2, "is no number above 0"),
        ((), 2, "--call"),
    ],
)
def test_wrong_usage_is_one_line_that_says_what_to_do(
    consuming: Consuming, arguments: tuple[str, ...], code: int, text: str
) -> None:
    (consuming.folder / "broken.py").write_text("1 / 0\n")
    (consuming.folder / "needing.py").write_text("import x\n")
    result = run("consume", "redis://127.0.0.1:6379/0", "--group", "g", *arguments, cwd=consuming.folder)
    assert result.returncode == code
    assert text in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "url",
    [
        "redis://ada:secret@127.0.0.1:1/0",
        "redis://ada:sec/ret@127.0.0.1:6379/0",
        "redis://ada:secret@127.0.0.1:6379/zero",
        "redis://ada:secret@127.0.0.1:6379/0?pigeon=1",
        "http://ada:secret@127.0.0.1/",
        "redis://ada:secret@127.0.0.1:6379/0",
    ],
)
def test_a_server_that_cannot_be_used_is_one_line_without_the_credentials(consuming: Consuming, url: str) -> None:
    arguments = ("--group", "g", "--call", "handlers.quick", "--exit-when-idle", "0")
    result = run("consume", url, *arguments, cwd=consuming.folder)
    assert result.returncode == 1
    assert "secret" not in result.stderr
    assert "sec/ret" not in result.stderr
    assert len(result.stderr.splitlines()) == 1, result.stderr


def test_the_url_can_come_from_the_environment_where_nobody_sees_it(plain_stream: Stream, consuming: Consuming) -> None:
    ids = plain_stream.add(1)
    arguments = ("--stream", plain_stream.name, "--group", "g", "--call", "handlers.quick", "--exit-when-idle", "0")
    result = run("consume", *arguments, cwd=consuming.folder, env={"HELIOSTAT_QUEUE_URL": plain_stream.url})
    assert (result.returncode, list(consuming.noted())) == (0, ids), result.stderr
    assert run("consume", *arguments, cwd=consuming.folder).returncode == 2


# Where nothing but the consumer is installed.

WITHOUT_DJANGO = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "django":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
"""


def test_consuming_needs_no_django(plain_stream: Stream, consuming: Consuming) -> None:
    ids = plain_stream.add(2)
    command = ["consume", plain_stream.url, "--stream", plain_stream.name, "--group", "g"]
    command += ["--call", "handlers.quick", "--exit-when-idle", "0"]
    program = f"{WITHOUT_DJANGO}\nfrom heliostat.cli import main\nsys.exit(main({command!r}))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=consuming.folder, env=environment(), check=False, timeout=60
    )
    assert (done.returncode, list(consuming.noted())) == (0, ids)


def test_the_same_is_a_class_in_python(plain_stream: Stream) -> None:
    from heliostat.queues import Consumer

    ids = plain_stream.add(3)
    handled: list[str] = []
    consumer = Consumer(
        plain_stream.url,
        stream=plain_stream.name,
        group="g",
        call=lambda one: handled.append(one["id"]),
        exit_when_idle=0,
    )
    assert consumer.run().handled == 3
    assert handled == ids


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ({"batch": 0}, "batch is 0; it must be 1 or more"),
        ({"lease": float("nan")}, "lease is nan; it must be 0.1 or more"),
        ({"handler_timeout": 0}, "handler_timeout is 0; it must be 0.001 or more"),
        ({"exit_when_idle": -1}, "exit_when_idle is -1; it must be 0 or more"),
        ({"begin": "middle"}, "begin is 'middle'; it can be beginning or new"),
        ({"call": 7}, "call is 7, which is neither a function nor the path of one"),
    ],
)
def test_the_class_refuses_what_is_no_option(option: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(problem)):
        Consumer("redis://127.0.0.1:6379/0", **{"group": "g", "call": print, **option})

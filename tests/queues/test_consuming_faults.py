"""Consumers while Redis stops, cuts connections, forgets a stream or trims it: nothing is lost in silence."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.queues.servers import Proxy, Server, missing, proxy_to, redis_binaries, redis_command, running
from tests.queues.streams import Consuming, Stream, consuming, plain_stream, redis_url, stream, until

pytestmark = pytest.mark.slow

__all__ = ["consuming", "plain_stream", "redis_url", "stream"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of the test's own, which writes to the disk before it answers."""
    if "redis-7" not in redis_binaries():
        missing("redis-server")
    with running(redis_command(redis_binaries()["redis-7"]), tmp_path / "server") as started:
        yield started


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with proxy_to(6379) as one:
        yield one


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_consumer_outlives_a_restart_of_redis(server: Server, consuming: Consuming, how: int) -> None:
    stream = Stream(f"redis://127.0.0.1:{server.port}/0")
    ids = stream.add(30, seconds=0.1)
    with consuming.start(stream, "slow", "--batch", "10") as consumer:
        until(lambda: len(consuming.noted()) >= 3, lambda: consumer.output)
        server.stop(how)
        consumer.wait_for(rf"WARNING Redis at 127.0.0.1:{server.port}/0: .*Trying again in 0.1 s")
        server.start()
        ids += stream.add(5, seconds=0.1)
        until(lambda: len(consuming.noted()) == 35, lambda: consumer.output)
        until(lambda: stream.pending() == 0, lambda: consumer.output)
        assert consumer.stop() == 0
    assert "Traceback" not in consumer.output
    assert set(consuming.noted()) == set(ids)


def test_a_connection_that_is_cut_in_the_middle_of_a_batch_loses_nothing_and_repeats_nothing(
    plain_stream: Stream, consuming: Consuming, proxy: Proxy
) -> None:
    ids = plain_stream.add(60, seconds=0.05)
    plain_stream.url = f"redis://127.0.0.1:{proxy.port}/0"
    with consuming.start(plain_stream, "slow", "--lease", "20") as consumer:
        for number in (10, 30):
            until(lambda number=number: len(consuming.noted()) >= number, lambda: consumer.output)
            proxy.cut()
            consumer.wait_for("Trying again")
            proxy.mend()
        until(lambda: len(consuming.noted()) == 60, lambda: consumer.output)
        until(lambda: plain_stream.pending() == 0, lambda: consumer.output)
    assert consuming.noted() == dict.fromkeys(ids, 1)


def test_a_consumer_may_start_a_little_before_redis(server: Server, consuming: Consuming) -> None:
    stream = Stream(f"redis://127.0.0.1:{server.port}/0")
    server.stop()
    with consuming.start(stream, "quick") as consumer:
        consumer.wait_for("Connection refused. Trying again in 0.1 s")
        server.start()
        (id,) = stream.add()
        until(lambda: list(consuming.noted()) == [id], lambda: consumer.output)


def test_a_consumer_that_is_asked_to_stop_while_redis_is_away_stops(server: Server, consuming: Consuming) -> None:
    stream = Stream(f"redis://127.0.0.1:{server.port}/0")
    with consuming.start(stream, "quick") as consumer:
        consumer.wait_for("consuming the group")
        server.stop()
        consumer.wait_for("Trying again")
        assert consumer.stop() == 0
    assert "What is not acknowledged is delivered again" in consumer.output


@pytest.mark.parametrize("destroy", ["the stream", "the group"])
def test_a_group_that_was_deleted_begins_again(stream: Stream, consuming: Consuming, destroy: str) -> None:
    stream.add(2)
    with consuming.start(stream, "quick") as consumer:
        until(lambda: len(consuming.noted()) == 2, lambda: consumer.output)
        if destroy == "the stream":
            stream.client.delete(stream.name)
        else:
            stream.client.xgroup_destroy(stream.name, "g")
        ids = stream.add(3)
        until(lambda: set(ids) <= set(consuming.noted()), lambda: consumer.output)
        assert "was deleted; it begins again" in consumer.output


def test_scripts_that_the_server_forgets_are_loaded_again(plain_stream: Stream, consuming: Consuming) -> None:
    with consuming.start(plain_stream, "failing", "--max-deliveries", "2") as consumer:
        consumer.wait_for("consuming the group")
        plain_stream.client.script_flush()
        plain_stream.add(2, fails=True)
        until(lambda: len(plain_stream.dead()) == 2, lambda: consumer.output)
    assert "Trying again" not in consumer.output


def test_what_was_trimmed_before_a_group_read_it_is_counted_and_warned_about(
    stream: Stream, consuming: Consuming
) -> None:
    consuming.run(stream, "quick")
    for _ in range(2):
        stream.add(10)
        stream.client.xtrim(stream.name, maxlen=4, approximate=False)
        consumer = consuming.run(stream, "quick", "--batch", "1")
        assert "6 entries were trimmed before the group 'g' of the stream" in consumer.output
        assert "trimmed before they were handled 6" in consumer.output
    assert len(consuming.noted()) == 8
    assert int(stream.client.hget(f"{stream.name}:lost:g", "unread")) == 12


def test_a_group_that_reads_all_in_time_counts_nothing_as_trimmed(stream: Stream, consuming: Consuming) -> None:
    ids = []
    for _ in range(3):
        ids += stream.add(10)
        stream.client.xtrim(stream.name, maxlen=10, approximate=False)
        assert "trimmed" not in consuming.run(stream, "quick", "--batch", "3").output
    assert consuming.noted() == dict.fromkeys(ids, 1)


def test_an_entry_that_was_trimmed_while_its_consumer_was_dead_is_counted_and_shown(
    stream: Stream, consuming: Consuming
) -> None:
    stream.client.xgroup_create(stream.name, "g", "0", mkstream=True)
    stream.add(3)
    stream.client.xreadgroup("g", "dead", {stream.name: ">"})
    stream.client.xtrim(stream.name, maxlen=1, approximate=False)
    consumer = consuming.run(stream, "quick")
    assert consumer.output.count("was trimmed from the stream while it was pending: it is lost") == 2
    assert len(consuming.noted()) == 1
    assert int(stream.client.hget(f"{stream.name}:lost:g", "pending")) == 2
    assert stream.pending() == 0


def test_an_entry_that_is_trimmed_while_it_is_in_hand_is_handled_or_becomes_a_dead_letter(
    stream: Stream, consuming: Consuming
) -> None:
    """A consumer has the event, whatever the stream keeps."""
    with consuming.start(stream, "slow", "--batch", "10") as consumer:
        ids = stream.add(3, seconds=1)
        until(lambda: consuming.noted("began"), lambda: consumer.output)
        stream.client.xtrim(stream.name, maxlen=0, approximate=False)
        until(lambda: len(consuming.noted()) == 3, lambda: consumer.output)
        consumer.stop()
    assert consuming.noted() == dict.fromkeys(ids, 1)
    with consuming.start(stream, "hanging", "--handler-timeout", "1") as consumer:
        stream.add(hangs=True)
        until(lambda: len(consuming.noted("began")) == 4, lambda: consumer.output)
        stream.client.xtrim(stream.name, maxlen=0, approximate=False)
        until(stream.dead, lambda: consumer.output)
    (dead,) = stream.dead()
    assert dead["reason"].endswith("was killed; trimmed from the stream before it could be retried")


@pytest.mark.slow
def test_many_consumers_share_a_stream_that_is_written_and_none_of_its_events_is_handled_twice(
    stream: Stream, consuming: Consuming
) -> None:
    ids: list[str] = []
    writing = threading.Thread(target=lambda: [ids.extend(stream.add(100)) for _ in range(30)])
    with (
        consuming.start(stream, "quick", "--batch", "10") as one,
        consuming.start(stream, "quick", "--batch", "10") as two,
        consuming.start(stream, "quick", "--batch", "10") as three,
    ):
        writing.start()
        writing.join()
        until(lambda: len(consuming.noted()) == 3000, lambda: one.output + two.output + three.output)
    assert consuming.noted() == dict.fromkeys(ids, 1)
    assert len({process for _, _, process in consuming.calls()}) == 3

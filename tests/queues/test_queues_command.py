"""`heliostat queues`: what waits, what is pending, what was lost, and dead letters that are given back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import run
from tests.queues.streams import Consuming, Stream, consuming, event, plain_stream, redis_url, stream

__all__ = ["consuming", "plain_stream", "redis_url", "stream"]


def shown(stream: Stream, folder: Path) -> dict[str, Any]:
    result = run("queues", stream.url, "--stream", stream.name, "--json", cwd=folder)
    assert result.returncode == 0, result.stderr
    (one,) = json.loads(result.stdout)["queues"]
    return dict(one)


def group(stream: Stream, folder: Path) -> dict[str, Any]:
    (one,) = shown(stream, folder)["groups"]
    return dict(one)


def test_a_stream_that_is_not_there_is_empty(plain_stream: Stream, tmp_path: Path) -> None:
    assert shown(plain_stream, tmp_path) | {"place": "", "name": ""} == {
        "name": "", "kind": "redis", "place": "", "waiting": None, "problem": "",
        "stream": plain_stream.name, "length": 0, "added": 0, "groups": [],
    }  # fmt: skip


def test_it_shows_lag_pending_and_consumers(stream: Stream, tmp_path: Path) -> None:
    stream.client.xgroup_create(stream.name, "g", "0", mkstream=True)
    stream.add(10)
    stream.client.xreadgroup("g", "ada", {stream.name: ">"}, count=3)
    found = shown(stream, tmp_path)
    assert (found["length"], found["added"]) == (10, 10)
    (one,) = found["groups"]
    (consumer,) = one.pop("consumers")
    assert one == {
        "name": "g", "lag": 7, "pending": 3, "dead_letters": 0, "trimmed_before_read": 0, "trimmed_while_pending": 0,
    }  # fmt: skip
    assert (consumer["name"], consumer["pending"]) == ("ada", 3)


@pytest.mark.slow
def test_it_shows_what_was_trimmed_before_the_group_could_read_it(
    stream: Stream, consuming: Consuming, tmp_path: Path
) -> None:
    stream.client.xgroup_create(stream.name, "g", "0", mkstream=True)
    stream.add(10)
    stream.client.xreadgroup("g", "ada", {stream.name: ">"}, count=3)
    stream.client.xtrim(stream.name, maxlen=2, approximate=False)
    assert (group(stream, tmp_path)["lag"], group(stream, tmp_path)["trimmed_before_read"]) == (2, 5)
    consuming.run(stream, "quick")
    found = group(stream, tmp_path)
    assert (found["lag"], found["trimmed_before_read"], found["trimmed_while_pending"]) == (0, 5, 3)


def test_people_get_a_table(plain_stream: Stream, tmp_path: Path) -> None:
    plain_stream.client.xgroup_create(plain_stream.name, "mail", "0", mkstream=True)
    plain_stream.add(3)
    result = run("queues", plain_stream.url, "--stream", plain_stream.name, cwd=tmp_path)
    assert [line.split() for line in result.stdout.splitlines()[1:]] == [
        ["stream", f"{plain_stream.name}:", "3", "entries", "of", "3", "that", "were", "added"],
        ["group", "lag", "pending", "dead", "letters", "trimmed", "consumers"],
        ["mail", "3", "0", "0", "0", "0"],
    ]


@pytest.mark.slow
def test_dead_letters_are_listed_and_replayed_for_their_group_only(
    stream: Stream, consuming: Consuming, tmp_path: Path
) -> None:
    first, second = stream.add(2, fails=True)
    consuming.run(stream, "failing", "--max-deliveries", "1")
    consuming.run(stream, "quick", group="other")
    where = ("queues", stream.url, "--stream", stream.name, "--group", "g")
    listed = [json.loads(line) for line in run(*where, "--dead-letters", "--json", cwd=tmp_path).stdout.splitlines()]
    assert [json.loads(one["event"])["id"] for one in listed] == [first, second]
    assert listed[0]["reason"].startswith("ValueError: no such mailbox")
    assert "no such mailbox" in run(*where, "--dead-letters", cwd=tmp_path).stdout

    assert run(*where, "--replay", listed[1]["id"], cwd=tmp_path).stdout == "1 replayed\n"
    assert [json.loads(one["event"])["id"] for one in stream.dead()] == [first]
    consuming.run(stream, "quick")
    consuming.run(stream, "quick", group="other")
    assert consuming.noted() == {first: 1, second: 2}, "the other group has handled it"
    assert stream.consumers() == []


@pytest.mark.slow
def test_a_dead_letter_whose_entry_was_trimmed_is_replayed_for_its_group_only(
    stream: Stream, consuming: Consuming, tmp_path: Path
) -> None:
    (id,) = stream.add(fails=True)
    consuming.run(stream, "failing", "--max-deliveries", "1")
    stream.client.xtrim(stream.name, maxlen=0, approximate=False)
    result = run("queues", stream.url, "--stream", stream.name, "--group", "g", "--replay", cwd=tmp_path)
    assert (result.stdout, stream.dead()) == ("1 replayed\n", [])
    consuming.run(stream, "quick", group="other")
    assert consuming.noted() == {}
    consuming.run(stream, "quick")
    assert consuming.noted() == {id: 1}


@pytest.mark.parametrize("gone", ["the stream", "the group"])
def test_a_dead_letter_whose_stream_or_group_was_deleted_is_replayed(
    stream: Stream, consuming: Consuming, tmp_path: Path, gone: str
) -> None:
    (id,) = stream.add(fails=True)
    consuming.run(stream, "failing", "--max-deliveries", "1")
    if gone == "the stream":
        stream.client.delete(stream.name)
    else:
        stream.client.xgroup_destroy(stream.name, "g")
        stream.client.xtrim(stream.name, maxlen=0, approximate=False)
    result = run("queues", stream.url, "--stream", stream.name, "--group", "g", "--replay", cwd=tmp_path)
    assert (result.stdout, stream.dead()) == ("1 replayed\n", []), result.stderr
    consuming.run(stream, "quick")
    assert consuming.noted() == {id: 1}


def test_a_dead_letter_that_cannot_be_replayed_stays(
    plain_stream: Stream, consuming: Consuming, tmp_path: Path
) -> None:
    plain_stream.add(fails=True)
    consuming.run(plain_stream, "failing", "--max-deliveries", "1")
    plain_stream.client.delete(plain_stream.name)
    plain_stream.client.set(plain_stream.name, "not a stream")
    result = run("queues", plain_stream.url, "--stream", plain_stream.name, "--group", "g", "--replay", cwd=tmp_path)
    assert (result.returncode, len(plain_stream.dead())) == (1, 1)
    assert "WRONGTYPE" in result.stderr


@pytest.mark.slow
def test_a_replayed_event_has_all_its_deliveries_before_it(
    plain_stream: Stream, consuming: Consuming, tmp_path: Path
) -> None:
    (id,) = plain_stream.add(fails=True)
    for number in (2, 4):
        consuming.run(plain_stream, "failing", "--max-deliveries", "2")
        assert consuming.noted("began") == {id: number}
        assert [json.loads(one["event"]) for one in plain_stream.dead()] == [event(id, fails=True)]
        where = ("queues", plain_stream.url, "--stream", plain_stream.name, "--group", "g")
        assert run(*where, "--replay", cwd=tmp_path).returncode == 0


def test_a_dead_letter_that_is_no_event_is_left(plain_stream: Stream, consuming: Consuming, tmp_path: Path) -> None:
    plain_stream.client.xadd(plain_stream.name, {"evnt": "{}"})
    consuming.run(plain_stream, "quick")
    where = ("queues", plain_stream.url, "--stream", plain_stream.name, "--group", "g")
    assert run(*where, "--replay", cwd=tmp_path).stdout == "0 replayed; 1 left, which are no events\n"


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ((), 2, "there is no project here. Give the URL"),
        (("http://ada:secret@127.0.0.1/",), 2, "the URL of the queue is not valid"),
        (("redis://127.0.0.1:6379/0", "--replay"), 2, "need the URL of the server and --group"),
        (("redis://ada:secret@127.0.0.1:1/0", "--group", "g", "--replay"), 1, "Connection refused"),
    ],
)
def test_what_cannot_work_is_one_line(tmp_path: Path, arguments: tuple[str, ...], code: int, text: str) -> None:
    result = run("queues", *arguments, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (code, "")
    assert text in result.stderr
    assert "secret" not in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_server_that_cannot_be_reached_is_shown_as_such(tmp_path: Path) -> None:
    result = run("queues", "redis://ada:secret@127.0.0.1:1/0", cwd=tmp_path)
    assert result.returncode == 1
    assert "cannot be used: Error 111 connecting to 127.0.0.1:1. Connection refused." in result.stdout
    assert "secret" not in result.stdout + result.stderr

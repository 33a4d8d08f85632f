"""What a stream and its groups look like: what waits, what was lost, who consumes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import redis

from heliostat.queues.consuming.connection import facts
from heliostat.queues.consuming.group import dead_letters_of, losses_of


@dataclass
class ConsumerStatus:
    """A consumer. `idle` are the seconds since it last gave a sign of life."""

    name: str
    pending: int
    idle: float


@dataclass
class GroupStatus:
    """A group of a stream.

    `lag`: entries that it has not read (None where the server does not know). `pending`: read and not finished.
    `trimmed_before_read` and `trimmed_while_pending`: lost to the group, because the bound of the stream removed them.
    """

    name: str
    lag: int | None
    pending: int
    dead_letters: int
    trimmed_before_read: int
    trimmed_while_pending: int
    consumers: list[ConsumerStatus]


@dataclass
class StreamStatus:
    """A stream: the entries in it, and how many were ever added."""

    stream: str
    length: int
    added: int
    groups: list[GroupStatus]


def stream_status(client: redis.Redis, stream: str) -> StreamStatus:
    """Return the status of a stream; one that does not exist is empty. Raise `RedisError`."""
    if not client.exists(stream):
        return StreamStatus(stream, 0, 0, [])
    about = facts(client.execute_command("XINFO STREAM", stream))
    groups = [_group(client, stream, about, facts(row)) for row in client.execute_command("XINFO GROUPS", stream)]
    return StreamStatus(stream, about["length"], about["entries-added"], groups)


def _group(client: redis.Redis, stream: str, about: dict[str, Any], group: dict[str, Any]) -> GroupStatus:
    name, length = group["name"], about["length"]
    lost = {key.decode(): int(value) for key, value in client.hgetall(losses_of(stream, name)).items()}  # type: ignore[union-attr]
    unread, is_exact = _unread(about, group)
    trimmed = lost.get("unread", 0)
    if is_exact and unread is not None and group["entries-read"] is not None:
        trimmed += max(0, about["entries-added"] - group["entries-read"] - unread)
    rows = [facts(row) for row in client.execute_command("XINFO CONSUMERS", stream, name)]
    return GroupStatus(
        name=name,
        lag=None if unread is None else min(unread, length),
        pending=group["pending"],
        dead_letters=int(client.execute_command("XLEN", dead_letters_of(stream, name))),
        trimmed_before_read=trimmed,
        trimmed_while_pending=lost.get("pending", 0),
        consumers=[ConsumerStatus(one["name"], one["pending"], one["idle"] / 1000) for one in rows],
    )


def _unread(about: dict[str, Any], group: dict[str, Any]) -> tuple[int | None, bool]:
    """Return how many entries a group has not read, and whether nothing else can be missing.

    The server's own `lag` is unknown after some deletions, and counts what was trimmed on some versions only.
    """
    last = group["last-delivered-id"]
    if about["length"] == 0 or last == about["last-generated-id"]:
        return 0, True
    if _order(about["first-entry"][0].decode()) > _order(last):
        return about["length"], True
    return group["lag"], False


def _order(id: str) -> tuple[int, ...]:
    return tuple(map(int, id.split("-")))

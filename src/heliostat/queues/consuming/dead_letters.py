"""The dead letters of a group: why each is there, and how its group gets them again."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import redis

from heliostat.queues.consuming import scripts
from heliostat.queues.consuming.group import dead_letters_of

PAGE = 100


@dataclass
class DeadLetter:
    """An event that was not handled. `entry` is its id in the stream, `event` its JSON; None: it was no event."""

    id: str
    reason: str
    deliveries: int
    entry: str
    consumer: str
    event: str | None


def dead_letters(client: redis.Redis, stream: str, group: str) -> Iterator[DeadLetter]:
    """Yield the dead letters that are there now, the oldest first. Raise `RedisError`."""
    key, begin = dead_letters_of(stream, group), "-"
    newest = client.execute_command("XREVRANGE", key, "+", "-", "COUNT", 1)
    end = next(iter(newest))[0] if newest else None
    while end and (page := client.execute_command("XRANGE", key, begin, end, "COUNT", PAGE)):
        for id, pairs in page:
            texts = [one.decode("utf-8", "backslashreplace") for one in pairs]
            fields = dict(zip(texts[::2], texts[1::2], strict=True))
            yield DeadLetter(
                id=id.decode(),
                reason=fields.get("reason", ""),
                deliveries=int(fields.get("deliveries", 0)),
                entry=fields.get("entry", ""),
                consumer=fields.get("consumer", ""),
                event=fields.get("event"),
            )
        begin = f"({page[-1][0].decode()}"


def replay(client: redis.Redis, stream: str, group: str, ids: Collection[str] = ()) -> tuple[int, int]:
    """Give dead letters (all, or those with these ids) to their group again, with all deliveries before them.

    Other groups do not get them. Each is moved in one step. Return how many were replayed, and how many were left,
    because they are no events. Raise `RedisError`.
    """
    script = client.register_script(scripts.REPLAY)
    keys = [stream, dead_letters_of(stream, group)]
    replayed = left = 0
    for one in dead_letters(client, stream, group):
        if ids and one.id not in ids:
            continue
        if one.event is None or not one.entry:
            left += 1
        else:
            replayed += script(keys=keys, args=[group, one.id, one.entry, one.event])
    return replayed, left

"""A consumer group of a stream, as one of its consumers uses it: each method is one step on the server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import redis

from heliostat.queues.consuming import scripts

FIELD = b"event"
GROUP = b"group"
"""A field of entries that were added again for one group; the others leave them out."""
AT_ONCE = 1000  # entries that one script renews


class Entry(NamedTuple):
    """An entry of the stream. `fields` is None where it was trimmed while it was pending."""

    id: bytes
    fields: Mapping[bytes, bytes] | None
    deliveries: int


def dead_letters_of(stream: str, group: str) -> str:
    """Return the key of the stream with the dead letters of a group."""
    return f"{stream}:dead:{group}"


def losses_of(stream: str, group: str) -> str:
    """Return the key of a hash that counts trimmed entries: `unread` by the group, and `pending` in it."""
    return f"{stream}:lost:{group}"


class Group:
    """The group `name` of a stream, with the commands of Redis 7.0 (Valkey has the same). Times are in seconds."""

    def __init__(self, client: redis.Redis, stream: str, name: str, consumer: str, *, batch: int, lease: float) -> None:
        self.client, self.stream, self.name, self.consumer = client, stream, name, consumer
        self.dead_letters = dead_letters_of(stream, name)
        self._losses = losses_of(stream, name)
        self._batch, self._lease = batch, round(lease * 1000)
        self._create = client.register_script(scripts.CREATE)
        self._take_over = client.register_script(scripts.TAKE_OVER)
        self._keep = client.register_script(scripts.KEEP)
        self._bury = client.register_script(scripts.BURY)
        self._forget = client.register_script(scripts.FORGET)

    def __str__(self) -> str:
        return f"the group {self.name!r} of the stream {self.stream!r}"

    def create(self, begin: str) -> bool:
        """Create the stream and the group where they are missing; `begin` is `0` or `$`. Return whether it did."""
        return bool(self._create(keys=[self.stream], args=[self.name, begin]))

    def read(self) -> tuple[list[Entry], int]:
        """Read the next batch, if any. Return its entries, and how many were trimmed before the group could read them.

        One transaction: nothing can be trimmed between the counting and the reading.
        """
        pipe = self.client.pipeline(transaction=True)
        # With its text: in a transaction, a server that does not know its hash would still read, and count nothing.
        pipe.execute_command("EVAL", scripts.COUNT_TRIMMED, 2, self.stream, self._losses, self.name)
        pipe.execute_command(*self._reading(), "STREAMS", self.stream, ">")
        trimmed, answer = pipe.execute()
        return _entries(answer), trimmed

    def wait(self, seconds: float) -> list[Entry]:
        """Wait for new entries, and return them; none after so many seconds."""
        milliseconds = max(1, round(seconds * 1000))
        return _entries(self._call(*self._reading(), "BLOCK", milliseconds, "STREAMS", self.stream, ">"))

    def take_over(self) -> Entry | None:
        """Return the first entry whose consumer is gone, or whose retry is due; None where there is none.

        It is this consumer's from now on. One at a time, so that an entry that kills its consumer uses up the
        deliveries of no other entry.
        """
        found = self._take_over(keys=[self.stream, self._losses], args=[self.name, self.consumer, self._lease])
        if not found:
            return None
        return _entry(*found) if len(found) > 1 else Entry(found[0], None, 0)

    def renew(self, ids: Sequence[bytes]) -> set[bytes]:
        """Keep other consumers from taking these entries over for a lease. Return those that others already have."""
        slices = (ids[first : first + AT_ONCE] for first in range(0, len(ids), AT_ONCE))
        return set().union(*(self._set_idle(0, some, 0)[0] for some in slices))

    def retry(self, id: bytes, wait: float) -> tuple[bool, bool]:
        """Let any consumer take it over after so many seconds. Return whether another has it, or it was trimmed."""
        taken, trimmed = self._set_idle(self._lease - round(wait * 1000), [id], 0)
        return bool(taken), bool(trimmed)

    def release(self, ids: Iterable[bytes]) -> None:
        """Let any consumer take these entries over now. What was not begun does not count as a delivery."""
        self._set_idle(self._lease, ids, 1)

    def acknowledge(self, ids: Sequence[bytes]) -> None:
        """Finish entries."""
        self._call("XACK", self.stream, self.name, *ids)

    def bury(self, entry: Entry, reason: str, maximum: int) -> bool:
        """Add a dead letter and acknowledge its entry, in one transaction; False where another consumer has it."""
        fields: dict[Any, Any] = {
            **(entry.fields or {}),
            "reason": reason,
            "deliveries": entry.deliveries,
            "entry": entry.id,
            "consumer": self.consumer,
        }
        args: list[bytes | str | int] = [self.name, self.consumer, entry.id, maximum]
        args += list(chain.from_iterable(fields.items()))
        return bool(self._bury(keys=[self.stream, self.dead_letters], args=args))

    def forget(self, idle: float, *, leaving: bool = False) -> list[str]:
        """Remove the names of consumers that gave no sign of life for so long, and have nothing pending.

        This consumer gives a sign of life, or its name is removed, too.
        """
        names = (self.consumer, "") if leaving else ("", self.consumer)
        gone = self._forget(keys=[self.stream], args=[self.name, round(idle * 1000), *names])
        return [name.decode("utf-8", "replace") for name in gone]

    def pending(self) -> int:
        """Return how many entries are pending in the whole group: in hand, waiting for a retry, or of the dead."""
        return int(self._call("XPENDING", self.stream, self.name)[0])

    def dead(self) -> int:
        """Return how many dead letters there are."""
        return int(self._call("XLEN", self.dead_letters))

    def _reading(self) -> tuple[Any, ...]:
        return ("XREADGROUP", "GROUP", self.name, self.consumer, "COUNT", self._batch)

    def _set_idle(self, milliseconds: int, ids: Iterable[bytes], uncounted: int) -> tuple[set[bytes], set[bytes]]:
        args: list[bytes | str | int] = [self.name, self.consumer, milliseconds, uncounted]
        args += ids
        taken, trimmed = self._keep(keys=[self.stream], args=args)
        return set(taken), set(trimmed)

    def _call(self, *command: Any) -> Any:
        return self.client.execute_command(*command)


def _entries(answer: Any) -> list[Entry]:
    """Return the entries of an answer of XREADGROUP for one stream."""
    return [_entry(id, fields, 1) for id, fields in answer[0][1]] if answer else []


def _entry(id: bytes, fields: list[bytes], deliveries: int) -> Entry:
    return Entry(id, dict(zip(fields[::2], fields[1::2], strict=True)), deliveries)

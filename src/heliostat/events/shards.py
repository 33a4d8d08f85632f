"""Immutable maps that are cheap to replace: a changed map shares all but the touched parts with the one before.

A `dict` of 100,000 entries takes milliseconds to copy. Here it is a tuple of small dicts: a change copies one of them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

PER_SHARD = 64  # entries, on average, when the map was last divided
MOST_PER_SHARD = 4 * PER_SHARD


class Shards(Generic[K, V]):
    """An immutable map."""

    __slots__ = ("_count", "_mask", "_shards")

    def __init__(self, entries: Mapping[K, V] | None = None) -> None:
        self._divide(entries or {})

    def _divide(self, entries: Mapping[K, V]) -> None:
        size = 1 << (len(entries) // PER_SHARD).bit_length()
        shards: list[dict[K, V]] = [{} for _ in range(size)]
        for key, value in entries.items():
            shards[hash(key) & (size - 1)][key] = value
        self._shards, self._mask, self._count = tuple(shards), size - 1, len(entries)

    def get(self, key: K) -> V | None:
        """Return the value of a key, or None. Raises `TypeError` for a key that has no hash."""
        return self._shards[hash(key) & self._mask].get(key)

    def __len__(self) -> int:
        return self._count

    def items(self) -> Iterator[tuple[K, V]]:
        """Return all entries, in no order."""
        for shard in self._shards:
            yield from shard.items()

    def values(self) -> Iterator[V]:
        """Return all values, in no order."""
        for shard in self._shards:
            yield from shard.values()

    def replaced(self, changes: Mapping[K, V | None]) -> Shards[K, V]:
        """Return a map with these values; None removes a key."""
        if not self._count:
            return Shards({key: value for key, value in changes.items() if value is not None})
        touched: dict[int, dict[K, V]] = {}
        count = self._count
        for key, value in changes.items():
            number = hash(key) & self._mask
            if (shard := touched.get(number)) is None:
                shard = touched[number] = dict(self._shards[number])
            count -= len(shard)
            if value is None:
                shard.pop(key, None)
            else:
                shard[key] = value
            count += len(shard)
        made: Shards[K, V] = Shards.__new__(Shards)
        shards = list(self._shards)
        for number, shard in touched.items():
            shards[number] = shard
        made._shards, made._mask, made._count = tuple(shards), self._mask, count
        if count > MOST_PER_SHARD * len(shards):
            made._divide(dict(made.items()))
        return made


class Groups(Generic[K, V]):
    """An immutable map from keys to several values each, in no order."""

    __slots__ = ("_shards",)

    def __init__(self, shards: Shards[K, tuple[V, ...]] | None = None) -> None:
        self._shards: Shards[K, tuple[V, ...]] = Shards() if shards is None else shards

    def get(self, key: K) -> tuple[V, ...]:
        """Return the values of a key. Raises `TypeError` for a key that has no hash."""
        return self._shards.get(key) or ()

    def __len__(self) -> int:
        return len(self._shards)

    def values(self) -> Iterator[V]:
        """Return all values; one that has several keys comes several times."""
        for group in self._shards.values():
            yield from group

    def replaced(self, gone: Iterable[tuple[K, V]], come: Iterable[tuple[K, V]]) -> Groups[K, V]:
        """Return a map without some pairs of a key and a value, and with others."""
        known: Shards[K, tuple[V, ...]] | dict[K, tuple[V, ...]] = self._shards if len(self) else {}
        removed: dict[K, set[int]] = {}
        for key, value in gone:
            removed.setdefault(key, set()).add(id(value))
        touched = {key: [one for one in known.get(key) or () if id(one) not in ids] for key, ids in removed.items()}
        for key, value in come:
            if (group := touched.get(key)) is None:
                group = touched[key] = list(known.get(key) or ())
            group.append(value)
        return Groups(self._shards.replaced({key: tuple(group) or None for key, group in touched.items()}))

"""Hooks as subscriptions, live in every process within a second of a change."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.core import mail
from django.core.signals import setting_changed
from django.db import Error as DatabaseError
from django.db import connections, transaction
from django.db.models import Model, QuerySet

from heliostat.conf import conf
from heliostat.delivery.destinations import Destination, NoDestination
from heliostat.delivery.pools import release_pooled
from heliostat.events.event import Event, Phase
from heliostat.events.matching import Subscription, registry
from heliostat.events.resources import resource_of
from heliostat.events.signals import listen_to
from heliostat.exceptions import ConfigurationError
from heliostat.outbox.dialect import dialect_for
from heliostat.webhooks import owners
from heliostat.webhooks.databases import hooks_database
from heliostat.webhooks.exceptions import InvalidHeadersError, InvalidSignalError
from heliostat.webhooks.headers import parse_headers
from heliostat.webhooks.models import SOURCE, Hook, HookVersion, hook_of
from heliostat.webhooks.paths import signal_in_row
from heliostat.webhooks.patterns import check_allowed, custom_signals, problems_of

logger = logging.getLogger("heliostat.webhooks")

REMEMBERED = 10_000
FEW = 500  # rows that are asked for by their ids
OF_NO_MATTER = ("created", "modified", "failing_since")  # to who is told what; times take longest to read

Known = dict[int, tuple[int, tuple[Subscription, ...]]]
"""By the id of a hook: a mark of its row, and what was made of it."""

_seen_version = 0
_known: Known = {}


def subscriptions() -> Iterator[Subscription]:
    """The source for the matcher: all hooks that are to be told, or that end with an object."""
    global _seen_version, _known  # what the watching thread compares, and what is told
    watch()
    try:
        # A savepoint: before the first migration there is no such table.
        using = hooks_database()
        with transaction.atomic(using=using):
            version = HookVersion.current(using)
            _known, _seen_version = _caught_up(_known), version
    except DatabaseError as error:
        logger.debug("hooks cannot be read now, those that are known count: %s", error)
    for _, made in _known.values():
        yield from made


def _caught_up(known: Known) -> Known:
    """Objects are made anew of those rows alone that differ from what they were: that is what takes long."""
    living = Hook.objects.using(hooks_database()).living().order_by("pk")
    marks = _marks(living)
    changed = [pk for pk, mark in marks.items() if pk not in known or known[pk][0] != mark]
    found = living.filter(pk__in=changed) if len(changed) <= FEW else living
    made = {hook.pk: _made_of(hook) for hook in found.select_related("model")} if changed else {}
    return {
        pk: (mark, made[pk]) if pk in made else known[pk] for pk, mark in marks.items() if pk in made or pk in known
    }


def _marks(hooks: QuerySet[Hook]) -> dict[int, int]:
    """By id, a hash of all that matters of a row, as the database gives it: whatever wrote it, and in what order."""
    columns = [field.attname for field in Hook._meta.concrete_fields if field.name not in OF_NO_MATTER]
    statement, parameters = hooks.values_list("pk", *columns).query.get_compiler(hooks_database()).as_sql()
    with connections[hooks_database()].cursor() as cursor:
        cursor.execute(statement, parameters)
        return {row[0]: hash(row) for row in cursor.fetchall()}


def forget_hooks(**_: Any) -> None:
    """Settings say what hooks may be told (a test changed one)."""
    _known.clear()


setting_changed.connect(forget_hooks)


def _made_of(hook: Hook) -> tuple[Subscription, ...]:
    try:
        return tuple(_of(hook))
    except Exception:  # it was written past `save()`; that must not end whatever anybody saves
        logger.exception("hook %s is told nothing: save it to see why", hook.pk)
        return ()


def _of(hook: Hook) -> Iterator[Subscription]:
    if hook.enabled:
        yield from _asking(hook)
    if hook.object_id and hook.model and (model := hook.model.model_class()):
        yield _end_with_object(hook, model)


def _asking(hook: Hook) -> Iterator[Subscription]:
    try:
        listen_to(custom_signals(hook.signals), signal_in_row)
    except ConfigurationError as error:  # the signal was there when the hook was saved
        logger.error("hook %s: %s", hook.pk, error)
    for problem in problems_of(hook.signals, hook.model):  # an event type was declared when the hook was saved
        logger.warning("hook %s: %s", hook.pk, problem)
    condition = hook.condition()
    for pattern in hook.patterns if _may_be_told(hook) else ():
        yield Subscription(
            name=hook.subscriber,
            pattern=pattern,
            phase=Phase.DURABLE,
            body=hook.body,
            object_id=hook.object_id or None,
            condition=condition,
            ordered=hook.ordered,
        )


def _may_be_told(hook: Hook) -> bool:
    if conf.hooks_shut_down:
        return False
    try:
        check_allowed(hook.patterns)
    except InvalidSignalError as error:  # it was allowed when the hook was saved
        logger.warning("hook %s is told nothing: %s", hook.pk, error.message)
        return False
    return True


def hooks_changed(using: str, **_: Any) -> None:
    """A hook was saved or deleted in this process: it counts from the next event on, here, and soon everywhere."""
    HookVersion.bump(using)


def is_current() -> bool:
    """Whether no hook changed since they were read."""
    return HookVersion.current(hooks_database()) == _seen_version


_watching: int | None = None
_guard = threading.Lock()


def watch() -> None:
    """Look for changes by other processes, from a thread of this process's own (once; again after a fork)."""
    global _watching  # noqa: PLW0603  a process is watched by one thread
    if _watching == os.getpid() or not _has_company():
        return
    with _guard:
        if _watching != os.getpid():
            _watching = os.getpid()
            threading.Thread(target=_watch, name="heliostat-hooks", daemon=True).start()


def _has_company() -> bool:
    """A database in memory is this process's alone; and a test must not find a stranger in its database."""
    return conf.hooks_refresh > 0 and not dialect_for(hooks_database()).is_in_memory and not hasattr(mail, "outbox")


def _watch() -> None:
    wait = threading.Event()
    while not wait.wait(conf.hooks_refresh or 1.0):
        try:
            if not is_current():
                registry.refresh(SOURCE)
        except DatabaseError:
            connections[hooks_database()].close()  # away for a while; look again
        finally:
            release_pooled()


_looked_up: tuple[int, dict[str, owners.Known]] = (-1, {})  # by the version of the hooks


def destinations(subscribers: Iterable[str]) -> Mapping[str, Destination | NoDestination]:
    """Where these hooks want to be told, as they are now. What was looked up is kept until any hook changes."""
    global _looked_up  # noqa: PLW0603  each version has its own: threads that deliver look up at once
    wanted, version = set(subscribers), HookVersion.current(hooks_database())
    seen, known = _looked_up
    if version != seen or len(known) > REMEMBERED:
        _looked_up = version, (known := {})
    if missing := wanted - known.keys():
        known.update(_look_up(missing))
    return owners.destinations_now({name: known[name] for name in wanted})


def _look_up(subscribers: Iterable[str]) -> Mapping[str, owners.Known]:
    ids = {hook_of(name): name for name in subscribers}
    found: dict[str, owners.Known] = dict.fromkeys(ids.values(), NoDestination("the hook was deleted"))
    for hook in Hook.objects.using(hooks_database()).filter(pk__in=ids):
        found[ids[hook.pk]] = owners.with_owner(hook, _destination(hook))
    return found


def _destination(hook: Hook) -> Destination | NoDestination:
    if not hook.enabled:
        return NoDestination("the hook is disabled")
    try:
        return destination_of(hook)
    except ConfigurationError as error:
        return NoDestination(str(error))
    except (InvalidHeadersError, ValueError):  # written past `save()`; what it says may hold a secret
        return NoDestination("its headers or its content type cannot be sent: save the hook to see why")


def destination_of(hook: Hook) -> Destination:
    """Where a hook wants to be told; raises `ConfigurationError` where its secret cannot be decrypted.

    Raises `InvalidHeadersError` or `ValueError` where its headers or its content type cannot be sent.
    """
    lines = tuple(f"{name}: {value}" for name, value in parse_headers(hook.headers))
    return Destination(hook.target_url, hook.http_method, lines, hook.content_type, hook.signing_keys())


def _end_with_object(hook: Hook, model: type[Model]) -> Subscription:
    """The hooks of an object end with it; what they were promised to be told, its deletion too, is still sent."""

    def object_deleted(event: Event) -> None:
        if event.using == hooks_database():  # in the same transaction as the object
            QuerySet.update(Hook.objects.using(hooks_database()).filter(pk=hook.pk), ended=True)
        _Ending.of(event.using).hooks.append(hook.pk)

    return Subscription(
        name=f"end of {hook.subscriber}",
        pattern=f"{resource_of(model)}.deleted",
        phase=Phase.IN_TRANSACTION,
        tell=object_deleted,
        object_id=hook.object_id,
    )


class _Ending:
    """Hooks whose objects are deleted in a transaction, or in a savepoint of it: known to have ended when it commits.

    All at once, for a deletion may take thousands with it, and each look at the hooks is a look at all of them.
    """

    def __init__(self) -> None:
        self.hooks: list[int] = []

    def __call__(self) -> None:
        Hook.objects.using(hooks_database()).filter(pk__in=self.hooks).update(ended=True)

    @classmethod
    def of(cls, using: str) -> _Ending:
        connection = transaction.get_connection(using)
        savepoints = set(connection.savepoint_ids)
        for entry in connection.run_on_commit:
            if isinstance(entry[1], cls) and entry[0] == savepoints:
                return entry[1]
        ending = cls()
        transaction.on_commit(ending, using=using)
        return ending

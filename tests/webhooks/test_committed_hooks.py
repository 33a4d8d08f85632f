"""All threads and processes know the committed hooks, and no others; a transaction sees its own changes."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections, transaction
from django.db.models import QuerySet
from django.db.models.signals import post_delete, pre_delete
from django.dispatch import Signal

from heliostat.events.event import Event
from heliostat.events.matching import registry
from heliostat.outbox.models import Callback
from heliostat.webhooks import changes
from heliostat.webhooks.changes import HookChange
from heliostat.webhooks.models import Hook
from tests.example.models import Vehicle
from tests.webhooks.hooks_on import URL, hook_in, hooks_in

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def on(using: str) -> Iterator[str]:
    with hooks_in(using):
        yield using


def known() -> set[str]:
    """The hooks that a change of a vehicle concerns, as this thread sees it."""
    event = Event(resource="example.vehicle", action="updated", object_id="1")
    return {one.name for one in registry.matcher.match(event)}


def elsewhere(work: Callable[[], Any]) -> Any:
    """What some work returns in another thread, which has connections of its own."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:
            found.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20)
    assert found, "it waited for somebody"
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


@contextmanager
def meanwhile(on: str, work: Callable[[], Any]) -> Iterator[Callable[[], None]]:
    """Another thread does some work in a transaction, which is open inside the block, and then rolled back.

    What is yielded commits it before.
    """
    begun, go_on, is_kept = threading.Event(), threading.Event(), threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            with transaction.atomic(using=on):
                work()
                begun.set()
                assert go_on.wait(20)
                transaction.set_rollback(not is_kept.is_set(), using=on)
        except BaseException as error:
            failures.append(error)
            begun.set()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    assert begun.wait(20)

    def commit() -> None:
        is_kept.set()
        go_on.set()
        thread.join(20)
        if failures:
            raise failures[0]

    try:
        yield commit
    finally:
        go_on.set()
        thread.join(20)
    if failures:
        raise failures[0]


def test_no_thread_loses_an_event_by_a_deletion_that_another_one_rolls_back(on: str) -> None:
    made = hook_in(on)
    for _ in range(20):
        with meanwhile(on, lambda: Hook.objects.using(on).get(pk=made.pk).delete()):
            assert known() == {made.subscriber}
        assert known() == {made.subscriber}
    assert elsewhere(known) == {made.subscriber}


@pytest.mark.parametrize("signal", [pre_delete, post_delete], ids=["pre_delete", "post_delete"])
def test_a_hook_whose_deletion_failed_is_known_to_a_later_transaction_that_deletes_another(
    on: str, signal: Signal
) -> None:
    kept, other = hook_in(on), hook_in(on)

    def refuse(**_: Any) -> None:
        raise ValueError("it is still needed")

    signal.connect(refuse, sender=Hook)
    try:
        with pytest.raises(ValueError, match="still needed"):
            kept.delete()
    finally:
        signal.disconnect(refuse, sender=Hook)
    with transaction.atomic(using=on):
        other.delete()
        assert known() == {kept.subscriber}
    assert known() == {kept.subscriber}


def test_a_hook_that_is_never_committed_is_known_to_its_transaction_alone(on: str) -> None:
    seen: list[set[str]] = []
    with meanwhile(on, lambda: (hook_in(on), seen.append(known()))):
        assert len(seen[0]) == 1
        assert known() == set()
    assert known() == set()


@pytest.mark.parametrize(
    ("change", "is_known"),
    [
        (lambda hooks: hooks.get().delete(), False),
        (lambda hooks: hooks.all().delete(), False),
        (lambda hooks: hooks.update(enabled=False), False),
        (lambda hooks: hooks.update(signals=["example.depot.*"]), False),
        (lambda hooks: hooks.bulk_update([_changed(hooks.get(), enabled=False)], ["enabled"]), False),
        (lambda hooks: User.objects.using(hooks.db).all().delete(), False),
        (lambda hooks: _changed(hooks.get(), enabled=False).save(), False),
        (lambda hooks: _changed(hooks.get(), enabled=False).save(update_fields=["enabled"]), False),
        (lambda hooks: hooks.update(paused=True), True),
    ],
    ids=["delete", "delete all", "update", "signals", "bulk_update", "cascade", "save", "update_fields", "paused"],
)
def test_a_change_counts_in_its_transaction_at_once_and_elsewhere_from_its_commit_on(
    on: str, change: Callable[[QuerySet[Hook]], object], is_known: bool
) -> None:
    made = hook_in(on, user=User.objects.db_manager(on).create_user("ada"))
    before: set[str] = {made.subscriber}
    after = before if is_known else set()
    with transaction.atomic(using=on):
        change(Hook.objects.using(on))
        assert known() == after
        assert elsewhere(known) == before
        transaction.set_rollback(True, using=on)
    assert known() == before
    with transaction.atomic(using=on):
        change(Hook.objects.using(on))
    assert known() == elsewhere(known) == after


def _changed(hook: Hook, **values: Any) -> Hook:
    for name, value in values.items():
        setattr(hook, name, value)
    return hook


def test_a_savepoint_that_is_rolled_back_takes_its_own_changes_with_it_and_no_others(on: str) -> None:
    first = hook_in(on)
    names = {first.subscriber}
    with transaction.atomic(using=on):
        names.add(hook_in(on).subscriber)
        with pytest.raises(ZeroDivisionError), transaction.atomic(using=on):
            third = hook_in(on)
            Hook.objects.using(on).filter(pk=first.pk).delete()
            assert known() == (names | {third.subscriber}) - {first.subscriber}
            1 / 0
        assert known() == names
        with transaction.atomic(using=on):
            names.add(hook_in(on).subscriber)
        assert known() == names
    assert known() == elsewhere(known) == names


def test_what_is_done_right_after_the_commit_knows_what_was_committed(on: str) -> None:
    """In callbacks that were registered before the hook was made, too."""
    seen: list[set[str]] = []
    with transaction.atomic(using=on):
        transaction.on_commit(lambda: seen.append(known()), using=on)
        made = hook_in(on)
        transaction.on_commit(lambda: seen.append(known()), using=on)
    assert seen == [{made.subscriber}] * 2


def test_who_changes_a_hook_waits_for_nobody_who_changes_another(on: str) -> None:
    if on == "default":
        pytest.skip("SQLite has one writer at a time")
    one, other = hook_in(on), hook_in(on)
    with meanwhile(on, lambda: Hook.objects.using(on).filter(pk=one.pk).update(name="slow")):
        began = time.monotonic()
        Hook.objects.using(on).filter(pk=other.pk).update(enabled=False)
        hook_in(on)
        other.delete()
        assert time.monotonic() - began < 1


def test_of_overlapping_transactions_each_is_found_when_it_commits(on: str) -> None:
    """Whatever the order in which they began, and wherever a reader stood."""
    if on == "default":
        pytest.skip("SQLite has one writer at a time")
    mine = [hook_in(on) for _ in range(6)]

    def by_another_process(*hooks: Hook) -> Callable[[], None]:
        def work() -> None:
            QuerySet(Hook, using=on).filter(pk__in=[one.pk for one in hooks]).update(enabled=False)
            changes.write([one.pk for one in hooks], on)

        return work

    names = {one.subscriber for one in mine}
    with meanwhile(on, by_another_process(mine[0])) as commit_first, meanwhile(on, by_another_process(mine[1])):
        with meanwhile(on, by_another_process(mine[2])) as commit_third:
            commit_third()
        registry.catch_up()
        assert known() == names - {mine[2].subscriber}
        elsewhere(by_another_process(mine[3]))
        commit_first()
        registry.catch_up()
        assert known() == names - {mine[0].subscriber, mine[2].subscriber, mine[3].subscriber}
        changes.number(on)
        elsewhere(by_another_process(mine[4]))
        registry.catch_up()
    registry.catch_up()
    assert known() == {mine[1].subscriber, mine[5].subscriber}, "what was rolled back never happened"


def test_many_writers_and_readers_at_once_agree_in_the_end(on: str) -> None:
    made = [hook_in(on, object_id=str(number)) for number in range(8)]
    everything = frozenset(one.pk for one in made)
    seen: list[set[int]] = []
    stop = threading.Event()

    def write(hook: Hook) -> None:
        for turn in range(15):
            with transaction.atomic(using=on):
                Hook.objects.using(on).filter(pk=hook.pk).update(name=str(turn))
                time.sleep(0 if on == "default" else 0.001 * (hook.pk % 3))
                transaction.set_rollback(turn % 4 == 3, using=on)

    def read(position: changes.Position) -> None:
        seen.append(mine := set())
        is_last = False
        while not is_last:
            is_last = stop.is_set()
            news = changes.since(position, on)
            mine |= everything if news.hooks is None else news.hooks
            position = news.position
            changes.number(on)

    reading = [running(partial(read, changes.where(on))) for _ in range(3)]
    for thread in [running(partial(write, one)) for one in made]:
        thread.join(60)
    stop.set()
    for thread in reading:
        thread.join(60)
    assert seen == [everything] * 3
    changes.number(on)
    numbers = list(HookChange.objects.using(on).order_by("position").values_list("position", flat=True))
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "each has its place, and no place is empty"


def running(work: Callable[[], None]) -> threading.Thread:
    def and_close() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=and_close)
    thread.start()
    return thread


def test_only_hooks_that_changed_are_read_again(on: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from heliostat.webhooks import subscriptions

    one, two, three = (hook_in(on) for _ in range(3))
    registry.catch_up()
    read: list[Any] = []
    rows = subscriptions.rows
    monkeypatch.setattr(subscriptions, "rows", lambda using, pks=None: (read.append(pks), rows(using, pks))[1])
    QuerySet(Hook, using=on).filter(pk=two.pk).update(enabled=False)
    changes.write([two.pk], on)
    registry.catch_up()
    registry.catch_up()
    assert read == [{two.pk}]
    assert known() == {one.subscriber, three.subscriber}


def test_a_table_that_is_emptied_or_restored_is_read_as_a_whole(on: str) -> None:
    first, second = hook_in(on), hook_in(on)
    changes.number(on)
    saved = {model: list(model.objects.using(on).all()) for model in (Hook, HookChange)}
    Hook.objects.using(on).filter(pk=second.pk).delete()
    third = hook_in(on)
    assert known() == {first.subscriber, third.subscriber}
    for model in saved:
        QuerySet(model, using=on).delete()
    registry.catch_up()
    assert known() == set()
    for model, rows in saved.items():  # a backup of before, with the numbers of before
        QuerySet(model, using=on).bulk_create(rows)
    registry.catch_up()
    assert known() == {first.subscriber, second.subscriber}
    QuerySet(Hook, using=on).filter(pk=first.pk).update(enabled=False)
    changes.write([first.pk], on)
    registry.catch_up()
    assert known() == {second.subscriber}


def test_more_changes_than_are_named_or_kept_are_found_all_the_same(on: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "MOST_NAMED", 2)
    monkeypatch.setattr(changes, "KEPT", 3)
    monkeypatch.setattr(changes, "PRUNE_EVERY", 1)
    made = [hook_in(on) for _ in range(5)]
    with transaction.atomic(using=on):
        Hook.objects.using(on).filter(pk__in=[one.pk for one in made[:3]]).update(enabled=False)
        assert known() == {one.subscriber for one in made[3:]}
    assert known() == elsewhere(known) == {one.subscriber for one in made[3:]}
    position = changes.where(on)
    for _ in range(6):
        hook_in(on)
    assert HookChange.objects.using(on).count() <= 4
    assert changes.since(position, on).hooks is None


def test_hooks_in_another_database_than_the_hooks_are_known_to_nobody(on: str) -> None:
    other = "default" if on != "default" else next(name for name in connections if name != "default")
    hook_in(other)
    assert known() == set()


def test_a_hook_that_is_made_and_deleted_in_one_transaction_concerns_its_middle_alone(on: str) -> None:
    with transaction.atomic(using=on):
        made = hook_in(on)
        assert known() == {made.subscriber}
        made.delete()
        assert known() == set()
    assert known() == elsewhere(known) == set()


def test_an_event_of_a_transaction_is_for_the_hooks_that_it_made(on: str) -> None:
    with transaction.atomic(using=on):
        Hook.objects.using(on).bulk_create([Hook(signals=["example.vehicle.*"], target=URL) for _ in range(3)])
        Vehicle.objects.using(on).create(name="55")
    assert Callback.objects.using(on).count() == 3


def test_a_connection_that_is_opened_beside_that_of_its_thread_opens_no_other(
    on: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a worker's that listens: where a pool has one connection, the other would be the last."""
    from heliostat.webhooks import subscriptions

    monkeypatch.setattr(subscriptions.hooks, "_is_known", False)

    def work() -> bool:
        beside = connections[on].copy()
        beside.connect()
        try:
            return connections[on].connection is not None
        finally:
            beside.close()

    assert elsewhere(work) is False


@pytest.fixture
def no_garbage_collection() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_garbage_collection")
def test_a_transaction_that_is_committed_is_over_whatever_still_refers_to_it(on: str) -> None:
    """An error with a circle of references keeps its traceback, so the frames of the commit, until it is collected."""
    hook = hook_in(on)
    with transaction.atomic(using=on):
        hook.name = "changed"
        hook.save(using=on)
        kept = connections[on].run_on_commit[:]
    elsewhere(lambda: Hook.objects.using(on).filter(pk=hook.pk).delete())
    registry.catch_up()
    assert known() == set(), f"{len(kept)} callbacks of the transaction are still referred to"


@pytest.mark.usefixtures("no_garbage_collection")
def test_a_transaction_that_was_undone_is_over_where_a_deliverer_waited_for_it(on: str, settings: Any) -> None:
    settings.HOOK_COLLECTION_DELIVERER = "heliostat.webhooks.deliverers.deliver_hooks"
    hook = hook_in(on)
    with suppress(KeyError), transaction.atomic(using=on):
        Vehicle.objects.using(on).create(name="55")
        hook.name = "changed"
        hook.save(using=on)
        raise KeyError
    elsewhere(lambda: Hook.objects.using(on).filter(pk=hook.pk).delete())
    registry.catch_up()
    assert known() == set()

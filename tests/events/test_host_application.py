"""What works without subscribers works with them: same results, same exceptions, same state of the transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import DatabaseError, IntegrityError, OperationalError, connections, models, transaction
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save

from heliostat import emit
from heliostat.events import capture, snapshot
from heliostat.events.event import Event
from heliostat.outbox.dialect import dialect_for
from heliostat.outbox.models import Event as EventRow
from heliostat.testing import captured_events, run_after_commit, subscribed
from tests.example.models import Depot, Driver, Stop, Tag, Tram, Vehicle

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@contextmanager
def sql_transaction(using: str, end: str) -> Iterator[None]:
    """A transaction as a host begins it past Django, which knows nothing of it."""
    with connections[using].cursor() as cursor:
        cursor.execute("BEGIN")
        try:
            yield
        except BaseException:
            cursor.execute("ROLLBACK")
            raise
        cursor.execute(end)


class HostError(Exception):
    """Of the host application's own."""


@contextmanager
def receiver(signal: Any, sender: Any, act: Callable[[Any], None]) -> Iterator[None]:
    def receive(instance: Any, **_: Any) -> None:
        act(instance)

    signal.connect(receive, sender=sender)
    try:
        yield
    finally:
        signal.disconnect(receive, sender=sender)


def fail(_: Any) -> None:
    raise HostError("the host says no")


def write_and_fail(instance: Any) -> None:
    Depot.objects.using(instance._state.db or "default").create(name="by a receiver")
    raise HostError("after a write")


def _swallowed(using: str, act: Callable[[], Any]) -> list[Any]:
    """An error of a step inside a transaction that the host catches, and what can be done after it."""
    found: list[Any] = []
    try:
        with transaction.atomic(using=using):
            Tag.objects.using(using).create(word="before")
            try:
                found.append(act())
            except Exception as error:
                found.append(type(error))
            found.append(connections[using].needs_rollback)
            Tag.objects.using(using).create(word="after")
    except Exception as error:
        found.append(type(error))
    return found


class Timeout(BaseException):
    """As gevent's: no `Exception`, so that code which handles these lets it pass."""


def _times_out(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
    if sql.startswith("UPDATE") and "example_tag" in sql:
        raise Timeout
    return execute(sql, *rest)


def statements_that_time_out(using: str) -> Any:
    """The host catches it, and goes on in the same transaction."""
    found: list[Any] = []
    with transaction.atomic(using=using):
        tag = Tag.objects.using(using).create(word="before")
        for step in (tag.save, lambda: Tag.objects.using(using).update(word="x")):
            try:
                with connections[using].execute_wrapper(_times_out):
                    step()
            except Timeout:
                found.append(connections[using].needs_rollback)
        Tag.objects.using(using).create(word="after")
    return found


def save_with(signal: Any, act: Callable[[Any], None], sender: Any) -> Callable[[str], Any]:
    def scenario(using: str) -> Any:
        with receiver(signal, sender, act):
            return _swallowed(using, lambda: sender(name="x").save(using=using))

    return scenario


def delete_with(signal: Any, act: Callable[[Any], None], sender: Any) -> Callable[[str], Any]:
    def scenario(using: str) -> Any:
        one = sender.objects.using(using).create(name="x")
        with receiver(signal, sender, act):
            return [*_swallowed(using, one.delete), one.pk is None]

    return scenario


def integrity_error(using: str) -> Any:
    return _swallowed(using, lambda: Tag.objects.using(using).create(word="before"))


def integrity_error_in_a_savepoint(using: str) -> Any:
    def act() -> None:
        with transaction.atomic(using=using):
            Tag.objects.using(using).create(word="before")

    return _swallowed(using, act)


def forced_update_of_nothing(using: str) -> Any:
    return _swallowed(using, lambda: Stop(code="x").save(using=using, force_update=True))


def forced_insert_of_what_is_there(using: str) -> Any:
    Stop.objects.using(using).create(code="x")
    return _swallowed(using, lambda: Stop(code="x").save(using=using, force_insert=True))


def update_fields_without_a_key(using: str) -> Any:
    return _swallowed(using, lambda: Stop().save(using=using, update_fields=["name"]))


def a_value_that_cannot_be_stored(using: str) -> Any:
    return _swallowed(using, lambda: Vehicle(name="x", seats="many").save(using=using))


def a_bulk_insert_that_collides(using: str) -> Any:
    return _swallowed(using, lambda: len(Tag.objects.using(using).bulk_create([Tag(word="new"), Tag(word="before")])))


def an_empty_bulk_insert(using: str) -> Any:
    empty: list[Tag] = []
    return Tag.objects.using(using).bulk_create(empty) is empty


def a_save_outside_of_any_transaction(using: str) -> Any:
    seen: list[bool] = []
    with receiver(post_save, Vehicle, lambda one: seen.append(connections[using].in_atomic_block)):
        bus = Vehicle.objects.using(using).create(name="x")
    return seen, bus._state.adding, bus._state.db, connections[using].in_atomic_block


def a_receiver_that_fails_after_the_save(using: str) -> Any:
    with receiver(post_save, Vehicle, fail), pytest.raises(HostError):
        Vehicle.objects.using(using).create(name="x")
    return None  # the row is there, as it is without subscribers


def what_waits_for_the_commit(using: str) -> Any:
    order: list[str] = []
    with transaction.atomic(using=using):
        transaction.on_commit(lambda: order.append("first"), using=using)
        Vehicle.objects.using(using).create(name="x")
        transaction.on_commit(lambda: order.append("second"), using=using)
    return order


def protected_and_cascading_deletion(using: str) -> Any:
    depot = Depot.objects.using(using).create(name="North")
    tram = Tram.objects.using(using).create(name="12", depot=depot)
    Driver.objects.using(using).create(name="Ada", vehicle=tram, spare=tram)
    count, by_model = depot.delete()
    return count, sorted(by_model.items()), depot.pk


def a_key_in_memory_after_a_failing_insert(using: str) -> Any:
    Tag.objects.using(using).create(word="x")
    one = Tag(word="x")
    with pytest.raises(IntegrityError):
        one.save(using=using)
    return one.pk, one._state.adding, one._state.db


def why_a_transaction_is_broken(using: str) -> Any:
    """Django says what broke it as the cause of the error of the next query."""
    causes: list[Any] = []
    with transaction.atomic(using=using):
        tag = Tag.objects.using(using).create(word="x")
        for again in ({"force_insert": True}, {"force_update": True}):
            try:
                tag.save(using=using, **again)
            except Exception as error:
                causes += [type(error), type(error.__cause__)]
    return [cause.__name__ for cause in causes]


def without_autocommit(end: str) -> Callable[[str], Any]:
    def scenario(using: str) -> Any:
        transaction.set_autocommit(False, using)
        try:
            return [*_steps(using), getattr(transaction, end)(using)]
        finally:
            transaction.rollback(using)
            transaction.set_autocommit(True, using)

    scenario.__qualname__ = f"a transaction without autocommit, {end}"
    return scenario


def without_autocommit_and_an_error(signal: Any, act: Callable[[Any], None], step: str) -> Callable[[str], Any]:
    """What Django does in a transaction of its own keeps a host that goes on from committing a half."""

    def scenario(using: str) -> Any:
        tram = Tram.objects.using(using).create(name="12")
        Vehicle.objects.using(using).create(name="55")
        steps: dict[str, Callable[[], Any]] = {
            "delete": tram.delete,
            "delete all": Vehicle.objects.using(using).all().delete,
            "bulk_create": lambda: Tag.objects.using(using).bulk_create([Tag(word="x"), Tag(word="x")]),
        }
        found: list[Any] = []
        transaction.set_autocommit(False, using)
        try:
            with receiver(signal, Vehicle, act):
                try:
                    found.append(steps[step]())
                except Exception as error:
                    found.append(type(error))
            found.append(connections[using].needs_rollback)
            Depot.objects.using(using).create(name="after")
            transaction.commit(using)
        except Exception as error:
            found.append(type(error))
        finally:
            transaction.rollback(using)
            transaction.set_autocommit(True, using)
        return found

    scenario.__qualname__ = f"{step} without autocommit, {act.__name__} at {'pre' if signal is pre_delete else 'post'}"
    return scenario


def break_off(instance: Any) -> None:
    """Of a receiver that keeps an error to itself, after which Django lets nobody query."""
    transaction.set_rollback(True, using=instance._state.db)


def send_wrong_sql(instance: Any) -> None:
    """The error breaks a transaction of PostgreSQL; Django does not know it."""
    with suppress(DatabaseError), connections[instance._state.db].cursor() as cursor:
        cursor.execute("SELECT no_such_column FROM no_such_table")


def a_receiver_that_breaks(act: Callable[[Any], None]) -> Callable[[str], Any]:
    def scenario(using: str) -> Any:
        for name in ("55", "56"):
            Vehicle.objects.using(using).create(name=name)
        with receiver(post_delete, Vehicle, act), transaction.atomic(using=using):
            return Vehicle.objects.using(using).all().delete()

    scenario.__qualname__ = f"a deletion and a receiver that has to {act.__name__}"
    return scenario


def begun_by_sql(end: str) -> Callable[[str], Any]:
    def scenario(using: str) -> Any:
        if connections[using].vendor == "mysql":
            return None  # its driver does not say that a transaction is open
        with sql_transaction(using, end):
            found = _steps(using)
        return [*found, connections[using].get_autocommit(), connections[using].in_atomic_block]

    scenario.__qualname__ = f"a transaction begun by SQL, {end}"
    return scenario


def _steps(using: str) -> list[Any]:
    """Changes of which Django begins no transaction, the last one with an error that the host catches."""
    bus = Vehicle(name="x")
    bus.save(using=using)
    bus.save(using=using)
    Vehicle.objects.using(using).update(seats=3)
    Tag(word="before").save(using=using)
    found: list[Any] = []
    for word in ("before", "after"):
        try:
            Tag(word=word).save(using=using)
        except Exception as error:
            found.append(type(error))
    return [*found, connections[using].needs_rollback]


SCENARIOS = [
    *(save_with(signal, act, sender) for signal in (pre_save, post_save) for act in (fail, write_and_fail)
      for sender in (Vehicle, Tram)),
    *(delete_with(signal, act, sender) for signal in (pre_delete, post_delete) for act in (fail, write_and_fail)
      for sender in (Vehicle, Tram)),
    integrity_error, integrity_error_in_a_savepoint, forced_update_of_nothing, forced_insert_of_what_is_there,
    update_fields_without_a_key, a_value_that_cannot_be_stored, a_bulk_insert_that_collides, an_empty_bulk_insert,
    a_save_outside_of_any_transaction, a_receiver_that_fails_after_the_save, what_waits_for_the_commit,
    protected_and_cascading_deletion, a_key_in_memory_after_a_failing_insert,
    without_autocommit("commit"), without_autocommit("rollback"), begun_by_sql("COMMIT"), begun_by_sql("ROLLBACK"),
    *(without_autocommit_and_an_error(signal, act, step) for signal in (pre_delete, post_delete)
      for act in (fail, break_off) for step in ("delete", "delete all")),
    without_autocommit_and_an_error(post_delete, fail, "bulk_create"), a_receiver_that_breaks(break_off),
    a_receiver_that_breaks(send_wrong_sql),
    why_a_transaction_is_broken, statements_that_time_out,
]  # fmt: skip


MODELS = {Driver: "name", Vehicle: "name", Depot: "name", Stop: "code", Tag: "word"}


def outcome(scenario: Callable[[str], Any], using: str) -> Any:
    """What a scenario says, and the rows that it leaves, which are deleted."""
    found = repr(scenario(using))
    rows = {model: sorted(model.objects.using(using).values_list(name, flat=True)) for model, name in MODELS.items()}
    for model in MODELS:
        models.QuerySet(model, using=using).delete()
    return found, rows


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.__qualname__)
def test_a_host_application_sees_the_same_with_and_without_subscribers(
    using: str, scenario: Callable[[str], Any]
) -> None:
    without = outcome(scenario, using)

    def ignore(event: Event) -> None:
        """A subscriber of everything."""

    with subscribed(ignore, "*", when="after_commit"):
        assert outcome(scenario, using) == without


def test_a_connection_without_autocommit_is_as_before_where_a_savepoint_of_ours_fails(using: str) -> None:
    def fail_at_savepoints(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if sql.startswith("SAVEPOINT"):
            raise OperationalError("the server has gone away")
        return execute(sql, *rest)

    transaction.set_autocommit(False, using)
    try:
        with captured_events(), connections[using].execute_wrapper(fail_at_savepoints), pytest.raises(OperationalError):
            Tag(word="x").save(using=using)
        assert not connections[using].in_atomic_block
    finally:
        transaction.rollback(using)
        transaction.set_autocommit(True, using)


def test_no_row_is_lost_where_a_receiver_fails_and_the_caller_goes_on(using: str) -> None:
    with captured_events("*"), transaction.atomic(using=using), receiver(pre_save, Vehicle, fail):
        Depot.objects.using(using).create(name="one")
        with pytest.raises(HostError):
            Vehicle.objects.using(using).create(name="x")
        Depot.objects.using(using).create(name="two")
    assert Depot.objects.using(using).count() == 2


def test_a_change_on_sqlite_takes_the_lock_before_it_reads() -> None:
    connection: Any = connections["default"]
    connection.ensure_connection()
    mode, connection.transaction_mode = connection.transaction_mode, None  # a project that follows no advice of ours
    statements: list[str] = []

    def note(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        statements.append(sql)
        return execute(sql, *rest)

    try:
        with captured_events("example.*"), connection.execute_wrapper(note):
            Vehicle.objects.create(name="x").save()
            Vehicle.objects.update(seats=2)
            Vehicle.objects.all().delete()
        assert connection.transaction_mode is None
    finally:
        connection.transaction_mode = mode
    begun = [one for one in statements if one.startswith("BEGIN")]
    assert begun == ["BEGIN IMMEDIATE"] * 4


def test_a_model_that_replaces_save_base_is_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    original = models.Model.save_base.__wrapped__  # what a package bound before us  # type: ignore[attr-defined]

    def save_base(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)

    monkeypatch.setattr(Vehicle, "save_base", save_base)
    with captured_events() as events:
        Vehicle.objects.create(name="x")
    assert [event.type for event in events] == ["example.vehicle.created"]


def test_a_check_says_where_saves_are_not_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [one for one in run_checks() if one.id == "heliostat.W004"] == []

    def save_table(self: Any, *args: Any, **kwargs: Any) -> bool:
        return False

    monkeypatch.setattr(Vehicle, "_save_table", save_table, raising=False)
    (found,) = [one for one in run_checks() if one.id == "heliostat.W004"]
    assert "Vehicle" in found.msg
    monkeypatch.undo()
    monkeypatch.setattr(models.Model, "_save_table", save_table)
    assert "django.db.models.Model" in next(one for one in run_checks() if one.id == "heliostat.W004").msg
    assert not capture.is_installed(models.Model)


def test_subscribers_after_the_commit_know_an_object_that_is_gone_by_then(using: str) -> None:
    seen: list[tuple[str, str | None, str | None]] = []

    def note(event: Event) -> None:
        seen.append((event.type, event.uri, event.text))

    with subscribed(note, "example.vehicle.*"), transaction.atomic(using=using):
        bus = Vehicle.objects.using(using).create(name="55")
        key = bus.pk
        bus.delete()
    path = f"/example/vehicle/{key}"
    assert seen == [("example.vehicle.created", path, "55"), ("example.vehicle.deleted", path, "55")]


def test_an_address_or_text_that_cannot_be_made_fails_no_save(using: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Any) -> str:
        with connections[using].cursor() as cursor:
            cursor.execute("SELECT no_such_column FROM no_such_table")
        return ""

    monkeypatch.setattr(Vehicle, "__str__", broken)
    monkeypatch.setattr(Vehicle, "get_absolute_url", broken, raising=False)
    seen: list[Event] = []
    with subscribed(seen.append, "example.vehicle.*"), transaction.atomic(using=using):
        Vehicle.objects.using(using).create(name="55")
        Vehicle.objects.using(using).create(name="56")
    assert [event.text for event in seen] == [event.object_id for event in seen]
    assert Vehicle.objects.using(using).count() == 2


@pytest.mark.django_db(transaction=False)
def test_inside_a_test_case_that_never_commits_the_same_events_happen() -> None:
    seen: list[Event] = []
    with subscribed(seen.append, "example.vehicle.*"), run_after_commit():
        Vehicle.objects.create(name="55").delete()
    assert [event.action for event in seen] == ["created", "deleted"]


def test_a_transaction_that_sql_began_holds_the_event_beside_the_change(using: str) -> None:
    if connections[using].vendor == "mysql":
        pytest.skip("its driver does not say that a transaction is open")
    heard: list[str] = []

    def later(event: Event) -> None:
        heard.append(event.type)

    def kept(event: Event) -> None:
        """Of a subscriber that is never called."""

    with subscribed(later, "example.tag.*", when="after_commit"), subscribed(kept, "example.tag.*", when="durable"):
        for end, rows in (("ROLLBACK", 0), ("COMMIT", 1)):
            with sql_transaction(using, end):
                Tag(word="x").save(using=using)
                emit("tags.sorted", using=using)
            assert EventRow.objects.using(using).filter(resource="example.tag").count() == rows
    assert heard == ["example.tag.created"] * 2  # at once, as Django's own `on_commit()` in such a transaction


def test_a_save_is_undone_where_its_event_cannot_be_written_without_autocommit(
    using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(event: Event) -> None:
        """Of a subscriber that is never called."""

    def fails(_: object, cursor: Any, *__: object) -> None:
        cursor.execute("INSERT INTO no_such_outbox VALUES (1)")

    with subscribed(nothing, "example.tag.*", when="durable"):
        transaction.set_autocommit(False, using)
        monkeypatch.setattr(type(dialect_for(using)), "write", fails)
        try:
            with pytest.raises(DatabaseError, match="no_such_outbox"):
                Tag(word="x").save(using=using)
            transaction.commit(using)
        finally:
            transaction.set_autocommit(True, using)
    assert not Tag.objects.using(using).exists()


def test_a_model_whose_fields_cannot_be_understood_is_saved_without_an_event(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(field: Any) -> Any:
        raise LookupError("the field refers to nothing")

    monkeypatch.setattr(snapshot, "conversion_of", fail)
    snapshot.table_of.cache_clear()
    try:
        with captured_events("example.depot.*") as events:
            Depot.objects.create(name="north")
    finally:
        snapshot.table_of.cache_clear()
    assert (Depot.objects.count(), events) == (1, [])
    assert "has no event" in caplog.text

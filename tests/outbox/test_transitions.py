"""The states of a callback, on each database: who lost a callback changes nothing."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import Error as DatabaseError
from django.db import IntegrityError, connections, transaction
from django.utils import timezone

from heliostat.events.event import Event, Phase
from heliostat.events.subscriptions import Subscription
from heliostat.outbox import transitions
from heliostat.outbox.dialect import Claimed, dialect_for
from heliostat.outbox.models import Attempt, Callback, CircuitBreaker, message_id
from heliostat.outbox.models import Event as EventRow
from heliostat.outbox.transitions import CANCEL, GIVE_UP, RETRY, SENT, Result
from heliostat.outbox.write import write

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def callbacks_for(using: str, *subscribers: str) -> None:
    """One event with callbacks of these subscribers."""
    event = Event(resource="example.vehicle", action="created", object_id="1")
    write([(event, [Subscription(name=name, pattern="*", phase=Phase.DURABLE) for name in subscribers])], using)


def claim_all(using: str, *subscribers: str, free: int = 10) -> list[Claimed]:
    return transitions.claim(dict.fromkeys(subscribers, free), using)


def result(claimed: Claimed, outcome: str = SENT, details: str = "200 OK", **facts: object) -> Result:
    facts = {"started_at": timezone.now(), "duration": 0.01, **facts}
    return Result(claimed=claimed, outcome=outcome, details=details, **facts)  # type: ignore[arg-type]


def only(using: str) -> Callback:
    return Callback.objects.using(using).get()


def test_what_is_claimed_is_nobody_else_s(using: str) -> None:
    callbacks_for(using, "hook:1")
    (claimed,) = claim_all(using, "hook:1")
    assert claim_all(using, "hook:1") == []
    assert claimed.attempts == 1
    assert only(using).status == "sending"


def test_a_subscriber_gets_no_more_than_its_free_slots(using: str) -> None:
    for _ in range(5):
        callbacks_for(using, "hook:1", "hook:2")
    claimed = transitions.claim({"hook:1": 2, "hook:2": 1}, using)
    assert sorted(one.subscriber for one in claimed) == ["hook:1", "hook:1", "hook:2"]


def test_the_oldest_due_is_taken_first_and_what_is_not_due_waits(using: str) -> None:
    for _ in range(3):
        callbacks_for(using, "hook:1")
    first, second, third = Callback.objects.using(using).order_by("id")
    now = timezone.now()
    Callback.objects.using(using).filter(pk=first.pk).update(due_at=now + timedelta(hours=1))
    Callback.objects.using(using).filter(pk=third.pk).update(due_at=now - timedelta(hours=1))
    assert [one.id for one in claim_all(using, "hook:1", free=1)] == [third.pk]
    assert [one.id for one in claim_all(using, "hook:1")] == [second.pk]


def test_sent_is_the_end_of_it(using: str) -> None:
    callbacks_for(using, "hook:1")
    (claimed,) = claim_all(using, "hook:1")
    transitions.record_results([result(claimed, status_code=200, response="ok")], using)
    callback = only(using)
    assert (callback.status, callback.status_details, callback.claim_token) == ("sent", "200 OK", None)
    attempt = Attempt.objects.using(using).get()
    assert (attempt.number, attempt.status_code, attempt.response, attempt.duration_ms) == (1, 200, "ok", 10)


def test_a_failure_waits_for_its_next_attempt(using: str) -> None:
    callbacks_for(using, "hook:1")
    (claimed,) = claim_all(using, "hook:1")
    transitions.record_results([result(claimed, RETRY, "503 Service Unavailable", retry_after=600)], using)
    callback = only(using)
    assert callback.status == "waiting"
    assert timedelta(seconds=590) < callback.due_at - timezone.now() < timedelta(seconds=610)
    assert dialect_for(using).due_subscribers("", 10) == {}


@pytest.mark.parametrize(("outcome", "status"), [(GIVE_UP, "error"), (CANCEL, "cancelled")])
def test_giving_up_and_cancelling_are_final(using: str, outcome: str, status: str) -> None:
    callbacks_for(using, "hook:1")
    (claimed,) = claim_all(using, "hook:1")
    transitions.record_results([result(claimed, outcome, "x" * 1000)], using)
    callback = only(using)
    assert (callback.status, len(callback.status_details)) == (status, 500)


def expire(using: str) -> None:
    Callback.objects.using(using).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_a_dead_worker_s_callbacks_are_rescued_and_it_cannot_record_them_any_more(using: str) -> None:
    callbacks_for(using, "hook:1")
    (lost,) = claim_all(using, "hook:1")
    expire(using)
    assert transitions.rescue(using) == 1
    (taken,) = claim_all(using, "hook:1")
    assert taken.id == lost.id
    transitions.record_results([result(lost, GIVE_UP, "too late")], using)
    assert only(using).status == "sending"
    transitions.record_results([result(taken)], using)
    assert only(using).status == "sent"


def test_a_living_worker_renews_its_lease(using: str) -> None:
    callbacks_for(using, "hook:1")
    claimed = claim_all(using, "hook:1")
    expire(using)
    transitions.renew(claimed, using)
    assert transitions.rescue(using) == 0


def test_a_callback_that_kills_every_worker_is_given_up(using: str, settings) -> None:
    settings.HELIOSTAT_MAX_ATTEMPTS = 2
    callbacks_for(using, "hook:1")
    for _ in range(2):
        assert len(claim_all(using, "hook:1")) == 1
        expire(using)
        transitions.rescue(using)
    callback = only(using)
    assert callback.status == "error"
    assert "died" in callback.status_details


def test_what_was_cancelled_can_be_sent_again(using: str) -> None:
    callbacks_for(using, "hook:1", "hook:2")
    (cancelled,) = claim_all(using, "hook:1")
    transitions.record_results([result(cancelled, outcome=CANCEL)], using)
    (claimed,) = claim_all(using, "hook:2")
    ids = list(Callback.objects.using(using).values_list("pk", flat=True))
    assert transitions.resend(ids, using) == 1, "what is being sent is left alone"
    assert [one.subscriber for one in claim_all(using, "hook:1", "hook:2")] == ["hook:1"]
    transitions.record_results([result(claimed)], using)


def test_subscribers_are_found_in_turns_however_many_wait(using: str) -> None:
    for index in range(7):
        callbacks_for(using, f"hook:{index}")
    dialect = dialect_for(using)
    assert list(dialect.due_subscribers("", 3)) == ["hook:0", "hook:1", "hook:2"]
    assert list(dialect.due_subscribers("hook:2", 10)) == ["hook:3", "hook:4", "hook:5", "hook:6"]


def test_two_workers_that_claim_at_once_share_without_overlap(using: str) -> None:
    for _ in range(200):
        callbacks_for(using, "hook:1")
    taken: list[int] = []

    def work() -> None:
        while claimed := claim_all(using, "hook:1", free=7):
            taken.extend(one.id for one in claimed)
        connections[using].close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 200


def test_many_events_are_written_in_a_fixed_number_of_statements(using: str, django_assert_num_queries) -> None:
    wishes = [Subscription(name=f"hook:{index}", pattern="*", phase=Phase.DURABLE) for index in range(50)]
    events = [Event(resource="example.vehicle", action="created", object_id=str(index)) for index in range(10)]
    begin_and_commit = 2
    rows_and_notice = 1 if using == "postgresql" else 2
    with django_assert_num_queries(begin_and_commit + rows_and_notice, connection=connections[using]):
        write([(event, wishes) for event in events], using)
    assert Callback.objects.using(using).count() == 500


def test_callbacks_that_cannot_be_written_undo_the_change(using: str) -> None:
    happened = Event(resource="example.vehicle", action="created", object_id="1")
    wishes = [Subscription(name="hook:1", pattern="*", phase=Phase.DURABLE)]
    with transaction.atomic(using=using):
        with pytest.raises(IntegrityError), transaction.atomic(using=using):
            CircuitBreaker.objects.using(using).create(subscriber="the change")
            write([(happened, wishes), (happened, wishes)], using)  # the second has the key of the first
        for model in (CircuitBreaker, EventRow, Callback):
            assert not model.objects.using(using).exists()


def test_the_id_of_a_message_holds_no_dot() -> None:
    assert message_id("0a", "hook:7") == "msg_0a_7"
    assert "." not in message_id("0a", "code:mytom.hooks.notify")


def test_whatever_a_receiver_or_an_exception_says_can_be_stored(using: str) -> None:
    callbacks_for(using, "hook:1")
    (claimed,) = claim_all(using, "hook:1")
    strange = "a\x00b\ud800c"
    transitions.record_results([result(claimed, GIVE_UP, strange, error=strange, response=strange)], using)
    assert only(using).status_details == "a\N{REPLACEMENT CHARACTER}b?c"


def test_an_attempt_that_the_database_refuses_holds_up_no_other(using: str, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        callbacks_for(using, "hook:1")
    one, two, three = claim_all(using, "hook:1")
    transitions.record_results([result(one), result(two, status_code=-1), result(three)], using)
    assert set(Callback.objects.using(using).values_list("status", flat=True)) == {"sent"}
    assert set(Attempt.objects.using(using).values_list("callback_id", flat=True)) == {one.id, three.id}
    assert f"attempt at callback {two.id} cannot be written down" in caplog.text


def test_an_attempt_at_a_callback_that_was_deleted_holds_up_no_other(using: str) -> None:
    for _ in range(2):
        callbacks_for(using, "hook:1")
    gone, there = claim_all(using, "hook:1")
    Callback.objects.using(using).filter(pk=gone.id).delete()
    transitions.record_results([result(gone), result(there)], using)
    assert only(using).status == "sent"
    assert Attempt.objects.using(using).get().callback_id == there.id


def test_a_connection_that_dies_while_attempts_are_written_is_an_error_of_the_database(
    using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the driver raises by itself, the worker would not know for a database that is away."""
    if connections[using].vendor != "postgresql":
        pytest.skip("SQLite has no connection that could be cut")
    callbacks_for(using, "hook:1")
    claimed = claim_all(using, "hook:1")
    dialect, other = dialect_for(using), connections[using].copy()
    finish = dialect.finish

    def finish_and_be_cut_off(cursor: Any, *arguments: Any) -> None:
        finish(cursor, *arguments)
        with other.cursor() as administrator:
            administrator.execute("SELECT pg_terminate_backend(%s)", [cursor.connection.info.backend_pid])

    monkeypatch.setattr(dialect, "finish", finish_and_be_cut_off)
    try:
        with pytest.raises(DatabaseError):
            transitions.record_results([result(claimed[0])], using)
    finally:
        other.close()
    assert only(using).status == "sending", "all of it or nothing"


def test_times_follow_the_settings_of_now(settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Tokyo"
    moment = datetime(2026, 12, 1, 3, tzinfo=UTC)
    assert dialect_for("default").time(moment) == "2026-12-01 03:00:00"
    settings.USE_TZ = False
    assert dialect_for("default").time(datetime(2026, 12, 1, 12)) == "2026-12-01 12:00:00"

"""A transaction that the database ends in favour of another is no fault: it is tried again."""

from __future__ import annotations

import threading

import pytest
from django.db import Error as DatabaseError
from django.db import OperationalError, connections, transaction

from heliostat.delivery.worker import Worker
from heliostat.outbox.dialect import dialect_for
from heliostat.outbox.models import Callback
from tests.outbox.callbacks import callbacks_for

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def test_of_two_that_wait_for_each_other_one_is_known_to_have_given_way(using: str) -> None:
    if using == "default":
        pytest.skip("on SQLite a writer is alone")
    keys = [one.pk for one in callbacks_for(using, "hook:1", "hook:2")]
    both_have_one = threading.Barrier(2)
    errors: list[DatabaseError] = []

    def touch(first: int, second: int) -> None:
        rows = Callback.objects.using(using)
        try:
            with transaction.atomic(using=using):
                rows.filter(pk=first).update(attempts=1)
                both_have_one.wait(20)
                rows.filter(pk=second).update(attempts=1)
        except DatabaseError as error:
            errors.append(error)
        finally:
            connections[using].close()

    threads = [threading.Thread(target=touch, args=order) for order in (keys, keys[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [dialect_for(using).is_conflict(error) for error in errors] == [True]


def test_another_error_of_the_database_is_no_conflict(using: str) -> None:
    with pytest.raises(DatabaseError) as caught, connections[using].cursor() as cursor:
        cursor.execute("SELECT nonsense")
    assert not dialect_for(using).is_conflict(caught.value)


@pytest.mark.parametrize("using", ["mariadb"])
def test_a_worker_that_gave_way_tries_again(using: str) -> None:
    if using not in connections.databases:
        pytest.skip("no MariaDB")
    callbacks_for(using, "code:nobody.there")
    conflicts = iter([OperationalError(1213, "Deadlock found when trying to get lock; try restarting transaction")])

    def give_way_once(execute, sql, *rest):
        if sql.startswith("UPDATE") and "sending" in sql and (conflict := next(conflicts, None)):
            raise conflict
        return execute(sql, *rest)

    with connections[using].execute_wrapper(give_way_once):
        assert Worker(using).drain() == {"give_up": 1}
    assert next(conflicts, None) is None, "it gave way indeed"

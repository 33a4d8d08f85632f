"""A MariaDB that cannot keep an outbox is named at the start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.core.checks import CheckMessage, Tags, run_checks
from django.db import connections

MARIADB = "mariadb"
pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.skipif(MARIADB not in settings.DATABASES, reason="no MariaDB, or no `make mariadb` yet"),
]


@pytest.fixture
def table() -> Iterator[str]:
    """A table whose name is like those of the outbox: in the database of the tests, and dropped at the end."""
    name = "heliostat_outbox_for_a_test"
    yield name
    with connections[MARIADB].cursor() as cursor:
        cursor.execute(f"DROP TABLE {name}")


def of_mariadb() -> list[CheckMessage]:
    return run_checks(tags=[Tags.database], databases=[MARIADB])


def test_as_the_migrations_make_it_all_is_well() -> None:
    assert [message for message in of_mariadb() if message.id.startswith("heliostat")] == []


def test_a_server_before_10_6_is_an_error(monkeypatch) -> None:
    monkeypatch.setitem(connections[MARIADB].__dict__, "mysql_version", (10, 5, 9))
    (message,) = (message for message in of_mariadb() if message.id == "heliostat.E030")
    assert "SKIP LOCKED" in message.hint


def test_a_table_without_transactions_is_an_error(table: str) -> None:
    with connections[MARIADB].cursor() as cursor:
        cursor.execute(f"CREATE TABLE {table} (id int) ENGINE=MyISAM")
    (message,) = of_mariadb()
    assert (message.id, "InnoDB" in message.hint) == ("heliostat.E031", True)


def test_a_table_that_cannot_hold_every_character_is_an_error(table: str) -> None:
    with connections[MARIADB].cursor() as cursor:
        cursor.execute(f"CREATE TABLE {table} (id int) CHARACTER SET latin1")
    (message,) = of_mariadb()
    assert (message.id, "latin1" in message.msg) == ("heliostat.E032", True)


def test_repeatable_reads_are_a_warning(monkeypatch) -> None:
    monkeypatch.setitem(connections.settings[MARIADB], "OPTIONS", {"isolation_level": "repeatable read"})
    (message,) = run_checks(databases=[])
    assert message.id == "heliostat.W031"

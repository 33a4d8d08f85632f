"""A program that writes until it is killed. What it prints was committed; what is named a ghost never is."""

from __future__ import annotations

import random
import sys
import time

import django

django.setup()

from django.db import Error, connection, transaction  # noqa: E402

from tests.example.models import Vehicle  # noqa: E402


class Regret(Exception):
    """The transaction is undone on purpose."""


def one() -> list[int]:
    return [Vehicle.objects.create(name="bus").pk]


def several() -> list[int]:
    with transaction.atomic():
        return [Vehicle.objects.create(name="bus").pk for _ in range(random.randint(2, 12))]


def several_in_one_statement() -> list[int]:
    with transaction.atomic():
        return [
            bus.pk for bus in Vehicle.objects.bulk_create(Vehicle(name="bus") for _ in range(random.randint(2, 12)))
        ]


def a_ghost() -> list[int]:
    with transaction.atomic():
        for _ in range(random.randint(1, 5)):
            Vehicle.objects.create(name="ghost")
        raise Regret


def several_and_a_ghost_at_a_savepoint() -> list[int]:
    with transaction.atomic():
        written = [Vehicle.objects.create(name="bus").pk]
        try:
            with transaction.atomic():
                Vehicle.objects.create(name="ghost")
                raise Regret
        except Regret:
            return [*written, Vehicle.objects.create(name="bus").pk]


def write(seconds_an_event: float) -> None:
    kinds = (one, several, several_in_one_statement, a_ghost, several_and_a_ghost_at_a_savepoint)
    while True:
        began = time.monotonic()
        written: list[int] = []
        try:
            written = random.choice(kinds)()
        except Regret:
            pass
        except Error:  # the database is away or this connection was killed: whether it was committed is not known
            connection.close()
            time.sleep(0.2)
        if written:
            print("".join(f"{pk}\n" for pk in written), end="", flush=True)
        time.sleep(max(0.0, len(written) * seconds_an_event - (time.monotonic() - began)))


write(float(sys.argv[1]))

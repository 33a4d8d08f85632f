"""What the management commands share: values of their options, help with examples, progress."""

from __future__ import annotations

import math
import threading
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandParser, DjangoHelpFormatter
from django.db import DEFAULT_DB_ALIAS, connections

EVERY = 0.5  # seconds between two looks at how far it is
WIDTH = 40  # characters of the bar


class _Help(DjangoHelpFormatter):
    """Examples keep their lines."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("example"):
            return "".join(indent + line for line in text.splitlines(keepends=True))
        return super()._fill_text(text, width, indent)


class OutboxCommand(BaseCommand):
    """A command on the outbox of one database, whose help ends with an example."""

    example = ""

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        options = {"epilog": self.example, "formatter_class": _Help, **options}
        return super().create_parser(prog_name, subcommand, **options)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--database",
            default=DEFAULT_DB_ALIAS,
            choices=tuple(connections),
            help="whose outbox (an alias of DATABASES)",
        )

    def say(self, text: str, verbosity: int) -> None:
        if verbosity > 0:
            self.stdout.write(text)

    @contextmanager
    def progress(self, done: Callable[[], int], total: Callable[[], int], verbosity: int) -> Iterator[None]:
        """A bar on stderr, where a person watches: so many callbacks of so many. Only there is the total asked for."""
        if verbosity < 1 or not self.stderr.isatty():
            yield
            return
        whole, ended = total(), threading.Event()

        def draw(ending: str = "") -> None:
            self.stderr.write(_bar(done(), whole), self.style.NOTICE, ending)

        def keep_drawing() -> None:
            while not ended.wait(EVERY):
                draw()

        thread = threading.Thread(target=keep_drawing, name="heliostat-progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            draw("\n")


def _bar(done: int, whole: int) -> str:
    """`[####......] 40 of 100 callbacks`, over what the line held before."""
    filled = WIDTH * min(done, whole) // max(whole, 1)
    return f"\r[{'#' * filled}{'.' * (WIDTH - filled)}] {done:,} of {things(whole, 'callback')}"


def whole_number(minimum: int) -> Callable[[str], int]:
    """The type of an option: a whole number from `minimum` on."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = minimum - 1
        if number < minimum:
            raise ArgumentTypeError(f"{text!r} is no whole number from {minimum} on")
        return number

    return parse


def amount(text: str) -> float:
    """The type of an option: a number that is not negative."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not math.isfinite(number) or number < 0:
        raise ArgumentTypeError(f"{text!r} is no number from 0 on")
    return number


def things(count: int, noun: str) -> str:
    """`1 callback`, `2,000 callbacks`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"

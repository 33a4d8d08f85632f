"""What the commands on the outbox share: the database, a progress bar, an end by signals."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.core.management.base import CommandError
from django.db import connections
from django.utils import timezone

from heliostat.commands import ExplainedCommand, things
from heliostat.delivery.worker import Worker
from heliostat.events.databases import home

EVERY = 0.5  # seconds between two looks at how far it is
WIDTH = 40  # characters of the bar


class OutboxCommand(ExplainedCommand):
    """A command on the outbox of one database."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--database",
            default=home(),
            choices=tuple(connections),
            help="alias in DATABASES of the database whose outbox is meant",
        )

    def say(self, text: str, verbosity: int, style: Callable[[str], str] | None = None) -> None:
        if verbosity > 0:
            self.stdout.write(text, style)

    @contextmanager
    def progress(self, done: Callable[[], int], total: Callable[[], int], verbosity: int) -> Iterator[None]:
        """Draw a bar on stderr, if it is a terminal: so many callbacks of so many. Only then is the total asked for."""
        if verbosity < 1 or not self.stderr.isatty():
            yield
            return
        whole, ended = total(), threading.Event()

        def draw(ending: str = "") -> None:
            filled = WIDTH * min(done(), whole) // max(whole, 1)
            bar = f"[{'#' * filled}{'.' * (WIDTH - filled)}] {done():,} of {things(whole, 'callback')}"
            self.stderr.write(f"\r{bar}", self.style.NOTICE, ending)  # over what the line held before

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


def ago(span: float, unit: str) -> datetime:
    """Return the time so many of this unit ("minutes", "days") ago. Raise `CommandError` before the year 1."""
    try:
        return timezone.now() - timedelta(**{unit: span})
    except OverflowError as error:
        raise CommandError(f"{span:,.10g} {unit} ago there was no calendar.") from error


@contextmanager
def stopped_by_signals(worker: Worker) -> Iterator[list[int]]:
    """Stop the worker at SIGTERM or Ctrl-C: it finishes what is in flight. Give a list of the signals that came.

    Only in the main thread, as signals are.
    """
    came: list[int] = []  # no lock: a second signal may come while the first is handled

    def stop(number: int, _: object) -> None:
        came.append(number)
        worker.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""What the commands on the outbox share: whose outbox, and how far it is."""

from __future__ import annotations

import threading
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.core.management.base import CommandError
from django.db import connections
from django.utils import timezone

from heliostat.commands import ExplainedCommand, things
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
            help="whose outbox (an alias of DATABASES)",
        )

    def say(self, text: str, verbosity: int, style: Callable[[str], str] | None = None) -> None:
        if verbosity > 0:
            self.stdout.write(text, style)

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


def ago(span: float, unit: str) -> datetime:
    """The time so many of this unit ("minutes", "days") ago; raises `CommandError` where there was no calendar."""
    try:
        return timezone.now() - timedelta(**{unit: span})
    except OverflowError as error:
        raise CommandError(f"{span:,.10g} {unit} ago there was no calendar.") from error


def _bar(done: int, whole: int) -> str:
    """`[####......] 40 of 100 callbacks`, over what the line held before."""
    filled = WIDTH * min(done, whole) // max(whole, 1)
    return f"\r[{'#' * filled}{'.' * (WIDTH - filled)}] {done:,} of {things(whole, 'callback')}"

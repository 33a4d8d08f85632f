"""The queues that a project publishes to: what each has, and how many events wait for it in the outbox."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from django.db import connections

from heliostat.conf import conf
from heliostat.exceptions import HeliostatError
from heliostat.listeners.configured import Configured, configured
from heliostat.outbox.backlog import look
from heliostat.outbox.databases import has_outbox
from heliostat.queues.base import Queue
from heliostat.queues.named import SCHEME, named_queue


class PublishedTo(NamedTuple):
    """A queue of the settings: its name there, and the queue, or why there is none."""

    name: str
    queue: Queue | None
    problem: str = ""


def queues_of_project() -> Iterator[PublishedTo]:
    """Yield the queues of `EVENT_LISTENERS` and of `HELIOSTAT_QUEUES`."""
    for one in configured():
        if isinstance(one, Configured) and isinstance(one.listener, Queue):
            yield PublishedTo(one.name, one.listener)
    for name in conf.queues:
        try:
            yield PublishedTo(f"{SCHEME}{name}", named_queue(name).queue)
        except HeliostatError as error:
            yield PublishedTo(f"{SCHEME}{name}", None, str(error))


def waiting_in_outbox() -> Counter[str]:
    """Return how many callbacks of each subscriber wait to be delivered, in all databases."""
    waiting: Counter[str] = Counter()
    for using in filter(has_outbox, connections):
        waiting.update({name: one.callbacks for name, one in look(using).waiting.items()})
    return waiting

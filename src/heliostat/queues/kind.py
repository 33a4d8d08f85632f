"""Queues as a kind of subscribers: the sections of `EVENT_LISTENERS` whose `use` is a queue, as `queue:<section>`."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from heliostat.delivery import kinds
from heliostat.delivery.kinds import SubscriberKind
from heliostat.delivery.request import NoDestination
from heliostat.listeners.source import built
from heliostat.queues.base import Queue
from heliostat.queues.transport import IN_FLIGHT, QueueTarget, QueueTransport

NOT_THERE = NoDestination(
    "EVENT_LISTENERS has no such queue, or its section is not valid: `manage.py check` says why", is_final=False
)


class QueueKind(SubscriberKind):
    """Queues of `EVENT_LISTENERS`."""

    name = Queue.subscriber_kind
    transport = QueueTransport
    concurrency = IN_FLIGHT // 2

    def queue_targets(self, subscribers: Collection[str]) -> Mapping[str, QueueTarget | NoDestination]:
        """Return the queues. What is configured no longer is retried: a mistake in the settings loses nothing."""
        found = {name: built(name) for name in subscribers}
        return {
            name: QueueTarget(one.listener) if one and isinstance(one.listener, Queue) else NOT_THERE
            for name, one in found.items()
        }


def register() -> None:
    """Register the kind where it is not: a project need not list `heliostat.queues` in INSTALLED_APPS."""
    if QueueKind.name not in {kind.name for kind in kinds.registered()}:  # `kind_of` would build the listeners
        kinds.register(QueueKind())

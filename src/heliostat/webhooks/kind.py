"""Hooks as a kind of subscribers: where they are, what they allow, and what follows from each attempt."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from heliostat.conf import conf
from heliostat.delivery.http import HttpKind, HttpTransport
from heliostat.delivery.kinds import Job, Transport
from heliostat.delivery.request import Destination, NoDestination
from heliostat.events.context import notifying
from heliostat.exceptions import ConfigurationError
from heliostat.outbox import circuit_breaker
from heliostat.outbox.bodies import event_from
from heliostat.outbox.kinds import Dispatcher
from heliostat.outbox.limits import Limits
from heliostat.outbox.models import Event
from heliostat.outbox.transitions import CANCEL, RETRY, Result
from heliostat.queues.named import NoSuchQueue, is_queue, named_queue
from heliostat.queues.transport import QueueTarget, QueueTransport
from heliostat.webhooks import changes, permissions
from heliostat.webhooks.changes import Position
from heliostat.webhooks.deliverers.base import Response, answering_class, dispatcher
from heliostat.webhooks.exceptions import InvalidHeadersError
from heliostat.webhooks.headers import parse_headers
from heliostat.webhooks.models import Hook, hook_of, hooks_database
from heliostat.webhooks.operations import disable_failing
from heliostat.webhooks.owners import INACTIVE, NOT_KNOWN, is_asked_by_object, why_not_sent, why_stopped

LIMITED = Q(paused=True) | Q(max_per_second__isnull=False) | Q(max_concurrent__isnull=False)
REMEMBERED = 10_000  # destinations
MOVED = NoDestination("its target was changed just now", is_final=False)


class HookKind(HttpKind):
    """Rows of `Hook`, as `hook:<id>`."""

    name = "hook"

    def transports(self, subscribers: Collection[str]) -> dict[str, type[Transport]]:
        found = _targets(subscribers)
        return {name: QueueTransport if isinstance(one, QueueTarget) else HttpTransport for name, one in found.items()}

    def destinations(self, subscribers: Collection[str]) -> dict[str, Destination | NoDestination]:
        """Return the destinations of these hooks, as they are now."""
        found = _targets(subscribers)
        return {name: MOVED if isinstance(one, QueueTarget) else one for name, one in found.items()}

    def queue_targets(self, subscribers: Collection[str]) -> dict[str, QueueTarget | NoDestination]:
        """Return the queues of these hooks, as they are now."""
        found = _targets(subscribers)
        return {name: MOVED if isinstance(one, Destination) else one for name, one in found.items()}

    def refused(self, jobs: Sequence[Job]) -> Sequence[Result]:
        """Return the results of callbacks about objects that the owners of their hooks may not view any more."""
        _targets({job.claimed.subscriber for job in jobs})  # checks the owners
        known, results = _still_true(), []
        for job in jobs:
            one = known.get(job.claimed.subscriber)
            if isinstance(one, Owned) and one.by_object and (reason := one.why_not_sent(job)):
                outcome = RETRY if reason == NOT_KNOWN else CANCEL
                results.append(Result(job.claimed, outcome, reason, timezone.now(), 0.0, error=reason))
        return results

    def dispatcher(self) -> Dispatcher | None:
        return dispatcher()

    def admin_url(self, subscriber: str) -> str:
        return reverse("admin:heliostat_webhooks_hook_change", args=[hook_of(subscriber)])

    def attempted(self, result: Result, using: str) -> None:
        """Call `after_deliver` of the element deliverer with the answer, where the project overrides it."""
        if result.status_code is None or (owner := answering_class()) is None:
            return
        row = Event.objects.using(using).get(pk=result.claimed.event_id)
        with notifying(event_from(row.body, row.context, using)):  # what it changes happens one level deeper
            owner().after_deliver(Response(result.status_code, result.url, result.response, result.claimed.id))

    def version(self) -> int:
        """Return a number that is another one as soon as any hook changed."""
        return hash(changes.where(hooks_database()))

    def limits(self) -> Mapping[str, Limits]:
        hooks: QuerySet[Hook] = QuerySet(Hook, using=hooks_database())
        rows = hooks.filter(LIMITED, enabled=True).order_by()
        found = rows.values_list("pk", "max_concurrent", "max_per_second", "paused")
        return {f"hook:{pk}": Limits(concurrent, rate, paused) for pk, concurrent, rate, paused in found}

    def failing(self, subscriber: str) -> None:
        """Record the time of the first failure; disable a hook that has only failed for too long since then."""
        row, now = _row(subscriber), timezone.now()
        if not row.filter(failing_since__isnull=True).update(failing_since=now) and conf.disable_after:
            long_ago = now - timedelta(seconds=conf.disable_after)
            for since in row.filter(failing_since__lt=long_ago).values_list("failing_since", flat=True):
                disable_failing(subscriber, f"it has only failed since {since:%Y-%m-%d %H:%M} UTC")

    def recovered(self, subscriber: str) -> None:
        _row(subscriber).filter(failing_since__isnull=False).update(failing_since=None)

    def gone(self, subscriber: str) -> None:
        disable_failing(subscriber, "its receiver answered 410 Gone")


def hook_deleted(instance: Hook, using: str, **_: Any) -> None:
    """Delete the circuit breaker of a deleted hook."""
    circuit_breaker.reset([instance.subscriber], using)


def _row(subscriber: str) -> QuerySet[Hook]:
    """Plain rows: the state of deliveries changes nothing for a dispatcher, so no process need look again."""
    return QuerySet(Hook, using=hooks_database()).filter(pk=hook_of(subscriber))


def _targets(subscribers: Collection[str]) -> dict[str, Destination | QueueTarget | NoDestination]:
    """Return where these hooks send, as they are now. What was looked up is kept until any hook changes.

    Permissions of owners are valid for HELIOSTAT_PERMISSION_CACHE seconds. All owners whose permissions are checked
    again are read in one query.
    """
    wanted, known, generation = set(subscribers), _still_true(), permissions.generation
    if missing := wanted - known.keys():
        known.update(_look_up(missing))
    found = {name: known[name] for name in wanted}
    owned = [one for one in found.values() if isinstance(one, Owned)]
    if unknown := [one for one in owned if not one.is_checked()]:
        users = get_user_model()._base_manager.db_manager(hints={"instance": unknown[0].hook})
        owners = users.in_bulk({one.hook.user_id for one in unknown})
        for one in unknown:
            one.check(owners.get(one.hook.user_id), generation)
    return {name: one if not isinstance(one, Owned) else one.stopped or one.destination for name, one in found.items()}


class Owned:
    """The destination of a hook that has an owner, with the last result of the check of their permissions."""

    __slots__ = ("_objects", "by_object", "checked_in", "destination", "hook", "stopped", "until")

    def __init__(self, hook: Hook, destination: Destination | QueueTarget) -> None:
        self.hook = hook
        self.destination = destination
        self.stopped: NoDestination | None = None
        self.until = 0.0
        self.checked_in = -1
        self.by_object = is_asked_by_object(hook)
        self._objects: dict[tuple[str, str], str] = {}  # why nothing of an object may be sent

    def is_checked(self) -> bool:
        """Return whether the last result is still valid."""
        return self.checked_in == permissions.generation and time.monotonic() < self.until

    def check(self, owner: Any, generation: int) -> None:
        """Check again. `owner` was just read, so that its permissions are current; None where it was deleted."""
        if owner is not None:
            self.hook.user = owner
        reason = INACTIVE if owner is None else why_stopped(self.hook)
        self.stopped = NoDestination(reason, is_final=reason != NOT_KNOWN) if reason else None
        self.until, self.checked_in = time.monotonic() + conf.permission_cache, generation
        self._objects = {}

    def why_not_sent(self, job: Job) -> str:
        """Return why this callback may not be sent, although its hook may be notified; empty where it may."""
        about = msgspec.json.decode(job.event_body, type=About)
        question = about.object_type, str(about.object_id)
        if about.object_id is None:
            return ""
        if question not in self._objects:
            self._objects[question] = why_not_sent(self.hook, *question, job.using)
        return self._objects[question]


class About(msgspec.Struct):
    """The object of an event, as its body names it."""

    object_type: str
    object_id: str | int | None


Known = dict[str, Destination | QueueTarget | NoDestination | Owned]

_looked_up: tuple[Position | None, Known] = (None, {})  # what was looked up, and which changes it knows of


def _still_true() -> Known:
    """Return what was looked up of hooks that did not change since.

    After each change there is another dict: a thread that read a row before the change must not add it to this one.
    """
    global _looked_up  # noqa: PLW0603
    seen, known = before = _looked_up
    if seen is None:
        _looked_up = changes.where(hooks_database()), (known := {})
        return known
    news = changes.since(seen, hooks_database())
    if news.hooks is None or len(known) > REMEMBERED:
        known = {}
    elif news.hooks:
        gone = {f"hook:{pk}" for pk in news.hooks}
        known = {name: destination for name, destination in known.copy().items() if name not in gone}
    if news.position != seen or known is not before[1]:
        _looked_up = news.position, known
    return known


def _look_up(subscribers: Collection[str]) -> Known:
    ids = {hook_of(name): name for name in subscribers}
    found: Known = dict.fromkeys(ids.values(), NoDestination("the hook was deleted"))
    for hook in Hook.objects.using(hooks_database()).filter(pk__in=ids):
        name, destination = ids[hook.pk], _destination(hook)
        if hook.user_id is None or isinstance(destination, NoDestination):
            found[name] = destination
            continue
        if hook.model_id is not None:  # from Django's own cache: a row here would be a query for each hook
            hook.model = ContentType.objects.db_manager(hook._state.db).get_for_id(hook.model_id)
        found[name] = Owned(hook, destination)
    return found


def _destination(hook: Hook) -> Destination | QueueTarget | NoDestination:
    if not hook.enabled:
        return NoDestination("the hook is disabled")
    try:
        if is_queue(hook.target_url):
            return QueueTarget(named_queue(hook.target_url).queue, hook.content_type)
        return destination_of(hook)
    except NoSuchQueue as error:  # the settings may have it again
        return NoDestination(str(error), is_final=False)
    except ConfigurationError as error:
        return NoDestination(str(error))
    except (InvalidHeadersError, ValueError):  # written past `save()`; what it says may hold a secret
        return NoDestination("its headers or its content type cannot be sent: save the hook to see why")


def destination_of(hook: Hook) -> Destination:
    """Return the destination of a hook; raise `ConfigurationError` where its secret cannot be decrypted.

    Raises `InvalidHeadersError` or `ValueError` where its headers or its content type cannot be sent.
    """
    lines = tuple(f"{name}: {value}" for name, value in parse_headers(hook.headers))
    return Destination(hook.target_url, hook.http_method, lines, hook.content_type, hook.signing_keys())

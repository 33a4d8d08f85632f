"""The outbox: events, the callbacks of their subscribers, and each attempt.

These rows are written and changed by `outbox.write` and `outbox.transitions` alone, in plain SQL; the models
are there for migrations, queries and the admin.
"""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from heliostat.outbox.indexes import PartialIndex
from heliostat.outbox.querysets import OwnQuerySet


class Event(models.Model):
    """An event. `body` is what subscribers are sent, rendered once."""

    id = models.UUIDField(primary_key=True, editable=False)
    resource = models.CharField(max_length=150)
    action = models.CharField(max_length=100)
    object_id = models.CharField(max_length=255, null=True)  # noqa: DJ001  none is not the same as empty
    body = models.TextField()
    context = models.TextField(help_text="Who did it, in which request, and how deep in a chain of subscribers.")
    created_at = models.DateTimeField(default=timezone.now)
    matched = models.BooleanField(
        default=True,
        db_default=False,
        help_text="Whether its subscribers were looked up. A worker does this for events that other programs write.",
    )

    objects = OwnQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        ordering = ("-id",)
        indexes = (
            models.Index(fields=("object_id", "resource"), name="heliostat_of_object"),
            PartialIndex(
                fields=("created_at",),
                where=models.Q(matched=False),
                otherwise=("matched", "created_at"),
                name="heliostat_unmatched",
            ),
        )

    def __str__(self) -> str:
        return f"{self.type} {self.object_id or ''}".rstrip()

    @property
    def type(self) -> str:
        return f"{self.resource}.{self.action}"


class Status(models.TextChoices):
    """The states of a callback; who moves it from one to the next is in `outbox.transitions`."""

    WAITING = "waiting", "waiting"
    SENDING = "sending", "sending"
    SENT = "sent", "sent"
    ERROR = "error", "given up"
    CANCELLED = "cancelled", "cancelled"


class Callback(models.Model):
    """A durable delivery of one event to one subscriber.

    `subscriber` is a kind and an identifier (`hook:7`, `code:mytom.hooks.notify`). `body` is empty where the event's
    own body is what is sent, and where `render_error` says why it could not be rendered: then nothing is ever sent.
    `attempts` counts claims, so that a callback that kills its worker is given up in the end.
    """

    id = models.BigAutoField(primary_key=True)
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="callbacks")
    subscriber = models.CharField(max_length=255)
    ordering_key = models.CharField(  # noqa: DJ001  none means: in no order
        max_length=255,
        null=True,
        help_text="Callbacks of a subscriber with one ordering key are sent one after the other.",
    )
    status = models.CharField(
        max_length=10, choices=Status.choices, default=Status.WAITING, db_default=Status.WAITING.value
    )
    status_details = models.CharField(max_length=500, blank=True, default="", db_default="")
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    due_at = models.DateTimeField(default=timezone.now)
    lease_until = models.DateTimeField(null=True)
    claim_token = models.BigIntegerField(null=True)
    body = models.TextField(null=True)  # noqa: DJ001  none means: the event's
    render_error = models.CharField(
        max_length=500,
        blank=True,
        default="",
        db_default="",
        help_text="Why its body could not be rendered; it is never sent.",
    )
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    objects = OwnQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        ordering = ("-id",)
        indexes = (
            PartialIndex(
                fields=("subscriber", "due_at"),
                where=models.Q(status="waiting"),
                otherwise=("status", "subscriber", "due_at"),
                name="heliostat_waiting",
            ),
            PartialIndex(
                fields=("lease_until",),
                where=models.Q(status="sending"),
                otherwise=("lease_until",),
                name="heliostat_sending",
            ),
            PartialIndex(
                fields=("subscriber", "ordering_key", "status", "id"),
                where=models.Q(ordering_key__isnull=False, status__in=("waiting", "sending")),
                otherwise=("ordering_key", "subscriber", "status", "id"),
                name="heliostat_ordering",
            ),
            # The log of one subscriber, newest first.
            models.Index(fields=("subscriber", "id"), name="heliostat_of_subscriber"),
            # Cost nothing where all goes well: only what was given up or cancelled is in them.
            PartialIndex(
                fields=("status", "updated_at"),
                where=models.Q(status="error"),
                otherwise=("status", "updated_at"),
                name="heliostat_error",
            ),
            PartialIndex(
                fields=("status", "id"),
                where=models.Q(status="error") | models.Q(status="cancelled"),  # SQLite makes no use of an IN
                otherwise=("status", "id"),
                name="heliostat_ended_log",
            ),
        )

    def __str__(self) -> str:
        return f"callback {self.pk} to {self.subscriber}"

    @property
    def what_is_sent(self) -> str:
        """Return the body that is sent; empty where it could not be rendered."""
        if self.render_error:
            return ""
        return self.event.body if self.body is None else self.body

    @property
    def message_id(self) -> str:
        """Return the event's id for this subscriber, by which a receiver recognizes repeats: all attempts have it."""
        return message_id(str(self.event_id), self.subscriber)


class Attempt(models.Model):
    """One attempt to deliver a callback. It is never changed."""

    id = models.BigAutoField(primary_key=True)
    callback = models.ForeignKey(Callback, on_delete=models.CASCADE, related_name="log")
    number = models.PositiveSmallIntegerField()
    started_at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()
    outcome = models.CharField(max_length=12)
    status_code = models.PositiveSmallIntegerField(null=True)
    error = models.CharField(max_length=500, blank=True, default="")
    response = models.TextField(blank=True, default="")
    response_headers = models.TextField(blank=True, default="")

    objects = OwnQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        ordering = ("id",)

    def __str__(self) -> str:
        return f"attempt {self.number} at callback {self.callback_id}: {self.outcome}"


class CircuitBreaker(models.Model):
    """The circuit breaker of a subscriber, and its rate limiter, for all workers. No row: closed, and no limit is used.

    It is open until `open_until`, after failures in a row or because the receiver asked for a pause: no callbacks are
    sent. Then it is half-open: one callback is sent as a probe, until one succeeds. `openings` counts how often in a
    row it opened. `rate_used_until` is the time (seconds since 1970) up to which a limited rate is used up.
    """

    subscriber = models.CharField(max_length=255, primary_key=True)
    failing_since = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    openings = models.PositiveIntegerField(default=0)
    open_until = models.DateTimeField(null=True)
    rate_used_until = models.FloatField(default=0)

    objects = OwnQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"

    def __str__(self) -> str:
        return f"circuit breaker of {self.subscriber}"

    @property
    def state(self) -> str:
        """Return its state, as in `Dialect.due_subscribers`: "open", "half-open", "failing", or "" for closed."""
        if self.open_until and self.open_until > timezone.now():
            return "open"
        return "half-open" if self.openings else "failing" if self.failing_since else ""


class WorkerSeen(models.Model):
    """A worker says every few seconds that it lives, so that pages can say when none does."""

    name = models.CharField(max_length=100, primary_key=True)
    started_at = models.DateTimeField()
    seen_at = models.DateTimeField()

    objects = OwnQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = "worker"
        verbose_name_plural = "workers"

    def __str__(self) -> str:
        return self.name


def message_id(event_id: str, subscriber: str) -> str:
    """`msg_<event>_<subscriber's identifier>`; a dot would split what is signed, so there is none."""
    identifier = subscriber.partition(":")[2].replace(".", "-")
    return f"msg_{event_id.replace('-', '')}_{identifier}"

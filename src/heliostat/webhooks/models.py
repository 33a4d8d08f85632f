"""Hooks: rows that ask for a web hook, on a model or on one object."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models, transaction

from heliostat.delivery.signing import key_of, new_secret
from heliostat.events.event import Event
from heliostat.webhooks import secret_store
from heliostat.webhooks.content import check_content_type
from heliostat.webhooks.exceptions import InvalidTargetError
from heliostat.webhooks.headers import check_headers
from heliostat.webhooks.patterns import check_model, check_path, check_signals, patterns_of, tells_of_changes_alone
from heliostat.webhooks.payloads import body_for, check_serializer
from heliostat.webhooks.targets import METHODS, check_method, check_target
from heliostat.webhooks.templates import check_template


class HookQuerySet(models.QuerySet["Hook"]):
    """Changes of hooks are live in every process within a second, bulk changes too."""

    def update(self, **values: Any) -> int:
        with transaction.atomic(using=self.db):
            count = super().update(**values)
            HookVersion.bump(self.db)
        return count

    def bulk_create(self, objs: Any, *args: Any, **kwargs: Any) -> list[Hook]:
        with transaction.atomic(using=self.db):
            created = super().bulk_create(objs, *args, **kwargs)
            HookVersion.bump(self.db)
        return created


class Hook(models.Model):
    """A web hook: who asked to know of what, and where to send it."""

    METHODS: ClassVar = [(method, method) for method in METHODS]

    name = models.CharField(max_length=200, blank=True, help_text="For people; it may say what the receiver does.")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        blank=True,
        help_text="Whose hook it is; empty: the site's.",
    )
    model = models.ForeignKey(
        ContentType,
        models.CASCADE,
        null=True,
        blank=True,
        help_text="Told of objects of this model. Empty: by events.",
    )
    object_id = models.CharField(max_length=255, blank=True, default="", help_text="Told of this object alone.")
    content_object = GenericForeignKey("model", "object_id")
    signals = models.JSONField(
        default=list,
        blank=True,
        help_text="Actions (“created”), paths of signals, event types (“targets.target.*”). Empty: all.",
    )
    enabled = models.BooleanField(default=True)
    ended = models.BooleanField(default=False, editable=False)
    target_url = models.CharField(
        "address", max_length=2000, help_text="Where to send: https://…", validators=[check_target]
    )
    http_method = models.CharField("method", max_length=10, choices=METHODS, default="POST")
    headers = models.TextField(
        blank=True, default="", validators=[check_headers], help_text="Lines “Key: value”, or a JSON object."
    )
    content_type = models.CharField(max_length=100, default="application/json", validators=[check_content_type])
    payload_template = models.TextField(
        blank=True,
        default="",
        help_text="What to send, with names in double braces: {{instance.name}}, {{event_type}}. Empty: see below.",
    )
    serializer_class = models.CharField(
        max_length=255,
        blank=True,
        default="",
        help_text="Path of a REST framework serializer, used where there is no template. Both empty: what the model's "
        "get_static_payload() and get_dynamic_payload(hook) give, or else the default payload.",
    )
    encrypted_secret = models.TextField(editable=False)
    created = models.DateTimeField(auto_now_add=True)
    modified = models.DateTimeField(auto_now=True)

    action = ""
    """The action of the event that `get_dynamic_payload(hook)` is asked about; empty at any other time."""

    objects = HookQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.name or f"hook {self.pk} to {self.target_url}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Saves nothing that could not be sent: raises what `validate()` raises."""
        if not self.encrypted_secret:
            self.set_secret(new_secret())
        if kwargs.get("update_fields") is None:
            self.validate()
        super().save(*args, **kwargs)

    def validate(self) -> None:
        """The one validation of hooks, wherever they come from. Raises `ValidationError`s."""
        check_target(self.target_url)
        check_headers(self.headers)
        check_content_type(self.content_type)
        check_method(self.http_method)
        self.clean()

    def clean(self) -> None:
        """What fields have to do with each other; each field's own validator is beside it."""
        if self.model is None and not self.signals:
            raise InvalidTargetError("A hook needs a model, or events to be told of.")
        check_model(self.model)
        check_signals(self.signals, self.model)
        self._check_payload()

    def _check_payload(self) -> None:
        if self.payload_template:
            model = self.model.model_class() if self.model else None
            has_arguments = not tells_of_changes_alone(self.patterns)
            check_template(self.payload_template, self.content_type, model, has_arguments)
        if self.serializer_class:
            check_serializer(self.serializer_class)

    @property
    def target(self) -> str:
        """Another name for `target_url`."""
        return self.target_url

    @target.setter
    def target(self, url: str) -> None:
        self.target_url = url

    @property
    def subscriber(self) -> str:
        """The name under which the outbox knows this hook."""
        return f"hook:{self.pk}"

    @property
    def patterns(self) -> tuple[str, ...]:
        """The event types that it is told of."""
        return patterns_of(self.signals, self.model)

    def reveal_secret(self) -> str:
        """The secret, `whsec_…`."""
        return secret_store.decrypt(self.encrypted_secret)

    def set_secret(self, secret: str) -> None:
        """Sign with this secret from now on; raises `ValueError` where it is none."""
        key_of(secret)
        self.encrypted_secret = secret_store.encrypt(secret)

    def body(self, event: Event) -> str | None:
        """What this hook is sent of an event, or None where it is the event's own body."""
        return body_for(self, event)


class Signal(models.Model):
    """A custom signal that hooks may name: the admin offers it. `Hook.signals` holds names, not rows."""

    name = models.CharField(
        max_length=255,
        unique=True,
        validators=[check_path],
        help_text="The path of a django.dispatch.Signal, for example django.db.models.signals.post_delete.",
    )

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Raises `InvalidSignalError` where the path leads to no signal that could be told."""
        check_path(self.name)
        super().save(*args, **kwargs)


class HookVersion(models.Model):
    """One row with a number that grows whenever hooks change: other processes look at it."""

    version = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.version)

    @classmethod
    def bump(cls, using: str) -> None:
        rows = cls.objects.using(using)
        if not rows.filter(pk=1).update(version=models.F("version") + 1):
            rows.get_or_create(pk=1, defaults={"version": 1})

    @classmethod
    def current(cls, using: str) -> int:
        return cls.objects.using(using).filter(pk=1).values_list("version", flat=True).first() or 0

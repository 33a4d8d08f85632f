"""Hooks: rows that subscribe to the events of a model or of one object."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Self

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, router, transaction
from django.utils import timezone

from heliostat.events.databases import written_in
from heliostat.outbox.querysets import OwnQuerySet
from heliostat.text import validate_name
from heliostat.webhooks import changes
from heliostat.webhooks.content_types import check_content_type
from heliostat.webhooks.event_patterns import (
    are_changes_only,
    check_model,
    check_path,
    check_signals,
    check_spelling,
    key_of_object,
    patterns_of,
)
from heliostat.webhooks.exceptions import (
    InvalidExpiryError,
    InvalidHeadersError,
    InvalidModelError,
    kind_of_error,
)
from heliostat.webhooks.filters import compiled
from heliostat.webhooks.headers import check_headers
from heliostat.webhooks.import_guard import check_serializer
from heliostat.webhooks.secrets import Signed
from heliostat.webhooks.targets import METHODS, check_finite, check_target, host_of
from heliostat.webhooks.templates import check_template

COMES_WITH = {"enabled": "disabled_because", "model": "object_id"}  # saved with the one, for it depends on it
MOST_CONCURRENT = 2**15 - 1  # the column's own limit is known of the default database alone
SOURCE = "webhooks"  # under this name the registry knows the subscriptions of hooks


def _with_target_url(wanted: dict[str, Any]) -> dict[str, Any]:
    """Lookups such as `target__startswith` by the field's own name."""
    return {"target_url" + name[6:] if name.split("__")[0] == "target" else name: wanted[name] for name in wanted}


class HookQuerySet(OwnQuerySet["Hook"]):
    """Changes of hooks are live in every process within a second, in their own at once; bulk changes too."""

    def living(self) -> HookQuerySet:
        """Those that may be notified of what happens from now on, and all hooks on one object: they end with it,
        even while they are notified of nothing."""
        is_lasting = models.Q(expires_at=None) | models.Q(expires_at__gt=timezone.now())
        is_asking = models.Q(is_lasting, enabled=True)
        return self.filter(is_asking | ~models.Q(object_id=""), ended=False)

    def filter(self, *args: Any, **kwargs: Any) -> Self:
        """As always; `target` is another name for `target_url`."""
        return super().filter(*args, **_with_target_url(kwargs))

    def exclude(self, *args: Any, **kwargs: Any) -> Self:
        """As always; `target` is another name for `target_url`."""
        return super().exclude(*args, **_with_target_url(kwargs))

    def update(self, **values: Any) -> int:
        if values.get("enabled") is True:  # an expression (`bulk_update()`) may say yes of one and no of another
            values["disabled_because"] = ""
        change = secrets.randbits(63)  # marks the rows that were changed, whatever the condition was
        with transaction.atomic(using=self.db):
            if count := super().update(**values, last_change=change):
                changes.note(self._of_change(change), self.db)
        return count

    def bulk_create(self, objs: Any, *args: Any, **kwargs: Any) -> list[Hook]:
        """Validate each as `save()` does, and raise what that raises."""
        objs, change = list(objs), secrets.randbits(63)
        for hook in objs:
            hook.make_ready(self.db)
            hook.last_change = change
        if kwargs.get("update_fields"):
            kwargs["update_fields"] = {*kwargs["update_fields"], "last_change"}
        with transaction.atomic(using=self.db):
            created = super().bulk_create(objs, *args, **kwargs)
            changes.note(self._of_change(change), self.db)
        return created

    def _of_change(self, change: int) -> list[int]:
        """Return the ids of the hooks that one statement changed."""
        rows = self.model._base_manager.using(self.db).filter(last_change=change)
        return list(rows.values_list("pk", flat=True))


class Hook(Signed):
    """A webhook: which events are sent to which URL, and how."""

    name = models.CharField(
        max_length=200,
        blank=True,
        validators=[validate_name],
        help_text="Name, for people; for example what the receiver does.",
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        blank=True,
        help_text="Owner of the webhook; empty: the site.",
    )
    model = models.ForeignKey(
        ContentType,
        models.CASCADE,
        null=True,
        blank=True,
        help_text="Notify of objects of this model. Empty: the event types name the models.",
    )
    object_id = models.CharField(
        max_length=255, blank=True, default="", help_text="Notify of the object with this key only."
    )
    content_object = GenericForeignKey("model", "object_id")
    signals = models.JSONField(
        default=list,
        blank=True,
        help_text="Actions (“created”), paths of signals, event types (“targets.target.*”). Empty: all.",
    )
    enabled = models.BooleanField(default=True)
    ended = models.BooleanField(default=False, editable=False)
    target_url = models.CharField(
        "address",
        max_length=2000,
        help_text="Address of the receiver: https://… Or queue:NAME, a queue of the site.",
        validators=[check_target],
    )
    http_method = models.CharField(
        "method", max_length=10, choices=[(method, method) for method in METHODS], default="POST"
    )
    headers = models.TextField(
        blank=True, default="", validators=[check_headers], help_text="Lines “Key: value”, or a JSON object."
    )
    content_type = models.CharField(
        max_length=100,
        blank=True,
        default="application/json",
        validators=[check_content_type],
        help_text="Empty: the template is any text.",
    )
    payload_template = models.TextField(
        blank=True,
        default="",
        help_text="Body, with names in double braces: {{instance.name}}, {{event_type}}. Empty: the serializer's.",
    )
    serializer_class = models.CharField(
        max_length=255,
        blank=True,
        default="",
        help_text="Path of a REST framework serializer, used where there is no template. Both empty: what the model's "
        "get_static_payload() and get_dynamic_payload(hook) give, or else the default payload.",
    )
    filters = models.JSONField(
        default=dict, blank=True, help_text="Notify only of events that meet these conditions. Empty: of all events."
    )
    paused = models.BooleanField(default=False, help_text="Send nothing for now. Callbacks wait until the pause ends.")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Do not notify of events after this time.")
    ordered = models.BooleanField(
        default=False,
        help_text="Deliver the events of each object one after the other, in the order in which they happened.",
    )
    max_per_second = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0.001), check_finite],
        help_text="Requests a second. Empty: no limit.",
    )
    max_concurrent = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_CONCURRENT)],
        help_text="Requests in flight. Empty: the site's limit.",
    )
    enforce_permissions = models.BooleanField(
        default=False,
        editable=False,
        help_text="Deliver only while the owner has permission to view what the hook subscribes to.",
    )
    viewer_at_end = models.TextField(blank=True, default="", editable=False)  # see owners.viewer_at_end()
    failing_since = models.DateTimeField(null=True, editable=False)
    disabled_because = models.CharField(max_length=200, blank=True, default="", editable=False)
    created = models.DateTimeField(auto_now_add=True)
    modified = models.DateTimeField(auto_now=True)
    last_change = models.BigIntegerField(null=True, editable=False, db_index=True)

    action = ""
    """The action of the event that `get_dynamic_payload(hook)` is called for; empty at any other time."""

    objects = HookQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.name or f"hook {self.pk} to {host_of(self.target_url)}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the hook; raise what `validate()` raises. With `update_fields` it is not validated."""
        if self.enabled:
            self.disabled_because = ""
        # A new hook lives where hooks do, whatever Django guessed by the object or the user that it was given.
        hints = {} if self._state.adding else {"instance": self}
        using = kwargs.get("using") or router.db_for_write(type(self), **hints)
        if not args:
            kwargs["using"] = using
        if (fields := kwargs.get("update_fields")) is None:
            self.make_ready(using)
        else:
            kwargs["update_fields"] = {*fields, *(COMES_WITH[field] for field in fields if field in COMES_WITH)}
        with transaction.atomic(using=using, savepoint=False):  # with the version, or no other process would know
            super().save(*args, **kwargs)

    def make_ready(self, using: str) -> None:
        """Validate the hook; give it a secret, and its model as this database knows it."""
        if self.model is not None and self.model._state.db not in (None, using):  # that of an object elsewhere
            types, self._state.db = ContentType.objects.db_manager(using), using
            self.model = types.get_by_natural_key(self.model.app_label, self.model.model)
        self.validate()
        self.make_secret()

    def validate(self) -> None:
        """Validate the hook: the one validation of hooks, wherever they come from.

        Raises what is wrong first, of its kind (`InvalidTargetError`), with all that is wrong under its field.
        """
        if isinstance(self.object_id, (list, tuple)):  # a composite key, which a text field would spell as Python does
            self.object_id = json.dumps(self.object_id, default=str)
        for field in self._meta.concrete_fields:
            if isinstance(field, (models.CharField, models.TextField)) and getattr(self, field.attname) is None:
                setattr(self, field.attname, "")
        try:
            super().full_clean(exclude=("user", "model"), validate_unique=False, validate_constraints=False)
        except ValidationError as error:
            name, errors = next(iter(error.error_dict.items()))
            raise kind_of_error(name, errors[0])(error.error_dict) from error

    def clean(self) -> None:
        """Check what fields have to do with each other; each field's own validator is beside it."""
        errors: dict[str, ValidationError] = {}

        @contextmanager
        def field(name: str) -> Iterator[None]:
            try:
                yield
            except ValidationError as error:
                errors[name] = error

        with field("model"):
            if self.model is None and not self.signals:
                raise InvalidModelError("A hook needs a model, or events to be notified of.")
            check_model(self.model)
        with field("object_id"):
            self.object_id = key_of_object(self.model, self.object_id)  # as events have it
        with field("signals"):
            # A hook that was saved once can always be disabled, although its event types are declared no longer.
            check = check_signals if self.enabled or self._state.adding else check_spelling
            check(self.signals, self.model)
        patterns = None if "signals" in errors else self.patterns
        if patterns is not None:
            with field("filters"):
                compiled(self.filters, patterns)
            with field("payload_template"):
                self._check_template(patterns)
        with field("expires_at"):
            self._check_expiry()
        with field("signature"):
            self.check_signature()
        with field("content_type"):
            if not self.content_type and not self.payload_template:
                raise InvalidHeadersError("A content type may be empty only beside a payload template.")
        with field("serializer_class"):
            if self.serializer_class and not self.payload_template:  # beside a template it is ignored
                check_serializer(self.serializer_class)
        if errors:
            raise ValidationError(errors)

    def full_clean(self, exclude: Any = None, *args: Any, **kwargs: Any) -> None:
        """As in every model; but an error of a field that a form does not show stands beside the form."""
        try:
            super().full_clean(exclude, *args, **kwargs)
        except ValidationError as error:
            found: dict[str, list[ValidationError]] = {}
            for field, errors in error.error_dict.items():
                found.setdefault(NON_FIELD_ERRORS if field in (exclude or ()) else field, []).extend(errors)
            raise ValidationError(found) from error

    def _check_template(self, patterns: tuple[str, ...]) -> None:
        if self.payload_template:
            model = self.model.model_class() if self.model else None
            check_template(self.payload_template, self.content_type, model, not are_changes_only(patterns))

    def _check_expiry(self) -> None:
        if not isinstance(self.expires_at, datetime):  # none, or no time, which is an error of the field
            return
        if timezone.is_naive(self.expires_at) and settings.USE_TZ:
            raise InvalidExpiryError("The expiry needs a time zone, as in 2026-11-21T18:00:00Z.")
        if self._state.adding and self.expires_at <= timezone.now():
            raise InvalidExpiryError("The expiry has passed: such a hook would be notified of nothing.")

    @property
    def target(self) -> str:
        """Another name for `target_url`."""
        return self.target_url

    @target.setter
    def target(self, url: str) -> None:
        self.target_url = url

    @property
    def subscriber(self) -> str:
        """Return the name under which the outbox knows this hook."""
        return f"hook:{self.pk}"

    @property
    def patterns(self) -> tuple[str, ...]:
        """Return the event types that it is notified of."""
        return patterns_of(self.signals, self.model)


def hooks_database() -> str:
    """Return the alias of the database that the routers name for hooks. All of them are in this one."""
    return written_in(Hook)


def hook_of(subscriber: str) -> int:
    """Return the id of a hook, from its name in the outbox."""
    return int(subscriber.partition(":")[2])


class Signal(models.Model):
    """A custom signal that hooks may name: the admin offers it. `Hook.signals` holds names, not rows."""

    name = models.CharField(
        max_length=255,
        unique=True,
        validators=[check_path],
        help_text="The path of a django.dispatch.Signal, for example django.db.models.signals.post_delete.",
    )

    objects = OwnQuerySet.as_manager()

    class Meta:
        base_manager_name = "objects"
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Raise `InvalidSignalError` where the path leads to no signal that an event can be made of."""
        check_path(self.name)
        super().save(*args, **kwargs)

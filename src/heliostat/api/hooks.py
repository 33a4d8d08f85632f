"""Serializers of hooks."""

from __future__ import annotations

import copy
import json
from contextlib import suppress
from typing import Any, ClassVar

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError as DjangoValidationError
from rest_framework import serializers

from heliostat.api.base import Headers, ModelName, PlainJSON, Strict, api_error
from heliostat.api.policy import check_offered, may, may_set_owner, owns
from heliostat.exceptions import ConfigurationError
from heliostat.permissions import permitted
from heliostat.webhooks import owners
from heliostat.webhooks.headers import check_move, masked_url, unmasked
from heliostat.webhooks.models import Hook

SHARED = "v1"


class Keys(serializers.ModelSerializer[Hook]):
    """The keys of a hook, as far as the receiver needs them. Nobody sees a private key."""

    secret = serializers.SerializerMethodField(
        help_text="Secret that verifies signatures, shown this once; null where the public key does."
    )
    public_key = serializers.SerializerMethodField(help_text="Key that verifies signatures of the kind v1a.")

    def get_secret(self, hook: Hook) -> str | None:
        return hook.reveal_secret() if hook.signature == SHARED else None

    def get_public_key(self, hook: Hook) -> str | None:
        if hook.signature != SHARED:
            with suppress(ConfigurationError):  # it cannot be decrypted
                return hook.public_key
        return None


class HookSerializer(Strict, Keys):
    """A hook. Only users who may change hooks set its owner; only superusers name a serializer, which is code."""

    model = ModelName(required=False, allow_null=True, help_text="Notify of objects of this model: “targets.target”.")
    signals = serializers.ListField(
        child=serializers.CharField(max_length=255),
        required=False,
        help_text="Actions (“created”), event types (“targets.target.*”), paths of signals. Empty: all of the model's.",
    )
    headers = Headers(required=False, help_text="Sent with each request. Values that look secret are shown masked.")
    filters = PlainJSON(
        required=False, help_text="Notify only of events that meet these conditions. Empty: of all events."
    )
    user = serializers.PrimaryKeyRelatedField(
        queryset=get_user_model()._default_manager.all(),
        required=False,
        allow_null=True,
        help_text="Owner, set by users who may change hooks; null: the site's.",
    )

    class Meta:
        model = Hook
        fields: tuple[str, ...] = (
            "id", "name", "user", "model", "object_id", "signals", "filters", "target_url", "http_method", "headers",
            "content_type", "payload_template", "serializer_class", "ordered", "max_per_second", "max_concurrent",
            "expires_at", "signature", "public_key", "enabled", "paused", "ended", "failing_since",
            "disabled_because", "created", "modified",
        )  # fmt: skip
        read_only_fields = (
            "id", "enabled", "paused", "ended", "failing_since", "disabled_because", "created", "modified",
        )  # fmt: skip
        extra_kwargs: ClassVar[dict[str, Any]] = {"target_url": {"validators": []}, "content_type": {"validators": []}}

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        if "request" in self.context:
            fields["user"].read_only = not may_set_owner(self._user, self._before)
            fields["serializer_class"].read_only = not self._user.is_superuser
        return fields

    def to_representation(self, instance: Hook) -> dict[str, Any]:
        """An address may hold a key, so users who may not change the hook see only its site."""
        shown: dict[str, Any] = super().to_representation(instance)
        if self.parent is None:
            may_change = may(self._user, "change", instance)
        else:  # in a list, permissions on single objects would be a query for each
            may_change = owns(self._user, instance) or permitted(self._user, "change", Hook)
        if not may_change:
            shown["target_url"] = masked_url(instance.target_url)
        return shown

    @property
    def _before(self) -> Hook | None:
        return self.instance if isinstance(self.instance, Hook) else None

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if self._before is None:
            attrs.setdefault("user", self._user)
        try:
            return self._checked(self._before, attrs) | {"enforce_permissions": True}
        except DjangoValidationError as error:
            raise api_error(error) from error

    def _checked(self, before: Hook | None, attrs: dict[str, Any]) -> dict[str, Any]:
        """Before the hook's own validation, what could not be undone after it: code is imported there."""
        hook = copy.copy(before) if before is not None else Hook()
        if "headers" in attrs:
            headers = unmasked(attrs["headers"], hook.headers)
            attrs["headers"] = json.dumps(headers) if headers else ""
        for name, value in attrs.items():
            setattr(hook, name, value)
        changed = {name for name in attrs if before is None or getattr(before, name) != getattr(hook, name)}
        if not owners.DECIDE.isdisjoint(changed):
            check_offered(hook.signals)
        owners.check_change(self._user, hook, changed, before)
        hook.validate()
        if before is not None:
            check_move(before.target_url, hook.target_url, before.headers, hook.headers)
        return {name: getattr(hook, name) for name in attrs}  # a key is written in one way

    @property
    def _user(self) -> Any:
        return self.context["request"].user

    def update(self, instance: Hook, validated_data: dict[str, Any]) -> Hook:
        """Writes these columns alone: a worker counts failures in others meanwhile."""
        for name, value in validated_data.items():
            setattr(instance, name, value)
        instance.save(update_fields=[*validated_data, "modified"])
        return instance


class NewHookSerializer(HookSerializer):
    """A hook with its secret, which is shown when it is made, and never again."""

    class Meta(HookSerializer.Meta):
        fields = (*HookSerializer.Meta.fields, "secret")


class RotateSerializer(Strict):
    """How long the old secret signs beside the new one (HELIOSTAT_SECRET_OVERLAP), and how the new one signs."""

    overlap_hours = serializers.FloatField(min_value=0, max_value=24 * 365, required=False)
    signature = serializers.ChoiceField(choices=Hook.SIGNATURES, required=False)


class SecretSerializer(Keys):
    """A new secret, which is shown this once; or the new public key."""

    class Meta:
        model = Hook
        fields = ("signature", "secret", "public_key", "previous_secret_until")


class ResendAllSerializer(Strict):
    """Everything that ended like this since then."""

    since = serializers.DateTimeField()
    ended_as = serializers.ChoiceField(choices=("error", "cancelled", "sent"), default="error")

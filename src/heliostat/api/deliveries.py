"""Deliveries, that is callbacks of hooks, and attempts, as the API shows them."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from heliostat.api.base import LARGEST_KEY
from heliostat.api.fields import Strict
from heliostat.outbox.models import Attempt, Callback, Status
from heliostat.webhooks.models import hook_of

MOST_AT_ONCE = 1000


class DeliverySerializer(serializers.ModelSerializer[Callback]):
    """One promise to tell one hook of one event."""

    hook = serializers.SerializerMethodField()
    message_id = serializers.CharField(read_only=True, help_text="The webhook-id header: the same at every attempt.")
    event_type = serializers.CharField(source="event.type", read_only=True)
    object_id = serializers.CharField(source="event.object_id", read_only=True, allow_null=True)
    due_at = serializers.SerializerMethodField()

    class Meta:
        model = Callback
        fields: tuple[str, ...] = (
            "id", "hook", "message_id", "event", "event_type", "object_id", "status", "status_details", "attempts",
            "due_at", "created_at", "updated_at",
        )  # fmt: skip

    def get_hook(self, callback: Callback) -> int:
        return hook_of(callback.subscriber)

    def get_due_at(self, callback: Callback) -> str | None:
        """When it is tried next, while it waits."""
        waits = callback.status == Status.WAITING
        return serializers.DateTimeField().to_representation(callback.due_at) if waits else None


class WholeDeliverySerializer(DeliverySerializer):
    """The same, with what is sent."""

    body = serializers.SerializerMethodField()

    class Meta(DeliverySerializer.Meta):
        fields = (*DeliverySerializer.Meta.fields, "body")

    def get_body(self, callback: Callback) -> str:
        return callback.event.body if callback.body is None else callback.body


class AttemptSerializer(serializers.ModelSerializer[Attempt]):
    """One try at a delivery."""

    class Meta:
        model = Attempt
        fields = ("id", "number", "started_at", "duration_ms", "outcome", "status_code", "error", "response",
                  "response_headers")  # fmt: skip


class DeliveryQuery(Strict):
    """Which deliveries."""

    hook = serializers.IntegerField(min_value=1, max_value=LARGEST_KEY, help_text="Those of this hook.")
    status = serializers.ChoiceField(choices=Status.choices, required=False)
    event_type = serializers.CharField(required=False, max_length=300, help_text="For example targets.target.created.")
    since = serializers.DateTimeField(required=False, help_text="Made at this time or later.")
    until = serializers.DateTimeField(required=False, help_text="Made before this time.")
    cursor = serializers.CharField(required=False)
    page_size = serializers.CharField(required=False)

    def narrow(self, callbacks: QuerySet[Callback]) -> QuerySet[Callback]:
        """Those that are asked for."""
        asked = self.validated_data
        found = callbacks.filter(subscriber=f"hook:{asked['hook']}")
        if "event_type" in asked:
            resource, _, action = asked["event_type"].rpartition(".")
            found = found.filter(event__resource=resource, event__action=action)
        lookups = {"status": "status", "since": "created_at__gte", "until": "created_at__lt"}
        return found.filter(**{lookup: asked[name] for name, lookup in lookups.items() if name in asked})


class SelectionSerializer(Strict):
    """Some deliveries."""

    deliveries = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=LARGEST_KEY), min_length=1, max_length=MOST_AT_ONCE
    )


class CountSerializer(serializers.Serializer[Any]):
    """How many deliveries."""

    count = serializers.IntegerField()

"""Deliveries, that is callbacks of hooks, and attempts, as the API shows them."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from heliostat.api.base import LARGEST_KEY, Strict
from heliostat.api.policy import may_read_body
from heliostat.outbox.models import Attempt, Callback, Status
from heliostat.outbox.queries import in_state, made_before, made_since
from heliostat.permissions import permitted
from heliostat.webhooks.models import hook_of

MOST_AT_ONCE = 1000


class DeliverySerializer(serializers.ModelSerializer[Callback]):
    """One delivery: an event that is sent to a webhook."""

    hook = serializers.SerializerMethodField()
    message_id = serializers.CharField(read_only=True, help_text="The webhook-id header: the same at every attempt.")
    event_type = serializers.CharField(source="event.type", read_only=True)
    object_id = serializers.CharField(source="event.object_id", read_only=True, allow_null=True)
    status_details = serializers.SerializerMethodField()
    due_at = serializers.SerializerMethodField()

    class Meta:
        model = Callback
        fields: tuple[str, ...] = (
            "id", "hook", "message_id", "event", "event_type", "object_id", "status", "status_details", "attempts",
            "due_at", "created_at", "updated_at",
        )  # fmt: skip

    def get_hook(self, callback: Callback) -> int:
        return hook_of(callback.subscriber)

    def get_status_details(self, callback: Callback) -> str:
        """How it went; for users who may view all callbacks, with the error of the site's own code in full."""
        is_hidden = callback.render_error != "" and not permitted(
            self.context["request"].user, "view", Callback, callback
        )
        return callback.status_details if is_hidden else callback.render_error or callback.status_details

    def get_due_at(self, callback: Callback) -> str | None:
        """When it is tried next, while it waits."""
        waits = callback.status == Status.WAITING
        return serializers.DateTimeField().to_representation(callback.due_at) if waits else None


class WholeDeliverySerializer(DeliverySerializer):
    """The same, with what is sent; null while the owner of the hook may not be notified of it."""

    body = serializers.SerializerMethodField()

    class Meta(DeliverySerializer.Meta):
        fields = (*DeliverySerializer.Meta.fields, "body")

    def get_body(self, callback: Callback) -> str | None:
        return callback.what_is_sent if may_read_body(self.context["request"].user, callback) else None


class AttemptSerializer(serializers.ModelSerializer[Attempt]):
    """One attempt at a delivery. The response is empty while the body is null: a receiver may repeat the body."""

    class Meta:
        model = Attempt
        fields = ("id", "number", "started_at", "duration_ms", "outcome", "status_code", "error", "response",
                  "response_headers")  # fmt: skip

    def to_representation(self, instance: Attempt) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(instance)
        return shown if self.context["may_read_body"] else shown | {"response": "", "response_headers": ""}


class DeliveryQuery(Strict):
    """Which deliveries."""

    hook = serializers.IntegerField(
        min_value=1, max_value=LARGEST_KEY, required=False, help_text="Deliveries of this hook only."
    )
    status = serializers.ChoiceField(choices=Status.choices, required=False)
    event_type = serializers.CharField(
        required=False, max_length=300, help_text="For example targets.target.created; needs the hook."
    )
    since = serializers.DateTimeField(required=False, help_text="Made at this time or later.")
    until = serializers.DateTimeField(required=False, help_text="Made before this time.")
    cursor = serializers.CharField(required=False)
    page_size = serializers.CharField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "event_type" in attrs and "hook" not in attrs:
            raise serializers.ValidationError({"hook": ["Say of which hook: no index finds event types among all."]})
        return attrs

    def narrow(self, callbacks: QuerySet[Callback]) -> QuerySet[Callback]:
        """Return the callbacks that the query selects."""
        wanted = self.validated_data
        if "event_type" in wanted:
            resource, _, action = wanted["event_type"].rpartition(".")
            callbacks = callbacks.filter(event__resource=resource, event__action=action)
        if "status" in wanted:
            callbacks = in_state(callbacks, Status(wanted["status"]))
        if "since" in wanted:
            callbacks = made_since(callbacks, wanted["since"])
        return made_before(callbacks, wanted["until"]) if "until" in wanted else callbacks


class SelectionSerializer(Strict):
    """Some deliveries."""

    deliveries = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=LARGEST_KEY), min_length=1, max_length=MOST_AT_ONCE
    )


class ResentSerializer(serializers.Serializer[Any]):
    """The number of deliveries that are sent again, and of those that remain for another request."""

    count = serializers.IntegerField()
    remaining = serializers.IntegerField()


class CountSerializer(serializers.Serializer[Any]):
    """How many deliveries."""

    count = serializers.IntegerField()

"""Fields and manners that the serializers share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from heliostat.api.policy import NO_SUCH_MODEL
from heliostat.events.types import resource_of
from heliostat.json_values import check_json
from heliostat.webhooks.api import named_model
from heliostat.webhooks.exceptions import InvalidModelError
from heliostat.webhooks.masks import masked

OURS = "Heliostat sets this itself; leave it out."


class Strict(serializers.Serializer[Any]):
    """Refuses fields that it does not know, and new values for those that are not the caller's to set."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            self._refuse_foreign(data)
        return super().to_internal_value(data)

    def _refuse_foreign(self, data: Mapping[str, Any]) -> None:
        shown = self.to_representation(self.instance) if self.instance is not None else {}
        errors: dict[str, list[str]] = {}
        for name, value in data.items():
            if name not in self.fields:
                errors[name] = ["There is no such field."]
            elif self.fields[name].read_only and not (name in shown and shown[name] == value):
                errors[name] = [OURS]
        if errors:
            raise serializers.ValidationError(errors)


@extend_schema_field(OpenApiTypes.STR)
class ModelName(serializers.Field[Any, Any, Any, Any]):
    """A model by its name, `app.model`."""

    default_error_messages = {"type": "A model is a text such as “targets.target”."}

    def to_representation(self, value: ContentType) -> str:
        model = value.model_class()
        return resource_of(model) if model else f"{value.app_label}.{value.model}"

    def to_internal_value(self, data: Any) -> ContentType:
        if not isinstance(data, str):
            self.fail("type")
        try:
            return ContentType.objects.get_for_model(named_model(data))
        except InvalidModelError as error:
            is_superuser = self.context["request"].user.is_superuser
            raise serializers.ValidationError(error.messages if is_superuser else [NO_SUCH_MODEL]) from error


class Headers(serializers.DictField):
    """Headers by name. Values that look secret are shown masked; a mask that comes back stands for what is stored."""

    child = serializers.CharField(allow_blank=True, trim_whitespace=False, max_length=16 * 1024)

    def to_representation(self, value: Any) -> dict[str, str]:
        return masked(value)


class PlainJSON(serializers.JSONField):
    """JSON that every database can store."""

    def to_internal_value(self, data: Any) -> Any:
        try:
            check_json(data)
        except ValidationError as error:
            raise serializers.ValidationError(error.messages) from error
        return super().to_internal_value(data)

"""The event types for webhooks, and the description of the API itself."""

from __future__ import annotations

from typing import Any

from django.urls import include, path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

import heliostat
from heliostat.api.base import HeliostatView
from heliostat.api.described import described
from heliostat.api.policy import offered_signals, offered_types
from heliostat.events.types import ACTIONS, resource_of
from heliostat.webhooks.event_patterns import hookable_models
from heliostat.webhooks.owners import may_hook


class HookableModelSerializer(serializers.Serializer[Any]):
    """A model that hooks may be on."""

    model = serializers.CharField()
    name = serializers.CharField(help_text="For people.")
    event_types = serializers.ListField(child=serializers.CharField())


class OfferedSignalSerializer(serializers.Serializer[Any]):
    """A custom signal that hooks may name; of an object, it becomes the event `app.model.action`."""

    signal = serializers.CharField()
    action = serializers.CharField()


class DeclaredTypeSerializer(serializers.Serializer[Any]):
    """An event type that this site declares beside the changes of its models; hooks may name it."""

    event_type = serializers.CharField()
    description = serializers.CharField(allow_blank=True)


class EventTypesSerializer(serializers.Serializer[Any]):
    """The event types that webhooks may subscribe to."""

    models = HookableModelSerializer(many=True)
    signals = OfferedSignalSerializer(many=True)
    declared = DeclaredTypeSerializer(many=True)


class EventTypesView(HeliostatView):
    """The event types for webhooks."""

    @described(responses=EventTypesSerializer)
    def get(self, request: Request) -> Response:
        """List the models, signals and declared event types that your hooks may name."""
        models = [
            {
                "model": resource_of(model),
                "name": str(model._meta.verbose_name),
                "event_types": [f"{resource_of(model)}.{action}" for action in ACTIONS],
            }
            for model in sorted(hookable_models(), key=resource_of)
            if may_hook(request.user, model)
        ]
        signals = [{"signal": path, "action": path.rpartition(".")[2]} for path in offered_signals()]
        declared = [
            {"event_type": name, "description": description}
            for name, description in offered_types(request.user).items()
        ]
        return Response({"models": models, "signals": signals, "declared": declared})


class RootView(HeliostatView):
    """Where everything is."""

    @described(exclude=True)
    def get(self, request: Request) -> Response:
        """List the addresses of this API."""
        names = ("hooks", "deliveries", "event-types", "schema")
        return Response({name: request.build_absolute_uri(f"{request.path}{name}/") for name in names})


class SchemaView(HeliostatView):
    """This API, described in OpenAPI 3: of these addresses alone, as they are seen from outside."""

    renderer_classes = (OpenApiJsonRenderer2, OpenApiJsonRenderer, OpenApiYamlRenderer2, OpenApiYamlRenderer)

    @described(exclude=True)
    def get(self, request: Request) -> Response:
        """Describe this API by OpenAPI."""
        mounted_at = request.path.removesuffix("schema/").lstrip("/")
        generator = SchemaGenerator(patterns=[path(mounted_at, include("heliostat.api.urls"))])
        schema = generator.get_schema(request=request, public=True)
        schema["info"] |= {"title": "Heliostat", "version": heliostat.__version__}
        return Response(schema)

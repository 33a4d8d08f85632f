"""What all views and serializers of the API share: permissions, formats, fields and errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from django.apps import apps
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import NON_FIELD_ERRORS
from django.core.exceptions import ValidationError as DjangoValidationError
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import APIException, NotFound, ParseError, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.parsers import BaseParser
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from heliostat.api.described import Described
from heliostat.events.types import resource_of
from heliostat.exceptions import Refused
from heliostat.json_values import check_depth, check_json
from heliostat.webhooks.api import named_model
from heliostat.webhooks.exceptions import InvalidModelError, by_field
from heliostat.webhooks.headers import masked
from heliostat.webhooks.owners import NO_SUCH_MODEL

LONGEST_REQUEST = 1024 * 1024
LARGEST_KEY = 2**63 - 1
NO_CURSOR = "The cursor is none that a page gave."


class JSONParser(BaseParser):
    """JSON of a bounded size, in which every text can be stored."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        body = stream.read(LONGEST_REQUEST + 1)
        if len(body) > LONGEST_REQUEST:
            raise ParseError(f"The request is longer than {LONGEST_REQUEST} bytes.")
        try:
            found = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise ParseError(f"This is no JSON: {error}") from error
        try:
            check_depth(found)
        except DjangoValidationError as error:
            raise ParseError(error.messages[0]) from error
        return found


class Conflict(APIException):
    """The request cannot be fulfilled in the present state."""

    status_code = 409
    default_detail = "This cannot be done now."
    default_code = "conflict"


class HeliostatView(APIView):
    """A view for authenticated users. Requests and answers are JSON, and caches must not store them."""

    permission_classes = (IsAuthenticated,)
    parser_classes = (JSONParser,)
    renderer_classes: tuple[type[BaseRenderer], ...] = (JSONRenderer,)
    schema = Described()

    def get_authenticators(self) -> list[BaseAuthentication]:
        """As the project configures; where it does not: tokens, if they are installed, and sessions."""
        if "DEFAULT_AUTHENTICATION_CLASSES" in getattr(settings, "REST_FRAMEWORK", {}):
            configured: Any = api_settings.DEFAULT_AUTHENTICATION_CLASSES
            return [authentication() for authentication in configured]
        if not apps.is_installed("rest_framework.authtoken"):
            return [SessionAuthentication()]
        from rest_framework.authentication import TokenAuthentication

        return [TokenAuthentication(), SessionAuthentication()]

    def handle_exception(self, exc: Exception) -> Response:
        """Answer 409 with the reason where a subscriber refused the change."""
        return super().handle_exception(Conflict(str(exc)) if isinstance(exc, Refused) else exc)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Response:
        answer: Response = super().finalize_response(request, response, *args, **kwargs)
        answer.headers["Cache-Control"] = "private, no-store"
        return answer


class NewestFirst(CursorPagination):
    """Pages by key: the last one costs as much as the first."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200

    def decode_cursor(self, request: Request) -> Any:
        try:
            cursor = super().decode_cursor(request)
        except NotFound as error:
            raise ParseError(NO_CURSOR) from error
        key = "" if cursor is None or cursor.position is None else str(cursor.position)
        if key and not (key.isascii() and key.isdecimal() and int(key) <= LARGEST_KEY):
            raise ParseError(NO_CURSOR)
        return cursor


def api_error(error: DjangoValidationError) -> ValidationError:
    """Return the error of a hook as an answer: texts, under the names of fields."""
    return ValidationError(
        {
            api_settings.NON_FIELD_ERRORS_KEY if field == NON_FIELD_ERRORS else field: [
                message for one in errors for message in one.messages
            ]
            for field, errors in by_field(error).items()
        }
    )


OURS = "Heliostat sets this itself; leave it out."


class Strict(serializers.Serializer[Any]):
    """Refuses fields that it does not know, and new values for those that are not the caller's to set."""

    def to_internal_value(self, data: Any) -> Any:
        shown = self.to_representation(self.instance) if self.instance is not None else {}
        errors: dict[str, list[str]] = {}
        for name, value in data.items() if isinstance(data, Mapping) else ():
            if name not in self.fields:
                errors[name] = ["There is no such field."]
            elif self.fields[name].read_only and not (name in shown and shown[name] == value):
                errors[name] = [OURS]
        if errors:
            raise ValidationError(errors)
        return super().to_internal_value(data)


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
            raise ValidationError(error.messages if is_superuser else [NO_SUCH_MODEL]) from error


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
        except DjangoValidationError as error:
            raise ValidationError(error.messages) from error
        return super().to_internal_value(data)

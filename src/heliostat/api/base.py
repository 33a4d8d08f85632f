"""What all views of the API share: permissions, formats and errors."""

from __future__ import annotations

from typing import Any

import msgspec
from django.apps import apps
from django.conf import settings
from django.core.exceptions import NON_FIELD_ERRORS
from django.core.exceptions import ValidationError as DjangoValidationError
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
from heliostat.json_values import check_depth
from heliostat.webhooks.exceptions import by_field

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
    """What is asked cannot be done in the present state."""

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
        if cursor is not None and cursor.position is not None and not _is_key(str(cursor.position)):
            raise ParseError(NO_CURSOR)
        return cursor


def _is_key(text: str) -> bool:
    return text.isascii() and text.isdecimal() and int(text) <= LARGEST_KEY


def api_error(error: DjangoValidationError) -> ValidationError:
    """The error of a hook as an answer: texts, under the names of fields."""
    return ValidationError(
        {
            api_settings.NON_FIELD_ERRORS_KEY if field == NON_FIELD_ERRORS else field: [
                message for one in errors for message in one.messages
            ]
            for field, errors in by_field(error).items()
        }
    )

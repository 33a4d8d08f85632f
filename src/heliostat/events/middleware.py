"""Middleware that adds the user and the request to events, and shows why a subscriber refused a change."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template import TemplateDoesNotExist
from uuid_utils.compat import uuid7

from heliostat.events.context import during_request
from heliostat.exceptions import Refused

logger = logging.getLogger("heliostat.events")

JSON = "application/json"
Next = Callable[[HttpRequest], HttpResponse] | Callable[[HttpRequest], Awaitable[HttpResponse]]


class EventContextMiddleware:
    """Add the user and the request to events. Put it after `AuthenticationMiddleware`. Supports WSGI and ASGI."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        request.META["heliostat.request_id"] = uuid7().hex
        if self.is_async:
            return self._answer(request)
        with during_request(request):
            return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Show why a subscriber refused a change, with status 409: a page (in the admin, too), or JSON for programs."""
        if not isinstance(exception, Refused):
            return None
        logger.info("%s", exception)
        if request.content_type == JSON or request.get_preferred_type(["text/html", JSON]) == JSON:
            return JsonResponse({"detail": str(exception)}, status=HTTPStatus.CONFLICT)
        try:
            return render(request, "heliostat/refused.html", {"reason": exception}, status=HTTPStatus.CONFLICT)
        except TemplateDoesNotExist:  # a project without the console's pages
            return HttpResponse(str(exception), status=HTTPStatus.CONFLICT, content_type="text/plain; charset=utf-8")

    async def _answer(self, request: HttpRequest) -> HttpResponse:
        with during_request(request):
            return await self.get_response(request)  # type: ignore[misc,no-any-return]

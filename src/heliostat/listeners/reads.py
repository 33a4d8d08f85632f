"""Views whose reads are events: mixins for Django's generic views and for those of Django REST framework."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.http import HttpResponse
from django.views.generic.base import TemplateResponseMixin

from heliostat.events.reads import publish_read

if TYPE_CHECKING:
    PageMixin = TemplateResponseMixin
else:
    PageMixin = object


class PublishesReads(PageMixin):
    """A `DetailView` or `ListView` that publishes what it shows: `class Show(PublishesReads, DetailView)`."""

    def render_to_response(self, context: dict[str, Any], **response_kwargs: Any) -> HttpResponse:
        response = super().render_to_response(context, **response_kwargs)
        if response.status_code == HTTPStatus.OK:
            _publish(context.get("object"), context.get("object_list"))
        return response


class PublishesAPIReads:
    """A generic view or view set of Django REST framework that publishes what it answers a GET request with.

    A `get_object()` that does not call that of the base class sets `self.read_object` itself.
    """

    read_object: Any = None
    read_page: Any = None

    def get_object(self) -> Any:
        self.read_object = found = super().get_object()  # type: ignore[misc]
        return found

    def paginate_queryset(self, queryset: Any) -> Any:
        self.read_page = found = super().paginate_queryset(queryset)  # type: ignore[misc]
        return found

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        answer = super().finalize_response(request, response, *args, **kwargs)  # type: ignore[misc]
        if answer.status_code == HTTPStatus.OK:
            _publish(self.read_object, self.read_page)
        return answer


def _publish(one: Any, several: Any) -> None:
    if one is not None:
        publish_read(one)
    elif several is not None:
        publish_read(several)

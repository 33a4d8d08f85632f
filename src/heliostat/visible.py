"""Pages of the admin that show what others wrote, with its hidden characters written out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponse
from django.template.response import SimpleTemplateResponse

from heliostat.text import LINES, escape

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    AdminMixin = ModelAdmin[Any]
else:
    AdminMixin = object


class VisibleText(AdminMixin):
    """Lists, histories and questions before a deletion write hidden characters out, whatever column holds them.

    Names hold none, but for what a program wrote past their validation. The form of an object shows values as they are:
    it saves what it shows.
    """

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return written_out(super().changelist_view(request, *args, **kwargs))

    def delete_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return written_out(super().delete_view(request, *args, **kwargs))

    def history_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return written_out(super().history_view(request, *args, **kwargs))


def written_out(response: HttpResponse) -> HttpResponse:
    """Return a response whose page, once it is rendered, has its hidden characters written out."""
    if isinstance(response, SimpleTemplateResponse):
        response.add_post_render_callback(_write_out)
    return response


def _write_out(response: HttpResponse) -> None:
    response.content = escape(response.content.decode(response.charset), LINES).encode(response.charset)

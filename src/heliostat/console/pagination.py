from __future__ import annotations

from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

PAGE_SIZE = 25


def page_of(request: HttpRequest, rows: QuerySet[Any]) -> Page[Any]:
    """Return the page that `?page=` asks for; a number that makes no sense gives the nearest that does."""
    return Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))

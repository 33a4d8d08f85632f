"""Pages of a long list by key: the next page begins behind the last row of this one, so that each costs the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q, QuerySet
from django.http import HttpRequest

from heliostat.objects import find_object


@dataclass(frozen=True, slots=True)
class KeysetPage:
    """Rows of a list, with the keys of the rows beside which the neighbouring pages begin."""

    rows: list[Any]
    count: int
    before: Any
    """Key of the first row, where others stand before it; else None."""
    after: Any
    """Key of the last row, where others stand behind it; else None."""


def keyset_page(request: HttpRequest, rows: QuerySet[Any], field: str, size: int) -> KeysetPage:
    """Return the page that `?after=` or `?before=` asks for, each the key of a row; without them, the first.

    `field` sorts the rows, `-field` the other way round; rows without a value of it are left out. A key that no row has
    gives the first page.
    """
    name, is_down = field.removeprefix("-"), field.startswith("-")
    valued = rows.filter(**{f"{name}__isnull": False})
    backwards, edge = "before" in request.GET, request.GET.get("before", request.GET.get("after", ""))
    beside = find_object(valued.annotate(keyset_value=F(name)), edge) if edge else None
    if beside is None:
        backwards = False
    is_less = is_down != backwards
    page = valued
    if beside is not None:
        sign, value = "lt" if is_less else "gt", beside.keyset_value
        behind = Q(**{f"{name}__{sign}": value}) | Q(**{f"pk__{sign}": beside.pk})
        page = valued.filter(behind, **{f"{name}__{sign}e": value})  # the second condition is for the index
    order = (f"-{name}", "-pk") if is_less else (name, "pk")
    found = list(page.order_by(*order)[: size + 1])
    has_more, found = len(found) > size, found[:size]
    if backwards:
        found.reverse()
    has_before, has_after = (has_more, True) if backwards else (beside is not None, has_more)
    return KeysetPage(
        found,
        valued.count(),
        found[0].pk if found and has_before else None,
        found[-1].pk if found and has_after else None,
    )

"""The filters of a hook: those of all subscribers, with the hook's words for actions and the error of its form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from heliostat.events import filters as events_filters
from heliostat.events.filters import Condition, FilterError
from heliostat.webhooks.event_patterns import problem_of_action
from heliostat.webhooks.exceptions import InvalidFiltersError


def compiled(filters: Any, patterns: Sequence[str], *, is_saved: bool = False) -> Condition | None:
    """Return the condition that filters stand for, for events of these types; None where there are no filters.

    Raises `InvalidFiltersError`. Saved filters may name actions that are no longer declared.
    """
    try:
        return events_filters.compiled(filters, patterns, is_saved=is_saved, problem_of_action=problem_of_action)
    except FilterError as error:
        raise InvalidFiltersError(str(error)) from error

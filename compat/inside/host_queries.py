"""Hide Heliostat's own statements from tests that count or print queries.

A test that fails with Heliostat, and passes where these are hidden, saw nothing but them: the statements of the
host are the same, in number and order.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from importlib.util import find_spec
from typing import Any

# Django's own functions that Heliostat wraps: what runs inside them is the host's, what runs outside is Heliostat's.
WRAPPED = frozenset({"_save_table", "save_base", "save", "update", "bulk_create", "bulk_update", "delete", "_update"})


def _folder(package: str) -> str:
    found = find_spec(package)
    assert found is not None
    assert found.submodule_search_locations
    return os.path.join(found.submodule_search_locations[0], "")


OWN, DJANGO_MODELS = _folder("heliostat"), _folder("django.db.models")


def hide_own() -> None:
    """Let each connection's log of queries leave out those that Heliostat's own code executes."""
    from django.db.backends.base.base import BaseDatabaseWrapper

    original = BaseDatabaseWrapper.__init__

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self.queries_log = HostQueries(maxlen=self.queries_limit)

    BaseDatabaseWrapper.__init__ = init  # type: ignore[method-assign]


class HostQueries(deque[dict[str, str]]):
    """A log of queries that takes the host's alone."""

    def append(self, query: dict[str, str]) -> None:
        if not is_own():
            super().append(query)


def is_own() -> bool:
    """Whether the innermost code that is executing a statement, below Django's plumbing, is Heliostat's."""
    frame = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        if code.co_filename.startswith(OWN):
            return True
        if code.co_name in WRAPPED and code.co_filename.startswith(DJANGO_MODELS):
            return False
        frame = frame.f_back  # type: ignore[assignment]
    return False

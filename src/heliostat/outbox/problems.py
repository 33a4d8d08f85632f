"""Why a body cannot be rendered: in full for those who may see all callbacks, and for the owner of the subscriber.

What Heliostat says of a template or a limit is for both. The text of any other error may hold what the site's code had
in its hands (a path, a row, a statement), which the owner of a hook may not view: to them it is a type and a sentence.
"""

from __future__ import annotations

import traceback
from typing import NamedTuple

from django.core.exceptions import ValidationError

from heliostat.exceptions import HeliostatError, SnapshotError

LONGEST_REASON = 500
IS_THE_SITES = "code of this site failed while it rendered what is sent. The log of the site says why."


class Problem(NamedTuple):
    """The reason in full, and what the owner of the subscriber is shown of it."""

    reason: str
    shown: str

    @classmethod
    def of(cls, error: BaseException) -> Problem:
        """Return the problem that an error is, which was just caught."""
        if isinstance(error, CannotRender):
            return error.problem
        reason = reason_of(error)
        foreign: BaseException | None = error
        while foreign is not None and _is_raised_here(foreign):
            foreign = foreign.__cause__  # whose text it may repeat
        return cls(reason, reason if foreign is None else f"{type(foreign).__name__}: {IS_THE_SITES}")


class CannotRender(SnapshotError):
    """A body cannot be rendered because of a problem that is known already."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.reason)


def reason_of(error: BaseException) -> str:
    """Return what went wrong in one line that every database can hold."""
    report = traceback.TracebackException.from_exception(error)  # bears an error that cannot be made a text
    (*_, last) = report.format_exception_only()
    text = str(error) if isinstance(error, HeliostatError) else last
    if isinstance(error, ValidationError):
        text = " ".join(error.messages)
    line = " ".join(text.replace("\x00", "\N{REPLACEMENT CHARACTER}").split())
    return line.encode("utf-8", "replace").decode()[:LONGEST_REASON] or type(error).__name__


def _is_raised_here(error: BaseException) -> bool:
    """Whether code of Heliostat raised it, or made a value of Python itself raise it."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(frames) and str(frames[-1].f_globals.get("__name__", "")).startswith("heliostat.")

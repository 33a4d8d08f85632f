"""Running a management command in this process, as a shell sees it."""

from __future__ import annotations

import io
from typing import NamedTuple

from django.core.management import call_command


class Ran(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


class Terminal(io.StringIO):
    """A stream that a person watches."""

    def isatty(self) -> bool:
        return True


def run(*arguments: object, err: io.StringIO | None = None) -> Ran:
    """Run a command with the words of its command line; the exit code is 0 where it simply returns."""
    out, err = io.StringIO(), err or io.StringIO()
    code = 0
    try:
        call_command(*map(str, arguments), stdout=out, stderr=err)
    except SystemExit as ended:
        code = int(ended.code or 0)
    return Ran(code, out.getvalue(), err.getvalue())

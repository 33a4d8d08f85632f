"""Write the outcome of each test as a line of JSON, whichever runner runs it."""

from __future__ import annotations

import atexit
import json
import os
import re
import traceback
import unittest
from functools import wraps
from pathlib import Path
from typing import Any, TextIO

_stream: TextIO | None = None
_pid = 0

HALF = 2500  # characters of a failure that are kept of its beginning, and of its end
QUERIES = re.compile("quer|sql", re.IGNORECASE)  # what speaks of queries may count them


def start(path: Path) -> None:
    """Record from now on, under unittest and under pytest."""
    global _stream, _pid
    _stream, _pid = path.open("w", encoding="utf-8"), os.getpid()
    atexit.register(_stream.close)
    _record_unittest()
    os.environ["PYTEST_PLUGINS"] = ",".join(filter(None, [os.environ.get("PYTEST_PLUGINS"), __name__]))


def line(**facts: Any) -> None:
    """Write one line. A process that the suite forks writes none: its parent reports for it."""
    if _stream is not None and os.getpid() == _pid:
        _stream.write(json.dumps(facts, default=str) + "\n")
        _stream.flush()


def _outcome(test: str, outcome: str, text: str = "") -> None:
    is_long = len(text) > 2 * HALF
    kept = f"{text[:HALF]}\n[…]\n{text[-HALF:]}" if is_long else text
    line(test=test, outcome=outcome, text=kept, queries=QUERIES.search(text) is not None)


def _record_unittest() -> None:
    result = unittest.TestResult

    def recorded(name: str, outcome: str, text_of: Any) -> None:
        original = getattr(result, name)

        @wraps(original)
        def recording(self: Any, test: Any, *args: Any) -> Any:
            if (test_id := getattr(test, "id", None)) is not None:
                _outcome(test_id(), outcome, text_of(*args))
            return original(self, test, *args)

        setattr(result, name, recording)

    recorded("addSuccess", "passed", lambda: "")
    recorded("addFailure", "failed", _traceback)
    recorded("addError", "failed", _traceback)
    recorded("addSkip", "skipped", str)
    recorded("addExpectedFailure", "expected failure", _traceback)
    recorded("addUnexpectedSuccess", "unexpected success", lambda: "")
    original = result.addSubTest

    @wraps(original)
    def sub_test(self: Any, test: Any, subtest: Any, error: Any) -> Any:
        if error is not None:
            _outcome(test.id(), "failed", f"{subtest.id()}\n{_traceback(error)}")
        return original(self, test, subtest, error)

    result.addSubTest = sub_test  # type: ignore[assignment, method-assign]


def _traceback(error: Any) -> str:
    return "".join(traceback.format_exception(*error))


def pytest_runtest_logreport(report: Any) -> None:
    """Record what pytest reports: each call, and whatever else did not pass."""
    if report.when == "call" or report.outcome != "passed":
        test = report.nodeid if report.when != "teardown" else f"{report.nodeid} (teardown)"
        _outcome(test, report.outcome, report.longreprtext if report.outcome != "passed" else "")


def pytest_collectreport(report: Any) -> None:
    """Record a module that cannot be collected."""
    if report.outcome == "failed":
        _outcome(f"{report.nodeid} (collection)", "failed", report.longreprtext)

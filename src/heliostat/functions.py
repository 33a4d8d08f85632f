"""Functions of a project that Heliostat calls."""

from __future__ import annotations

import inspect
from typing import Any

from heliostat.exceptions import ConfigurationError


def check_runs(function: Any, what: str, *, may_await: bool = False) -> None:
    """Raise `ConfigurationError` where a call runs nothing: it makes a coroutine, or a generator.

    `what` names the function in the message. `may_await` says that a coroutine is awaited.
    """
    calls = (function, inspect.getattr_static(type(function), "__call__", None))
    if any(inspect.isgeneratorfunction(one) or inspect.isasyncgenfunction(one) for one in calls):
        raise ConfigurationError(f"{what} is a generator, which does nothing when it is called: remove its `yield`.")
    if not may_await and any(map(inspect.iscoroutinefunction, calls)):
        raise ConfigurationError(
            f"{what} is a coroutine function, which would not be awaited. Make it a plain function; asgiref's "
            "async_to_sync() calls one from there."
        )

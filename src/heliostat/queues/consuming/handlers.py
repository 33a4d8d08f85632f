"""The function that gets the events: found by its path, and called in this process."""

from __future__ import annotations

import asyncio
import difflib
import inspect
import traceback
from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from heliostat.exceptions import ConfigurationError
from heliostat.functions import check_runs

ASYNCIO = Path(asyncio.__file__).parent
Function = Callable[[dict[str, Any]], Any]


class Failure(NamedTuple):
    """Why an event was not handled: a sentence, and the traceback where there is one."""

    reason: str
    trace: str = ""
    is_final: bool = False
    """The entry can never be handled."""


class Handler(Protocol):
    """Calls the function with an event. It never raises an exception of the function."""

    def __call__(self, body: bytes) -> Failure | None:
        """Call the function with the event of this JSON. Return None, or why it failed."""

    def close(self) -> None:
        """Let everything go."""


class InProcess:
    """Calls a function in this process. What it returns is awaited, where it can be, in an event loop of its own."""

    def __init__(self, function: Function) -> None:
        self._runner = asyncio.Runner()
        self._function = function

    def __call__(self, body: bytes) -> Failure | None:
        try:
            event = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Failure(f"the field 'event' is no JSON: {error}", is_final=True)
        if not isinstance(event, dict):
            return Failure(f"the field 'event' is no JSON object, but {type(event).__name__}", is_final=True)
        try:
            answer = self._function(event)
            if answer is not None and inspect.isawaitable(answer):
                self._runner.run(_result_of(answer))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # sys.exit(), or a task that is cancelled, ends the call, not the consumer
            return failure_of(error)
        return None

    def close(self) -> None:
        self._runner.close()


async def _result_of(answer: Awaitable[Any]) -> Any:
    return await answer


def failure_of(error: BaseException) -> Failure:
    """Return an exception of the function as a failure, with the line of the function that raised it."""
    report = traceback.TracebackException.from_exception(error)  # bears an error that cannot be made a text
    frames = (frame for frame in report.stack if frame.filename != __file__ and Path(frame.filename).parent != ASYNCIO)
    place = next((f" ({frame.filename}, line {frame.lineno})" for frame in frames), "")
    return Failure(_writable(f"{type(error).__name__}: {report}{place}"), _writable("".join(report.format())))


def _writable(text: str) -> str:
    """Return a text that can be sent: an exception may hold half a character."""
    return text.encode("utf-8", "backslashreplace").decode()


def load_function(path: str) -> Function:
    """Return the function at a dotted path. Raise `ConfigurationError` that says what is wrong with it."""
    module_name, _, name = path.rpartition(".")
    if not module_name or ":" in path:
        raise ConfigurationError(f"{path!r} is no path of a function. Write module.function, with dots.")
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            raise ConfigurationError(
                f"there is no module {error.name!r} for {path!r}. It must be importable: a file in the current "
                "directory or on PYTHONPATH, or a package that is installed."
            ) from error
        raise _import_error(path, error) from error
    except Exception as error:  # whatever the module raises
        raise _import_error(path, error) from error
    if not hasattr(module, name):
        near = difflib.get_close_matches(name, [one for one in vars(module) if callable(getattr(module, one))], n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigurationError(f"the module {module_name!r} ({module.__file__}) has no function {name!r}.{hint}")
    function = getattr(module, name)
    if not callable(function):
        raise ConfigurationError(f"{path!r} is {type(function).__name__}, not a function.")
    check_runs(function, repr(path), may_await=True)
    return function  # type: ignore[no-any-return]


def path_of(function: Function) -> str:
    """Return the path by which another process imports a function. Raise `ConfigurationError` where it cannot."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    if not module or module == "__main__" or not name.isidentifier():
        raise ConfigurationError(
            f"with a handler timeout, {function!r} runs in a process of its own, which must import it: move it to the "
            "top of a module, and give its path."
        )
    return f"{module}.{name}"


def _import_error(path: str, error: Exception) -> ConfigurationError:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    place = f" ({frames[-1].filename}, line {frames[-1].lineno})"
    return ConfigurationError(f"{path!r} cannot be imported: {type(error).__name__}: {error}{place}")

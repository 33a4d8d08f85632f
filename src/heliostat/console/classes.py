"""Classes that a setting names: brokers in `TOM_ALERT_CLASSES`, facilities in `TOM_FACILITY_CLASSES`.

A path that cannot work is reported by a system check when the project starts. While it runs, such a class is
left out, so that the others go on working.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, Generic, TypeVar

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.utils.module_loading import import_string

from heliostat.moved import hint_for
from heliostat.suggestions import did_you_mean

T = TypeVar("T")


class NamedClasses(Generic[T]):
    """The subclasses of `base` whose paths stand in the setting, by their `name`."""

    def __init__(self, setting: str, base: type[Any], checks: str, bundled: Sequence[str]) -> None:
        self.setting = setting
        self.base = base
        self.checks = checks  # prefix of the ids of the system checks
        self.bundled = bundled

    def all(self) -> dict[str, type[T]]:
        """Return the classes that work, by name, in the order of the setting."""
        found: dict[str, type[T]] = {}
        for _path, result in self._results():
            if not isinstance(result, CheckMessage):
                found.setdefault(str(result.name), result)  # type: ignore[attr-defined]
        return found

    def check(self) -> list[CheckMessage]:
        """Every path leads to a usable class, and no two share a name."""
        messages: list[CheckMessage] = []
        taken: dict[str, str] = {}
        for path, result in self._results():
            if isinstance(result, CheckMessage):
                messages.append(result)
            elif (other := taken.setdefault(result.name, path)) != path:  # type: ignore[attr-defined]
                messages.append(self._error("E003", f"{other} and {path} have the same name.", "Rename one."))
        return messages

    def _results(self) -> Iterator[tuple[str, type[T] | CheckMessage]]:
        paths = getattr(settings, self.setting, self.bundled)
        if isinstance(paths, str) or not isinstance(paths, Sequence):
            yield "", self._error("E001", f"{self.setting} must be a list of paths.", "Write a list of strings.")
            return
        for number, path in enumerate(paths):
            if path not in paths[:number]:  # no set of them: what cannot be hashed is wrong, too
                yield path, self._load(path)

    def _load(self, path: Any) -> type[T] | CheckMessage:
        try:
            found = import_string(path)
        except Exception as error:  # whatever a module raises while it is imported
            near = did_you_mean(str(path), self._nearby(path))
            hint = hint_for(path, error) or f"Correct the path, or the module.{near}"
            return self._error("E001", f"{self.setting} names {path!r}, which cannot be imported: {error}", hint)
        if not (isinstance(found, type) and issubclass(found, self.base) and found is not self.base):
            hint = f"Let it inherit from {self.base.__module__}.{self.base.__qualname__}."
            return self._error("E002", f"{path} is no {self.base.__name__}.", hint)
        if not (isinstance(getattr(found, "name", None), str) and found.name.strip()):  # type: ignore[attr-defined]
            return self._error("E002", f"{path} has no name.", f"Give it one: name = {found.__name__!r}")
        return found

    def _nearby(self, path: Any) -> list[str]:
        """What might have been meant: the bundled classes, and those of the module if it can be imported."""
        module_path = str(path).rpartition(".")[0]
        try:
            module = import_module(module_path)
        except Exception:
            return list(self.bundled)
        names = [f"{module_path}.{name}" for name, value in vars(module).items() if isinstance(value, type)]
        return [*self.bundled, *names]

    def _error(self, number: str, message: str, hint: str) -> Error:
        return Error(message, hint=hint, id=f"{self.checks}.{number}")

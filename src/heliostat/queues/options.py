"""The options of a queue, as a section of `EVENT_LISTENERS` or an entry of `HELIOSTAT_QUEUES` has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import SplitResult, urlsplit

from heliostat.exceptions import ConfigurationError
from heliostat.listeners.config import truth
from heliostat.listeners.configured import OPTIONS
from heliostat.suggestions import did_you_mean


class Options:
    """Options by name, whose values may be texts, as in an `.ini` file. Errors never show the value of `url`."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self._read: set[str] = set()

    @classmethod
    def of_section(cls, settings: Mapping[str, Any], prefix: str) -> Options:
        """Return the options of a section, without those that all listeners have."""
        own = {name.removeprefix(prefix): value for name, value in settings.items() if name.startswith(prefix)}
        return cls({name: value for name, value in own.items() if name.partition(".")[0] not in OPTIONS})

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text that is not empty. Raise `ConfigurationError` where it is missing and there is no default."""
        value = self._get(name, default)
        if not isinstance(value, str) or not value.strip():
            raise ConfigurationError(f"`{name}` must be a text that is not empty, not {value!r}.")
        return value.strip()

    def whole_number(self, name: str, default: int) -> int:
        """Return a number that is not negative."""
        value = self._get(name, default)
        text = str(value).strip()
        if isinstance(value, bool) or not text.isascii() or not text.isdigit():
            raise ConfigurationError(f"`{name}` must be a whole number, 0 or more, not {value!r}.")
        return int(text)

    def flag(self, name: str, default: bool) -> bool:
        """Return true or false."""
        try:
            return truth(self._get(name, default))
        except ValueError as error:
            raise ConfigurationError(f"`{name}`: {error}.") from error

    def mapping(self, name: str) -> dict[str, Any]:
        """Return a dict of further options; empty where there is none. In an `.ini` file each is a key: `name.key`."""
        value = self._get(name, {})
        if not isinstance(value, Mapping):
            raise ConfigurationError(f"`{name}` must be a dict, not {type(value).__name__}.")
        apart = {one: text for one, text in self._values.items() if one.startswith(f"{name}.")}
        self._read |= apart.keys()
        return {**value, **{one.removeprefix(f"{name}."): text for one, text in apart.items()}}

    def url(self, schemes: Sequence[str], *, has_many_hosts: bool = False) -> SplitResult:
        """Return the address of the server; where `has_many_hosts`, there may be commas between hosts."""
        value = self._get("url", None)
        known = " or ".join(f"{scheme}://" for scheme in schemes)
        if not isinstance(value, str):
            raise ConfigurationError(f"`url` must be a text that begins with {known}, not {type(value).__name__}.")
        try:
            parts = urlsplit(value.strip())
            _ = None if has_many_hosts else parts.port  # raises where it is no number
        except ValueError:  # which may hold the password
            raise ConfigurationError(
                "`url` is no valid address. In a user name or password, write special characters as %XX."
            ) from None
        if parts.scheme not in schemes:
            begins = f"{parts.scheme}://" if parts.netloc else "no scheme"
            raise ConfigurationError(f"`url` must begin with {known}; it begins with {begins}.")
        return parts

    def check_all_read(self) -> None:
        """Raise `ConfigurationError` for an option that the queue does not have."""
        for name in self._values:
            if name not in self._read:
                known = sorted(self._read | set(OPTIONS))
                raise ConfigurationError(f"there is no option {name!r}.{did_you_mean(name, known)}")

    def _get(self, name: str, default: Any) -> Any:
        self._read.add(name)
        if (value := self._values.get(name, default)) is None:
            raise ConfigurationError(f"`{name}` is missing.")
        return value

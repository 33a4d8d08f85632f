"""The argument of `load_from_config`, and the words that its settings are made of."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

ROOT = "event_listeners"
TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0", "")


def aslist(value: Any) -> list[str]:
    """Return a list as it is, and split a text at white space and commas."""
    return value.replace(",", " ").split() if isinstance(value, str) else [str(item) for item in value]


def truth(value: Any) -> bool:
    """Return a truth value as it is, and read a text (`true`, `yes`, `on`, `1` and their opposites).

    Raise `ValueError` for anything else.
    """
    word = str(value).strip().lower()
    if word not in (*TRUE, *FALSE):
        raise ValueError(f"{value!r} is neither true nor false")
    return word in TRUE


class Registry(SimpleNamespace):
    """What all listeners share: `settings`, and what a listener sets for itself and others.

    `load_from_config` has it as `config.registry`, and a listener as `event.request.registry`.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        super().__init__(settings=settings, api_capabilities={})

    def __repr__(self) -> str:
        return f"<Registry of {len(self.settings)} settings>"  # which may be secret


class Config:
    """The argument of `load_from_config`: the settings of all listeners under their full names, and the registry."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.registry = Registry(dict(settings))

    def get_settings(self) -> dict[str, Any]:
        """Return the settings; what a listener adds to them (`setdefault`) stays."""
        return self.registry.settings  # type: ignore[no-any-return]

    def add_settings(self, settings: Mapping[str, Any]) -> None:
        """Add settings, for the listeners that follow."""
        self.registry.settings.update(settings)

    def add_api_capability(self, identifier: str, **details: Any) -> None:
        """Keep what a package says of itself, as Kinto's do in their `includeme()`."""
        self.registry.api_capabilities[identifier] = details

"""Paths that stand in a row: of a signal, of a serializer.

To import a module is to run it, and rows are written by whoever may make hooks. So a path leads to what this process
has loaded anyway, or into a module that is named for its purpose (`signals`, `serializers`) in an installed app.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

from django.apps import AppConfig, apps
from django.dispatch import Signal

from heliostat.conf import did_you_mean
from heliostat.events.signals import as_signal
from heliostat.exceptions import ConfigurationError


def signal_in_row(path: str) -> Signal:
    """The signal at a path in a row; raises `ConfigurationError` where there is none that it may lead to."""
    return as_signal(object_at(path, "signals"), path)


def object_at(path: str, purpose: str) -> Any:
    """What a path in a row leads to; raises `ConfigurationError` where it leads nowhere, or must not be followed."""
    name, _, attribute = path.rpartition(".")
    module = sys.modules.get(name) or _imported(name, purpose)
    found = vars(module)  # getattr() could run code of the module
    if attribute not in found:
        raise ConfigurationError(
            f"{path!r} cannot be imported: {name} has no {attribute!r}.{did_you_mean(attribute, found)}"
        )
    return found[attribute]


def _imported(name: str, purpose: str) -> ModuleType:
    if not _is_of_an_app(name, purpose):
        raise ConfigurationError(
            f"{name!r} cannot be imported: a hook may lead to what is loaded already, and to modules of installed apps "
            f"that are named {purpose}. Import it in your AppConfig.ready()."
        )
    try:
        return import_module(name)
    except Exception as error:  # whatever the module raises while it is imported
        raise ConfigurationError(f"{name!r} cannot be imported: {error}") from error


def _is_of_an_app(name: str, purpose: str) -> bool:
    """Looked for among the files: an import would run every module on the way."""
    for app in apps.get_app_configs():
        parts = name.removeprefix(f"{app.name}.").split(".")
        if name.startswith(f"{app.name}.") and purpose in parts and _exists(app, parts):
            return True
    return False


def _exists(app: AppConfig, parts: list[str]) -> bool:
    name, places = app.name, list(getattr(app.module, "__path__", ()))
    for part in parts:
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, places) if places else None  # only packages have a place inside
        if spec is None:
            return False
        places = list(spec.submodule_search_locations or ())
    return True

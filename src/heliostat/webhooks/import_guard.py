"""Paths that stand in a row: of a signal, of a serializer.

To import a module is to run it, and people who may create hooks write rows. So a path leads to what this process has
loaded, or into a module of an installed app that is named for its purpose (`signals`, `serializers`), or, for a signal,
into one whose source shows that importing it runs nothing but definitions, the signal's among them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from django.apps import AppConfig, apps
from django.dispatch import Signal

from heliostat.conf import did_you_mean
from heliostat.events.signals import as_signal
from heliostat.exceptions import ConfigurationError
from heliostat.webhooks.sources import declares_signal, only_defines

OR_DEFINES = ", or whose source does nothing but define things, a Signal of this name among them"


def signal_in_row(path: str) -> Signal:
    """The signal at a path in a row; raises `ConfigurationError` where there is none that it may lead to."""
    return as_signal(object_at(path, "signals"), path)


def leads_to_signal(path: str) -> bool:
    """Whether there is a signal at this path. Imports nothing: what is not loaded is read in its source."""
    name, _, attribute = path.rpartition(".")
    if (module := sys.modules.get(name)) is not None:
        return isinstance(vars(module).get(attribute), Signal)
    return _declares_signal(name, attribute)


def object_at(path: str, purpose: str) -> Any:
    """What a path in a row leads to; raises `ConfigurationError` where it leads nowhere, or must not be followed."""
    name, _, attribute = path.rpartition(".")
    module = sys.modules.get(name) or _imported(name, attribute, purpose)
    found = vars(module)  # getattr() could run code of the module
    if attribute not in found:
        raise ConfigurationError(
            f"{path!r} cannot be imported: {name} has no {attribute!r}.{did_you_mean(attribute, found)}"
        )
    return found[attribute]


def _imported(name: str, attribute: str, purpose: str) -> ModuleType:
    if not _is_for(purpose, name) and not (purpose == "signals" and _declares_signal(name, attribute)):
        raise ConfigurationError(
            f"{name!r} cannot be imported: a hook may lead to what is loaded already, and to modules of installed apps "
            f"that are named {purpose}{OR_DEFINES if purpose == 'signals' else ''}. Import it in your "
            "AppConfig.ready()."
        )
    try:
        return import_module(name)
    except Exception as error:  # whatever the module raises while it is imported
        raise ConfigurationError(f"{name!r} cannot be imported: {error}") from error


def _is_for(purpose: str, name: str) -> bool:
    return any(purpose in parts and specs for parts, specs in _found_in_apps(name))


def _declares_signal(name: str, attribute: str) -> bool:
    """Whether the source of a module of an installed app says that this is a signal, and would run nothing else."""
    for _, specs in _found_in_apps(name):
        if specs and declares_signal(_source(specs[-1]), attribute):
            return all(only_defines(_source(spec)) for spec in specs[:-1] if spec.name not in sys.modules)
    return False


def _source(spec: ModuleSpec) -> str:
    """The source of a module; empty where it has none, as a package without `__init__.py`."""
    try:
        return spec.loader.get_source(spec.name) or ""  # type: ignore[union-attr]
    except (AttributeError, ImportError, SyntaxError, UnicodeDecodeError):
        return "" if spec.origin is None else "raise"  # what cannot be read is not known to be harmless


def _found_in_apps(name: str) -> Iterator[tuple[list[str], list[ModuleSpec]]]:
    """The parts of a name inside each app that has it, and the modules on the way there: looked for among the files,
    for an import would run each of them."""
    for app in apps.get_app_configs():
        if name.startswith(f"{app.name}."):
            parts = name.removeprefix(f"{app.name}.").split(".")
            yield parts, _specs(app, parts)


def _specs(app: AppConfig, parts: list[str]) -> list[ModuleSpec]:
    """The specifications of the modules on this way into an app; none where it leads nowhere."""
    name, places, found = app.name, list(getattr(app.module, "__path__", ())), []
    for part in parts:
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, places) if places else None  # only packages have a place inside
        if spec is None:
            return []
        found.append(spec)
        places = list(spec.submodule_search_locations or ())
    return found

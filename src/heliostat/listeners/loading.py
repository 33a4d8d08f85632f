"""From the `use` of a section to the listener itself."""

from __future__ import annotations

import inspect
import traceback
from importlib import import_module
from types import ModuleType
from typing import Any

from heliostat.exceptions import ConfigurationError
from heliostat.functions import check_runs
from heliostat.listeners.config import Config, aslist
from heliostat.listeners.sections import Section
from heliostat.moved import did_you_mean_path, hint_for
from heliostat.text import error_text

INCLUDES = "includes"


def include(config: Config) -> None:
    """Call `includeme(config)` of the modules that an `.ini` file names in `includes`, as Kinto does.

    A package prepares there what its listener finds in `event.request.registry`.
    """
    for path in aslist(config.get_settings().get(INCLUDES, "")):
        try:
            import_module(path).includeme(config)
        except Exception as error:  # whatever the module raises
            raise ConfigurationError(f"`{INCLUDES}`: {path!r} {_failed(path, error)}") from error


def load(section: Section, own: dict[str, Any], config: Config) -> Any:
    """Return the listener that a section names.

    `use` is a module with `load_from_config(config, prefix)`, a class (called with `own`, the settings of the section
    that not all listeners have), or a function. Raise `ConfigurationError` that says what is wrong.
    """
    found, use = _named(section)
    if isinstance(found, ModuleType):
        listener = _from_module(found, use, section, config)
    elif isinstance(found, type):
        listener = _from_class(found, use, own)
    elif callable(found) and not own:
        listener = found
    elif callable(found):
        names = ", ".join(own)
        raise ConfigurationError(f"{use!r} is a function, which takes no settings ({names}); use a class or a module.")
    else:
        raise ConfigurationError(f"{use!r} is {_kind(found)}, not a module, a class or a function.")
    if not callable(listener) and not hasattr(listener, "subscriber_kind"):
        raise ConfigurationError(f"{use!r} gave {_kind(listener)}, which cannot be called.")
    check_runs(listener, f"{use!r}")
    return listener


def _named(section: Section) -> tuple[Any, str]:
    """Return what `use` names; without it, the module that is the name of the section."""
    use = section.options.get("use", section.name)
    if not isinstance(use, str) or not use.strip():
        raise ConfigurationError(f"`use` is {use!r}; give the path of a module with load_from_config().")
    try:
        return _found(use), use
    except _Nowhere as error:
        if "use" not in section.options:
            text = (
                f"it has no `use`, and no module is named {use!r}; give the path of a module with load_from_config()."
            )
            raise ConfigurationError(text) from error
        hint = hint_for(use) or did_you_mean_path(use).strip() or "Is its directory on the Python path?"
        raise ConfigurationError(f"{use!r} cannot be loaded: {error}. {hint}") from error
    except ConfigurationError as error:  # the module says itself what it lacks
        raise ConfigurationError(f"{use!r}: {error}") from error
    except Exception as error:  # whatever the module raises
        raise ConfigurationError(f"{use!r} {_failed(use, error)}") from error


class _Nowhere(Exception):
    """There is nothing of this name."""


def _found(path: str) -> Any:
    """Return a module, or what a module holds under the last part of the path."""
    if not all(path.split(".")):
        raise _Nowhere("it is no path such as mytom.listeners")
    try:
        return import_module(path)
    except ModuleNotFoundError as error:
        parent, _, name = path.rpartition(".")
        if error.name is None or not f"{path}.".startswith(f"{error.name}."):
            raise  # a module that it imports
        if not parent or path != error.name:
            raise _Nowhere(f"there is no module {error.name}") from None
    module = import_module(parent)
    if not hasattr(module, name):
        raise _Nowhere(f"{parent} has no {name}")
    return getattr(module, name)


def _from_module(module: ModuleType, use: str, section: Section, config: Config) -> Any:
    function = getattr(module, "load_from_config", None)
    if function is None:
        raise ConfigurationError(f"{use!r} has no load_from_config(config, prefix).")
    try:
        return function(config, section.prefix)
    except ConfigurationError:
        raise
    except KeyError as error:
        raise ConfigurationError(f"the setting {error} is missing.") from error
    except Exception as error:  # whatever the module raises
        raise ConfigurationError(f"load_from_config() of {use!r} {_failed(use, error)}") from error


def _from_class(found: type, use: str, own: dict[str, Any]) -> Any:
    try:
        inspect.signature(found).bind(**own)
    except TypeError as error:
        raise ConfigurationError(f"{use!r} does not take these settings: {error}.") from error
    except ValueError:  # a built-in without a signature
        pass
    try:
        return found(**own)
    except ConfigurationError:
        raise
    except Exception as error:  # whatever the class raises
        raise ConfigurationError(f"{use!r} {_failed(use, error)}") from error


def _failed(use: str, error: Exception) -> str:
    """Return what an import or a call raised, and in which line of which file."""
    frames = traceback.extract_tb(error.__traceback__)
    place = next((one for one in reversed(frames) if not one.filename.startswith("<")), frames[-1])
    file, line = place.filename, place.lineno
    if isinstance(error, SyntaxError) and error.filename:
        file, line = error.filename, error.lineno
    hint = hint_for(use, error)
    return f"raised {type(error).__name__}: {error_text(error)} ({file}, line {line}). {hint}".rstrip()


def _kind(value: Any) -> str:
    return f"a {type(value).__name__}"

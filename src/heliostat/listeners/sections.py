"""Where the settings of listeners are: the dict or the `.ini` file of `EVENT_LISTENERS`, the environment, and files of
secrets.

The result is the same for all of them: one section of settings for each listener, in the order of configuration.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings

from heliostat.exceptions import ConfigurationError
from heliostat.listeners import ini
from heliostat.listeners.config import ROOT, aslist
from heliostat.suggestions import did_you_mean

VARIABLE = "HELIOSTAT_EVENT_LISTENERS_"
FROM_FILE = "_file"
LARGEST_SECRET = 64 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class Section:
    """The settings of one listener. `problem` is why they cannot be read; `where` names the section in messages."""

    name: str
    options: Mapping[str, Any]
    where: str
    problem: str = ""

    @property
    def prefix(self) -> str:
        """Return what all its settings begin with. As Kinto does, a name that is a module counts by its last part."""
        return f"{ROOT}.{short_name(self.name)}."


@dataclass(frozen=True, slots=True)
class Sections:
    """All sections, the other settings of an `.ini` file under their names, and what looks like a mistake."""

    sections: tuple[Section, ...] = ()
    others: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def read_sections() -> Sections:
    """Return the sections of `EVENT_LISTENERS`. Raise `ConfigurationError` where it cannot be read at all."""
    given = getattr(settings, "EVENT_LISTENERS", {})
    if isinstance(given, (str, Path)):
        path = _path(given)
        found = ini.read(path)
        names, file = aslist(found.pop(ROOT)), path.name
    elif isinstance(given, dict) and all(isinstance(options, dict) for options in given.values()):
        found = {
            f"{ROOT}.{short_name(str(name))}.{key}": value for name, own in given.items() for key, value in own.items()
        }
        names, file = [str(name) for name in given], ""
    else:
        text = "EVENT_LISTENERS must be a dict of dicts, {name: {'use': module, …}}, or the path of an .ini file."
        raise ConfigurationError(text)
    _check_names(names)
    by_name: dict[str, dict[str, Any]] = {short_name(name): {} for name in names}
    others, warnings = {}, []
    for full, value in found.items():
        short, _, key = full.removeprefix(f"{ROOT}.").partition(".") if full.startswith(f"{ROOT}.") else ("", "", "")
        if short in by_name and key:
            by_name[short][key] = value
        else:
            others[full] = value
            if short:
                text = f"{full} is a setting of no listener: {ROOT} does not name {short!r}."
                warnings.append(text + did_you_mean(short, by_name))
    variables = dict(_variables(by_name, warnings))
    sections = tuple(
        _section(
            name,
            by_name[short_name(name)],
            variables.get(short_name(name), {}),
            f"{file}: {ROOT}.{name}" if file else f"EVENT_LISTENERS[{name!r}]",
        )
        for name in names
    )
    return Sections(sections, others, tuple(warnings))


def short_name(name: str) -> str:
    """Return the last part of a listener's name, under which its settings are."""
    return name.rpartition(".")[2]


def _path(given: str | Path) -> Path:
    return Path(getattr(settings, "BASE_DIR", "") or "", given).absolute()


def _check_names(names: list[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if (other := seen.setdefault(_normal(short_name(name)), name)) is not name:
            raise ConfigurationError(
                f"EVENT_LISTENERS: {other!r} and {name!r} would share their settings; give one of them another name."
            )


def _normal(word: str) -> str:
    """Return a word as it is written in the name of a variable."""
    return re.sub(r"\W", "_", word).upper()


def _variables(by_name: Mapping[str, Mapping[str, Any]], warnings: list[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the settings that are in the environment, by the listener: the longest name that fits."""
    names = {_normal(name): name for name in sorted(by_name, key=len)}
    found: dict[str, dict[str, str]] = {name: {} for name in by_name}
    for variable in sorted(os.environ):
        if not (rest := variable.removeprefix(VARIABLE)) or rest == variable:
            continue
        fitting = [normal for normal in names if rest.startswith(f"{normal}_") and rest != f"{normal}_"]
        if not fitting:
            near = did_you_mean(rest, names).strip()
            warnings.append(f"The environment has {variable}, which is a setting of no listener. {near}".rstrip())
            continue
        name, key = names[fitting[-1]], rest[len(fitting[-1]) + 1 :]
        known = next((one for one in by_name[name] if _normal(one) == key), key.lower())
        found[name][known] = os.environ[variable]
    yield from found.items()


def _section(name: str, own: Mapping[str, Any], variables: Mapping[str, str], where: str) -> Section:
    """Return a section with what the environment says in place of its own, and the content of files."""
    try:
        options = dict(own)
        for key, value in variables.items():
            other = key.removesuffix(FROM_FILE) if key.endswith(FROM_FILE) else key + FROM_FILE
            if other in variables:
                both = f"{VARIABLE}{_normal(short_name(name))}_{key.removesuffix(FROM_FILE).upper()}"
                raise ConfigurationError(f"the environment has both {both} and {both}_FILE; keep one.")
            options.pop(other, None)
            options[key] = value
        for key in [key for key in options if key.endswith(FROM_FILE) and key != FROM_FILE]:
            target = key.removesuffix(FROM_FILE)
            if target in options:
                raise ConfigurationError(f"it has both `{target}` and `{key}`; keep one.")
            options[target] = content_of(key, options.pop(key))
        return Section(name, options, where)
    except ConfigurationError as error:
        return Section(name, own, where, str(error))


def content_of(key: str, given: Any) -> str:
    """Return the content of the file that an option names, without the line break at its end.

    No message holds anything of it.
    """
    if not isinstance(given, (str, Path)):
        raise ConfigurationError(f"`{key}` is {given!r}; give the path of a file.")
    path = _path(given)
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_SECRET + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"`{key}`: the file {path} cannot be read: {reason}.") from error
    if len(content) > LARGEST_SECRET:
        raise ConfigurationError(f"`{key}`: the file {path} is longer than {LARGEST_SECRET} bytes.")
    try:
        text = content.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise ConfigurationError(f"`{key}`: the file {path} is no UTF-8 text.") from None
    if not text:
        raise ConfigurationError(f"`{key}`: the file {path} is empty.")
    return text

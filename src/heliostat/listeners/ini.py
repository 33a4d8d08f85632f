"""Listeners in an `.ini` file, in the form of Cliquet and Kinto: flat keys such as `cliquet.event_listeners.NAME.use`.

With or without a section header; keys may begin with `heliostat.`, `cliquet.`, `kinto.` or nothing. Values are read as
they are written: `%` means itself.
"""

from __future__ import annotations

import configparser
from pathlib import Path
from typing import Any

from heliostat.exceptions import ConfigurationError
from heliostat.listeners.config import ROOT

ROOTS = ("heliostat.", "cliquet.", "kinto.")
HEADER = "heliostat"
LARGEST = 1024 * 1024  # bytes


def read(path: Path) -> dict[str, Any]:
    """Return the settings of a file: each under its name as written, and without its root.

    Only sections that have settings of listeners are read: the others of a Kinto file are its server's and its log's.
    Raise `ConfigurationError` that names the file, and the line where there is one.
    """
    parser = _parsed(path)
    sections = {name: dict(parser[name]) for name in parser if any(map(_is_ours, parser[name]))}
    found: dict[str, Any] = {}
    for section in sections.values():
        for key, value in section.items():
            for name in dict.fromkeys((key, without_root(key))):
                if found.setdefault(name, value) != value:
                    raise ConfigurationError(f"EVENT_LISTENERS: {path.name} has two values for {name!r}; keep one.")
    if ROOT not in found:
        raise ConfigurationError(f"EVENT_LISTENERS: {path.name} has no `{ROOT} = …` with the names of its listeners.")
    return found


def without_root(key: str) -> str:
    """Return a key without the name of the system that it is written for."""
    return next((key.removeprefix(root) for root in ROOTS if key.startswith(root)), key)


def _is_ours(key: str) -> bool:
    return without_root(key).partition(".")[0] == ROOT


def _parsed(path: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names differ in case
    text = _text(path)
    lines = [line.strip() for line in text.splitlines()]
    first = next((line for line in lines if line and line[0] not in "#;"), "")
    shift = 0 if first.startswith("[") else 1
    try:
        parser.read_string(f"[{HEADER}]\n" * shift + text)
    except configparser.Error as error:
        raise ConfigurationError(f"EVENT_LISTENERS: {path.name}, {_problem(error, shift)}") from None
    return parser


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"EVENT_LISTENERS: the file {path} cannot be read: {reason}.") from error
    if len(content) > LARGEST:
        raise ConfigurationError(f"EVENT_LISTENERS: the file {path} is longer than {LARGEST} bytes.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ConfigurationError(f"EVENT_LISTENERS: {path.name}, line {line}: it is no UTF-8 text.") from None


def _problem(error: configparser.Error, shift: int) -> str:
    """Return what is wrong in which line. The line itself is not shown: it may hold a secret."""
    if isinstance(error, configparser.DuplicateOptionError):
        return f"line {(error.lineno or 0) - shift}: {error.option!r} is there twice; keep one."
    if isinstance(error, configparser.DuplicateSectionError):
        return f"line {(error.lineno or 0) - shift}: the section [{error.section}] is there twice; make it one."
    if isinstance(error, configparser.ParsingError) and error.errors:
        lines = ", ".join(str(number - shift) for number, _ in error.errors)
        return f"line {lines}: it is no `name = value`."
    number = getattr(error, "lineno", None)
    return f"cannot be read as an .ini file{f' (line {number - shift})' if number else ''}."

"""What a spectrum's header says: lines of comments, or the cards of FITS."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from heliostat.datapoints.times import mjd_of, mjd_of_jd

_LINE = re.compile(r"^#*\s*([A-Za-z][\w-]{0,30})\s*[:=]\s*(.*?)\s*$")
_MOMENTS = ("DATE-OBS", "DATE_OBS", "DATE-BEG", "MJD-OBS", "MJD_OBS", "MJD-BEG", "MJD", "UTC", "DATE")
_TIMES = ("UTSTART", "TIME-OBS", "UT", "UTC", "UTSHUT")
_FLUX_UNITS = ("BUNIT", "FLUX_UNIT", "FLUXUNIT", "UNITS")
_LONGEST = {"telescope": 100, "instrument": 100, "flux_unit": 60}


def parse_comments(lines: Iterable[str]) -> dict[str, str]:
    """Return the values of comment lines, `# KEY: value` or `# KEY = 'value' / comment`, by upper-case key."""
    header: dict[str, str] = {}
    for line in lines:
        if match := _LINE.match(line):
            header.setdefault(match[1].upper(), _value(match[2]))
    return header


def facts_of(header: Mapping[str, Any]) -> dict[str, Any]:
    """Return `time`, `telescope`, `instrument` and `flux_unit` of a spectrum, as far as its header has them."""
    facts: dict[str, Any] = {
        "time": _time(header),
        "telescope": _text(header, ("TELESCOP", "TELESCOPE")),
        "instrument": _text(header, ("INSTRUME", "INSTRUMENT")),
        "flux_unit": _text(header, _FLUX_UNITS),
    }
    short = {name: fact[: _LONGEST[name]] if name in _LONGEST else fact for name, fact in facts.items()}
    return {name: fact for name, fact in short.items() if fact not in (None, "")}


def _value(text: str) -> str:
    if text.startswith("'"):
        return text[1:].partition("'")[0].strip()
    return text.partition(" / ")[0].strip()


def _text(header: Mapping[str, Any], names: Iterable[str]) -> str:
    return next((str(header[name]).strip() for name in names if name in header), "")


def _time(header: Mapping[str, Any]) -> float | None:
    """Return the first moment that the header states in full: a date alone is none, where a time stands beside it."""
    clock = next((str(header[name]) for name in _TIMES if ":" in str(header.get(name, ""))), "")
    for name in _MOMENTS:
        value = header.get(name)
        if isinstance(value, str) and name.startswith("DATE") and len(value) == 10 and clock:  # noqa: PLR2004
            value = f"{value}T{clock.rpartition('T')[2]}"
        try:
            return mjd_of(value)
        except ValueError:
            continue
    try:
        return mjd_of_jd(header.get("JD", ""))
    except ValueError:
        return None

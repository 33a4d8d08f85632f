"""Check the rows that somebody wants to store, and give each its key."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from heliostat.datapoints.models import UNKNOWN_TIME
from heliostat.datapoints.times import DIGITS, mjd_of
from heliostat.dataproducts.problems import InvalidData, Problem
from heliostat.text import escape

Row: TypeAlias = "Mapping[str, Any]"
Checked: TypeAlias = "dict[str, Any]"

NUMBERS = ("magnitude", "flux", "error", "flux_error", "limit", "zero_point")
TEXTS = {"source": 200, "telescope": 100, "instrument": 100, "version": 50}
PHOTOMETRY_TEXTS = {**TEXTS, "band": 50, "system": 20, "unit": 40}
ASTROMETRY_TEXTS = {**TEXTS, "band": 50}
SPECTRUM_TEXTS = {**TEXTS, "wavelength_unit": 40, "flux_unit": 60}
LARGEST = 1e300  # what every database keeps as it is


def check(
    rows: Iterable[Row], checked: Callable[[Row], Checked], key: Sequence[str], lines: Sequence[int] | None
) -> list[Checked]:
    """Return the rows with clean values and ordinals. Raise `InvalidData` with the problems of all rows."""
    good, problems, seen = [], [], Counter[tuple[Any, ...]]()
    for index, row in enumerate(rows):
        try:
            one = checked(row)
        except ValueError as error:
            problems.append(Problem(lines[index] if lines else index + 1, str(error), "Line" if lines else "Row"))
            continue
        place = tuple(one[name] for name in key)
        one["ordinal"] = seen[place]
        seen[place] += 1
        good.append(one)
    if problems:
        raise InvalidData(problems)
    return good


def photometry(row: Row, source: str) -> Checked:
    """Return a clean row of photometry. Raise `ValueError` with all that is wrong."""
    one = _base(row, source, PHOTOMETRY_TEXTS, ("time", *NUMBERS))
    one["time"] = _time(row)
    one |= {name: _number(row, name) for name in NUMBERS}
    for name in ("error", "flux_error"):
        if one[name] is not None and one[name] < 0:
            raise ValueError(f"{name} must not be negative, as {one[name]!r} is.")
    if one["magnitude"] is None and one["flux"] is None and one["limit"] is None:
        raise ValueError("There is no magnitude, no flux and no limit.")
    return one


def astrometry(row: Row, source: str) -> Checked:
    """Return a clean row of astrometry. Raise `ValueError` with what is wrong."""
    numbers = ("ra", "dec", "ra_error", "dec_error", "magnitude")
    one = _base(row, source, ASTROMETRY_TEXTS, ("time", *numbers))
    one["time"] = _time(row)
    one |= {name: _number(row, name) for name in numbers}
    if one["ra"] is None or not 0 <= one["ra"] < 360:  # noqa: PLR2004  a circle
        raise ValueError(f"ra must be at least 0 and below 360 degrees, not {row.get('ra')!r}.")
    if one["dec"] is None or not -90 <= one["dec"] <= 90:  # noqa: PLR2004  pole to pole
        raise ValueError(f"dec must be from -90 to 90 degrees, not {row.get('dec')!r}.")
    return one


def spectrum(row: Row, source: str) -> Checked:
    """Return a clean spectrum. Raise `ValueError` with what is wrong."""
    one = _base(row, source, SPECTRUM_TEXTS, ("time", "wavelength", "flux", "error"))
    one["time"] = None if _is_empty(row.get("time")) else _time(row)
    one["moment"] = UNKNOWN_TIME if one["time"] is None else round(one["time"] * 10**DIGITS)
    one["wavelength_unit"] = one["wavelength_unit"] or "Angstrom"
    one["wavelength"], one["flux"] = _array(row, "wavelength"), _array(row, "flux")
    one["error"] = None if row.get("error") is None else _array(row, "error")
    lengths = {len(one[name]) for name in ("wavelength", "flux", "error") if one[name] is not None}
    if len(lengths) > 1:
        raise ValueError(f"wavelength, flux and error must have the same length, not {sorted(lengths)}.")
    if lengths == {0}:
        raise ValueError("The spectrum is empty.")
    if any(not 0 < one < math.inf for one in one["wavelength"]):
        raise ValueError("Each wavelength must be a positive number.")
    if len(set(one["wavelength"])) < len(one["wavelength"]):
        raise ValueError("A wavelength is there more than once.")
    return one


def _base(row: Row, source: str, texts: Mapping[str, int], others: Iterable[str]) -> Checked:
    if not isinstance(row, Mapping):
        raise ValueError(f"A row is an object with names and values, not {type(row).__name__}.")
    if unknown := [str(name) for name in row if name not in texts and name not in others]:
        raise ValueError(f"There is no column {', '.join(unknown[:5])}. Columns: {', '.join([*others, *texts])}.")
    one = {name: _text(row, name, longest) for name, longest in texts.items()}
    one["source"] = one["source"] or source
    return one


def _time(row: Row) -> float:
    value = row.get("time")
    if _is_empty(value):
        raise ValueError("There is no time.")
    return mjd_of(value)


def _is_empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _text(row: Row, name: str, longest: int) -> str:
    value = row.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"{name} must be a text, not {value!r:.50}.")
    text = str(value).strip()
    if len(text) > longest:
        raise ValueError(f"{name} has {len(text)} characters; {longest} are allowed.")
    if escape(text) != text:
        raise ValueError(f"{name} holds a hidden character: {text!a:.50}.")
    return text


def _number(row: Row, name: str) -> float | None:
    """Return a number, or None where there is none: NULL, an empty text or NaN."""
    value = row.get(name)
    if _is_empty(value):
        return None
    number = _float(value, name)
    if math.isnan(number):
        return None
    if not -LARGEST <= number <= LARGEST:
        raise ValueError(f"{name} must be a finite number, not {value!r:.50}.")
    return number


def _float(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"{name} must be a number, not {value!r:.50}.")
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise ValueError(f"{name} must be a number, not {value!r:.50}.") from None


def _array(row: Row, name: str) -> list[float]:
    """Return the numbers of an array; what is missing is NaN."""
    values = row.get(name)
    if not isinstance(values, Sequence) or isinstance(values, (str, bytes)):
        raise ValueError(f"{name} must be a list of numbers.")
    numbers = [math.nan if value is None else _float(value, name) for value in values]
    if any(math.isinf(number) for number in numbers):
        raise ValueError(f"{name} holds a number that is not finite.")
    return numbers

"""Times of observations as modified Julian dates, UTC."""

from __future__ import annotations

import math
from datetime import UTC, datetime

DIGITS = 8  # decimals of a day: 0.9 milliseconds
JULIAN = 2_400_000.5  # Julian date of MJD 0
EARLIEST, LATEST = -500_000.0, 500_000.0  # the years 490 and 3227
_EPOCH = datetime(1858, 11, 17, tzinfo=UTC)


def mjd_of(value: object) -> float:
    """Return the modified Julian date of a number, of its text, of a `datetime` or of ISO 8601 (both UTC if not said).

    Raise `ValueError` with the reason where the value is no time.
    """
    mjd = _number(value)
    if not math.isfinite(mjd):
        raise ValueError(f"{value!r} is not a finite number.")
    if not EARLIEST <= mjd <= LATEST:
        hint = " It looks like a Julian date: subtract 2400000.5." if mjd - JULIAN >= EARLIEST and mjd > LATEST else ""
        raise ValueError(f"{value!r} is not a modified Julian date.{hint}")
    return round(mjd, DIGITS) + 0.0  # without the sign of -0.0


def mjd_of_jd(value: object) -> float:
    """Return the modified Julian date of a Julian date. Raise `ValueError` as `mjd_of`."""
    try:
        return mjd_of(float(str(value)) - JULIAN)
    except ValueError:
        raise ValueError(f"{value!r} is not a Julian date.") from None


def _number(value: object) -> float:
    if isinstance(value, datetime):
        return _of_datetime(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    text = str(value).strip()
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return _of_datetime(datetime.fromisoformat(text))
    except ValueError:
        raise ValueError(
            f"{value!r:.60} is not a time. Write a modified Julian date (60000.25) or ISO 8601 (2023-02-25T06:00:00)."
        ) from None


def _of_datetime(moment: datetime) -> float:
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    passed = moment - _EPOCH
    return passed.days + (passed.seconds + passed.microseconds / 1e6) / 86_400

"""Positions on the sky, in degrees: how they are written, and how far apart they are."""

from __future__ import annotations

import math
import re

_SEXAGESIMAL = re.compile(r"^([+-]?)(\d{1,3})[:\sh°d]+(\d{1,2})[:\sm′']+(\d{1,2}(?:\.\d*)?)\s*[s″\"]?$")


def separation(ra: float, dec: float, other_ra: float, other_dec: float) -> float:
    """Angle between two positions in degrees (haversine: exact for the smallest angles, at the poles too)."""
    dec_half = math.radians(other_dec - dec) / 2
    ra_half = math.radians(other_ra - ra) / 2
    cosines = math.cos(math.radians(dec)) * math.cos(math.radians(other_dec))
    h = math.sin(dec_half) ** 2 + cosines * math.sin(ra_half) ** 2
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(h))))


def sexagesimal_ra(ra: float) -> str:
    """`05:35:17.300`, hours. Rounded as one number, so that no field shows 60."""
    return _sexagesimal(ra / 15 % 24, 24, 3)


def sexagesimal_dec(dec: float) -> str:
    """`-05:23:28.00`, degrees."""
    return ("-" if dec < 0 else "+") + _sexagesimal(abs(dec), None, 2)


def _sexagesimal(value: float, full_circle: int | None, digits: int) -> str:
    unit = 10**digits
    total = round(value * 3600 * unit)
    if full_circle:
        total %= full_circle * 3600 * unit
    minutes, fraction = divmod(total, 60 * unit)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{fraction / unit:0{digits + 3}.{digits}f}"


def parse_angle(text: str, *, hours: bool) -> float:
    """Degrees from `83.82` or from `05:35:17.3` (hours, for right ascension). Raises ValueError."""
    match = _SEXAGESIMAL.match(text.strip())
    if match is None:
        value = float(text)
        if not math.isfinite(value):
            raise ValueError(text)
        return value
    sign, whole, minutes, seconds = match.groups()
    if int(minutes) >= 60 or float(seconds) >= 60:  # noqa: PLR2004  minutes and seconds
        raise ValueError(text)
    value = int(whole) + int(minutes) / 60 + float(seconds) / 3600
    return (-value if sign == "-" else value) * (15 if hours else 1)

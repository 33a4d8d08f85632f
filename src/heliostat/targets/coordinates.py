"""Positions on the sky, in degrees: how they are written, and how far apart they are."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import NamedTuple

_DIGITS = 6  # decimals of a degree: 4 milliarcseconds


class Position(NamedTuple):
    """A place on the sky, ICRS, in degrees."""

    ra: float
    dec: float

    def __str__(self) -> str:
        """`83.822 -5.391`: all digits, so that it reads as the same position again."""
        return " ".join(format(Decimal(repr(float(value))), "f") for value in self)

    @property
    def decimals(self) -> int:
        """Decimals of a degree that it was given with; at most 6, for a position that was computed has 15."""
        given = [len(text.partition(".")[2].rstrip("0")) for text in str(self).split()]
        return min(_DIGITS, max(given))

    @property
    def degrees(self) -> str:
        """`83.822° −5.391°`, as precise as it was given."""
        return f"{self.ra:.{self.decimals}f}° {self.dec:+.{self.decimals}f}°".replace("-", "\u2212")

    @property
    def sexagesimal(self) -> str:
        """`05:35:17.3 -05:23:28`, as precise as it was given."""
        digits = self.decimals
        if digits == _DIGITS:
            return f"{sexagesimal_ra(self.ra)} {sexagesimal_dec(self.dec)}"
        ra, dec = max(0, digits - 2), max(0, digits - 3)
        return f"{sexagesimal_ra(self.ra, ra)} {sexagesimal_dec(self.dec, dec)}"


def separation(ra: float, dec: float, other_ra: float, other_dec: float) -> float:
    """Angle between two positions in degrees (haversine: exact for the smallest angles, at the poles too)."""
    dec_half = math.radians(other_dec - dec) / 2
    ra_half = math.radians(other_ra - ra) / 2
    cosines = math.cos(math.radians(dec)) * math.cos(math.radians(other_dec))
    h = math.sin(dec_half) ** 2 + cosines * math.sin(ra_half) ** 2
    return math.degrees(2 * math.asin(min(1.0, math.sqrt(h))))


def sexagesimal_ra(ra: float, digits: int = 3) -> str:
    """`05:35:17.300`, hours. Rounded as one number, so that no field shows 60."""
    return _sexagesimal(ra / 15 % 24, 24, digits)


def sexagesimal_dec(dec: float, digits: int = 2) -> str:
    """`-05:23:28.00`, degrees."""
    return ("-" if dec < 0 else "+") + _sexagesimal(abs(dec), None, digits)


def _sexagesimal(value: float, full_circle: int | None, digits: int) -> str:
    unit = 10**digits
    total = round(value * 3600 * unit)
    if full_circle:
        total %= full_circle * 3600 * unit
    minutes, fraction = divmod(total, 60 * unit)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{fraction / unit:0{digits + 3 if digits else 2}.{digits}f}"

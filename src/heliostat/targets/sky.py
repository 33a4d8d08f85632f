"""What a position is elsewhere: galactic, ecliptic, in a constellation, and in the catalogues of others."""

from __future__ import annotations

import math
from typing import NamedTuple
from urllib.parse import urlencode

import ephem

from heliostat.targets.coordinates import Position

Matrix = tuple[tuple[float, float, float], ...]

# ICRS to galactic: ESA, The Hipparcos and Tycho Catalogues (1997), volume 1, section 1.5.3.
_GALACTIC: Matrix = (
    (-0.0548755604162154, -0.8734370902348850, -0.4838350155487132),
    (+0.4941094278755837, -0.4448296299600112, +0.7469822444972189),
    (-0.8676661490190047, -0.1980763734312015, +0.4559837761750669),
)
# Obliquity of the ecliptic at J2000: IAU 2006 resolution B1. The frame bias, 0.02″, is left out.
_OBLIQUITY = math.radians(84381.406 / 3600)
_ECLIPTIC: Matrix = (
    (1.0, 0.0, 0.0),
    (0.0, math.cos(_OBLIQUITY), math.sin(_OBLIQUITY)),
    (0.0, -math.sin(_OBLIQUITY), math.cos(_OBLIQUITY)),
)


class Link(NamedTuple):
    name: str
    url: str


def galactic(place: Position) -> tuple[float, float]:
    """Return galactic longitude and latitude, in degrees."""
    return _rotated(place, _GALACTIC)


def ecliptic(place: Position) -> tuple[float, float]:
    """Return ecliptic longitude and latitude of J2000, in degrees, to 0.02″."""
    return _rotated(place, _ECLIPTIC)


def constellation(place: Position) -> str:
    """Return the constellation: its boundaries are those of the IAU, by Roman (1987)."""
    ra, dec = math.radians(place.ra), math.radians(place.dec)
    return str(ephem.constellation((ra, dec), epoch=ephem.J2000)[1])


def links(place: Position) -> list[Link]:
    """Return where other services show this place, within 1′ of it."""
    ra, dec = f"{place.ra:.6f}", f"{place.dec:.6f}"
    both = f"{ra} {place.dec:+.6f}"
    near = {"search_type": "Near Position Search", "in_csys": "Equatorial", "in_equinox": "J2000"}
    queries = (
        ("SIMBAD", "https://simbad.cds.unistra.fr/simbad/sim-coo",
         {"Coord": both, "CooFrame": "ICRS", "Radius": 1, "Radius.unit": "arcmin"}),
        ("NED", "https://ned.ipac.caltech.edu/conesearch", {**near, "ra": f"{ra}d", "dec": f"{dec}d", "radius": 1}),
        ("TNS", "https://www.wis-tns.org/search", {"ra": ra, "decl": dec, "radius": 60, "coords_unit": "arcsec"}),
        ("Aladin", "https://aladin.cds.unistra.fr/AladinLite/", {"target": both, "fov": 0.1}),
        ("Legacy Survey", "https://www.legacysurvey.org/viewer",
         {"ra": ra, "dec": dec, "layer": "ls-dr10", "zoom": 15, "mark": f"{ra},{dec}"}),
    )  # fmt: skip
    return [Link(name, f"{address}?{urlencode(query)}") for name, address, query in queries]


def _rotated(place: Position, matrix: Matrix) -> tuple[float, float]:
    ra, dec = math.radians(place.ra), math.radians(place.dec)
    vector = (math.cos(dec) * math.cos(ra), math.cos(dec) * math.sin(ra), math.sin(dec))
    x, y, z = (sum(one * other for one, other in zip(row, vector, strict=True)) for row in matrix)
    return math.degrees(math.atan2(y, x)) % 360, math.degrees(math.atan2(z, math.hypot(x, y)))

"""Columns of files: the names that astronomers give them, and the values in their cells."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from heliostat.datapoints.processors.base import ASTROMETRY, PHOTOMETRY, SPECTROSCOPY
from heliostat.datapoints.times import mjd_of_jd

_NO_SIGNS = re.compile(r"[^a-z0-9]+")
MISSING = frozenset({"", "-", "--", "nan", "null", "none", "n/a", "na"})
JULIAN_DATE = "jd"

# Of several names in one file the first is read. Signs and capitals do not matter: "mag_err" is "MagErr".
_POINT: dict[str, Sequence[str]] = {
    "time": ("mjd", "mjdobs", "time", "obsmjd", "mjdutc", "date", "dateobs", "obsdate", "obstime", "datetime", "utc"),
    JULIAN_DATE: ("jd", "jdobs", "obsjd", "jdutc"),
    "band": ("band", "filter", "filt", "passband", "filtername", "bandpass"),
    "telescope": ("telescope", "telescop", "telescopename"),
    "instrument": ("instrument", "instrume", "instrumentname"),
    "source": ("source", "origin"),
    "version": ("version",),
}
_COLUMNS: dict[str, dict[str, Sequence[str]]] = {
    PHOTOMETRY: _POINT
    | {
        "magnitude": ("magnitude", "mag", "magpsf", "psfmag"),
        "error": (
            "error",
            "magerr",
            "magerror",
            "magnitudeerror",
            "magnitudeerr",
            "errmag",
            "emag",
            "emagnitude",
            "dmag",
            "sigmapsf",
            "maguncertainty",
            "uncertainty",
            "err",
        ),
        "flux": ("flux", "psfflux", "fluxdensity"),
        "flux_error": ("fluxerror", "fluxerr", "fluxunc", "fluxuncertainty", "eflux", "dflux", "psffluxerr"),
        "limit": (
            "limit",
            "limitingmag",
            "limitingmagnitude",
            "maglimit",
            "maglim",
            "limmag",
            "diffmaglim",
            "upperlimit",
        ),
        "zero_point": ("zeropoint", "zp", "magzp", "magzpsci"),
        "system": ("system", "magsys", "magsystem", "magnitudesystem", "zpsys"),
        "unit": ("unit", "fluxunit", "units"),
    },
    ASTROMETRY: _POINT
    | {
        "ra": ("ra", "raj2000", "radeg", "rightascension", "raicrs"),
        "dec": ("dec", "decl", "dej2000", "decj2000", "decdeg", "declination", "deicrs"),
        "ra_error": ("raerror", "raerr", "raunc", "era", "eraj2000", "sigmara"),
        "dec_error": ("decerror", "decerr", "decunc", "edec", "edej2000", "sigmadec"),
        "magnitude": ("magnitude", "mag"),
    },
    SPECTROSCOPY: {
        "wavelength": ("wavelength", "wavelengths", "wave", "wavelen", "wav", "lambda", "lam", "lbda"),
        "loglam": ("loglam", "logwave"),
        "flux": ("flux", "fluxes", "flam", "flambda", "fnu", "fluxdensity"),
        "error": ("error", "errors", "err", "fluxerror", "fluxerr", "fluxunc", "fluxuncertainty", "sigma", "eflux"),
        "variance": ("variance", "var", "fluxvar", "fluxvariance"),
        "ivar": ("ivar",),
    },
}
NEEDED: dict[str, tuple[tuple[str, ...], ...]] = {
    PHOTOMETRY: (("time", JULIAN_DATE), ("magnitude", "flux", "limit")),
    ASTROMETRY: (("time", JULIAN_DATE), ("ra",), ("dec",)),
    SPECTROSCOPY: (("wavelength", "loglam"), ("flux",)),
}
"""Columns without which a file is not of a kind: one of each group."""


def plain(name: str) -> str:
    """Return the name of a column in small letters and without signs."""
    return _NO_SIGNS.sub("", name.casefold())


def find_columns(names: Sequence[str], kind: str) -> dict[str, int]:
    """Return the index of each column that a kind of data has, by our name for it."""
    places: dict[str, int] = {}
    for index, name in enumerate(names):
        places.setdefault(plain(name), index)
    found = {
        ours: next((places[theirs] for theirs in theirs_all if theirs in places), None)
        for ours, theirs_all in _COLUMNS[kind].items()
    }
    return {ours: index for ours, index in found.items() if index is not None}


def missing_columns(found: Iterable[str], kind: str) -> str:
    """Return what a kind of data needs and these columns have not, as a sentence; empty where nothing is missing."""
    there = set(found)
    absent = [" or ".join(group) for group in NEEDED[kind] if not there.intersection(group)]
    return f"There is no column {', and none '.join(absent)}." if absent else ""


def ignored(names: Sequence[str], found: Mapping[str, int]) -> list[str]:
    """Return a note that names the columns that are not read."""
    left = [name for index, name in enumerate(names) if name and index not in found.values()]
    return [f"Columns that were not read: {', '.join(left)}."] if left else []


def present(cell: Any) -> bool:
    """Return whether a cell holds a value."""
    if isinstance(cell, str):
        return cell.strip().casefold() not in MISSING
    return cell is not None and not (isinstance(cell, float) and math.isnan(cell))


def point_of(cells: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return a row of photometry or astrometry of the cells of a line. Raise `ValueError` where its date is none."""
    row = {name: cell for name, cell in cells.items() if present(cell)}
    julian = row.pop(JULIAN_DATE, None)
    if julian is not None and "time" not in row:
        row["time"] = mjd_of_jd(julian)
    if kind != PHOTOMETRY:
        return row
    magnitude = row.get("magnitude")
    if isinstance(magnitude, str) and magnitude.strip().startswith((">", "<")):  # ">20.3": fainter than that
        row.setdefault("limit", magnitude.strip()[1:])
        del row["magnitude"]
    if "magnitude" not in row and "flux_error" in row:
        row["error"] = row.pop("flux_error")
    return row


def spectrum_of(columns: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Return the arrays of a spectrum; logarithms, variances and their inverses become what they are of."""
    arrays: dict[str, Any] = {"flux": list(columns["flux"])}
    if "wavelength" in columns:
        arrays["wavelength"] = list(columns["wavelength"])
    else:
        arrays["wavelength"] = [10.0**one for one in columns["loglam"]]
    if "error" in columns:
        arrays["error"] = list(columns["error"])
    elif "variance" in columns:
        arrays["error"] = [math.sqrt(one) if one >= 0 else math.nan for one in columns["variance"]]
    elif "ivar" in columns:
        arrays["error"] = [1 / math.sqrt(one) if one > 0 else math.nan for one in columns["ivar"]]
    return arrays

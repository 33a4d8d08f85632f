"""Photometry and spectra as SkyPortal takes and hands them out: its CSV, and the JSON of its API."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from heliostat.datapoints.processors.base import PHOTOMETRY, SPECTROSCOPY, DataFile, Processor, Reading
from heliostat.datapoints.processors.columns import point_of
from heliostat.datapoints.processors.comma_separated import CommaSeparated, header_of
from heliostat.dataproducts.problems import InvalidData

DETECTION = 5.0  # standard errors of a limit
_HEADER = frozenset({"filter", "mjd", "magsys"})
_OF_POINT = {
    "mjd": "time",
    "filter": "band",
    "mag": "magnitude",
    "magerr": "error",
    "flux": "flux",
    "fluxerr": "flux_error",
    "zp": "zero_point",
    "magsys": "system",
    "limiting_mag": "limit",
    "instrument_name": "instrument",
    "telescope_name": "telescope",
    "origin": "source",
}
_OF_SPECTRUM = {
    "wavelengths": "wavelength",
    "fluxes": "flux",
    "errors": "error",
    "observed_at": "time",
    "instrument_name": "instrument",
    "telescope_name": "telescope",
    "origin": "source",
    "units": "flux_unit",
}


class SkyPortalTable(CommaSeparated):
    """CSV with `mjd`, `filter`, `magsys`, and magnitudes with limits or fluxes with zero points.

    A row without a flux is a non-detection: its limit is the magnitude of five times the flux error.
    """

    name = "SkyPortal"
    kinds = (PHOTOMETRY,)

    def recognizes(self, file: DataFile, kind: str) -> bool:
        return _HEADER.issubset(header_of(file)) and super().recognizes(file, kind)

    def point(self, cells: Mapping[str, str], kind: str) -> dict[str, Any]:
        return with_limit(super().point(cells, kind))


class SkyPortalJson(Processor):
    """The answers of `/api/sources/ID/photometry` and `/api/sources/ID/spectra`, or lists of what is in them."""

    name = "SkyPortal JSON"
    kinds = (PHOTOMETRY, SPECTROSCOPY)

    def recognizes(self, file: DataFile, kind: str) -> bool:
        sign = b'"mjd"' if kind == PHOTOMETRY else b'"wavelengths"'
        return file.content.lstrip()[:1] in (b"{", b"[") and sign in file.content

    def read(self, file: DataFile, kind: str) -> Reading:
        try:
            answer = json.loads(file.text)
        except (ValueError, RecursionError) as error:
            raise InvalidData(f"This is no JSON: {error}") from None
        answer = answer.get("data", answer) if isinstance(answer, dict) else answer
        objects = answer.get("spectra", answer) if isinstance(answer, dict) else answer
        if not isinstance(objects, list) or not all(isinstance(one, dict) for one in objects):
            raise InvalidData("The JSON has no list of points or spectra.")
        if kind == PHOTOMETRY:
            return Reading([with_limit(point_of(_renamed(one, _OF_POINT), kind)) for one in objects])
        return Reading([_spectrum(one) for one in objects])


def with_limit(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row, with its limit where it has neither magnitude nor flux, but a zero point and a flux error."""
    if any(name in row for name in ("magnitude", "flux", "limit")):
        return row
    try:
        error, zero_point = float(row["error"]), float(row["zero_point"])
        return {**row, "limit": zero_point - 2.5 * math.log10(DETECTION * error)}
    except (KeyError, TypeError, ValueError):
        return row


def _spectrum(one: Mapping[str, Any]) -> dict[str, Any]:
    spectrum = _renamed(one, _OF_SPECTRUM)
    return {name: value for name, value in spectrum.items() if value is not None}


def _renamed(one: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {ours: one[theirs] for theirs, ours in names.items() if theirs in one}

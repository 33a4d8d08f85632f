"""FITS: binary tables of points or spectra, and spectra as images of one axis."""

from __future__ import annotations

import io
import warnings
from typing import Any

from heliostat.datapoints.processors.astropy_tables import of_table
from heliostat.datapoints.processors.base import SPECTROSCOPY, DataFile, Processor, Reading
from heliostat.datapoints.processors.columns import find_columns, missing_columns
from heliostat.datapoints.processors.headers import facts_of
from heliostat.datapoints.processors.offline import astropy_module
from heliostat.dataproducts.problems import InvalidData

GZIP = b"\x1f\x8b"
DISPERSION = 3  # axes of IRAF's multispec: pixel, aperture, band


class Fits(Processor):
    """The first table with the columns; else, for a spectrum, the first image with an axis of wavelengths."""

    name = "FITS"

    def recognizes(self, file: DataFile, kind: str) -> bool:  # noqa: ARG002
        return file.head.startswith((b"SIMPLE  =", GZIP))

    def read(self, file: DataFile, kind: str) -> Reading:
        fits = astropy_module("astropy.io.fits")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with fits.open(io.BytesIO(file.content), memmap=False, lazy_load_hdus=True) as units:
                return _read(units, kind)


def _read(units: Any, kind: str) -> Reading:
    primary = dict(units[0].header)
    tables = [unit for unit in units if getattr(unit, "columns", None) is not None]
    for unit in tables:
        if not missing_columns(find_columns(unit.columns.names, kind), kind):
            table = astropy_module("astropy.table").Table.read(unit)
            return of_table(table, kind, primary | dict(unit.header))
    if kind == SPECTROSCOPY:
        for unit in units:
            if getattr(unit, "is_image", False) and unit.data is not None and _is_spectrum(unit):
                return Reading([_of_image(unit, primary)])
    columns = "; ".join(", ".join(unit.columns.names) for unit in tables) or "no table"
    raise InvalidData(f"The FITS file holds no {kind}: {columns}.")


def _is_spectrum(unit: Any) -> bool:
    """Return whether an image has one axis that is longer than 1, or is a stack of spectra of IRAF."""
    long_axes = [length for length in unit.data.shape if length > 1]
    is_stack = "multispec" in str(unit.header.get("WAT0_001", "")) or unit.data.ndim == DISPERSION
    has_wavelengths = "CRVAL1" in unit.header and ("CDELT1" in unit.header or "CD1_1" in unit.header)
    return has_wavelengths and (len(long_axes) == 1 or is_stack)


def _of_image(unit: Any, primary: dict[str, Any]) -> dict[str, Any]:
    header = primary | dict(unit.header)
    fluxes = unit.data.reshape(-1, unit.data.shape[-1])[0].tolist()
    step = header.get("CD1_1") or header["CDELT1"]
    first = header["CRVAL1"] + (1 - header.get("CRPIX1", 1)) * step
    wavelengths = [first + index * step for index in range(len(fluxes))]
    if header.get("DC-FLAG") == 1 or "LOG" in str(header.get("CTYPE1", "")).upper():
        wavelengths = [10.0**one for one in wavelengths]
    return {
        "wavelength": wavelengths,
        "flux": fluxes,
        "wavelength_unit": str(header.get("CUNIT1") or "Angstrom"),
        **facts_of(header),
    }

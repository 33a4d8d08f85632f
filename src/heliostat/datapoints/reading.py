"""Read files: find the processor of a file, and store what it reads."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points

from django.core.checks import CheckMessage

from heliostat.console.classes import NamedClasses
from heliostat.datapoints.processors.ascii_spectra import AsciiSpectrum
from heliostat.datapoints.processors.astropy_tables import EnhancedCsv, VOTable
from heliostat.datapoints.processors.atlas import Atlas
from heliostat.datapoints.processors.base import DataFile, Processor, Reading
from heliostat.datapoints.processors.comma_separated import CommaSeparated
from heliostat.datapoints.processors.fits import Fits
from heliostat.datapoints.processors.skyportal import SkyPortalJson, SkyPortalTable
from heliostat.dataproducts.problems import InvalidData

GROUP = "heliostat.processors"
BUNDLED: tuple[type[Processor], ...] = (
    Fits,
    VOTable,
    EnhancedCsv,
    SkyPortalJson,
    SkyPortalTable,
    Atlas,
    AsciiSpectrum,
    CommaSeparated,
)
MARKUP = (b"<!doctype html", b"<html", b"<head", b"<body")

configured: NamedClasses[Processor] = NamedClasses("TOM_DATA_PROCESSORS", Processor, "heliostat.datapoints", ())


def check_processors(**_: object) -> list[CheckMessage]:
    """System check: `TOM_DATA_PROCESSORS` names processors."""
    return configured.check()


def processors() -> Iterator[Processor]:
    """Yield all processors: those of the setting, then of installed packages, then the bundled ones."""
    for own in configured.all().values():
        yield own()
    for entry in entry_points(group=GROUP):
        yield entry.load()()
    for bundled in BUNDLED:
        yield bundled()


def read_file(file: DataFile, kind: str) -> Reading:
    """Return what a file holds of a kind of data: "photometry", "spectroscopy" or "astrometry".

    Raise `InvalidData` where no processor knows the file, or the one that does finds bad lines.
    """
    if not file.content.strip():
        raise InvalidData("The file is empty.")
    if file.head.lstrip().lower().startswith(MARKUP):
        raise InvalidData("This is a page of a web site (HTML), not data. Was it an error page?")
    fitting = [one for one in processors() if kind in one.kinds]
    processor = next((one for one in fitting if one.recognizes(file, kind)), None)
    if processor is None:
        known = ", ".join(one.name for one in fitting)
        raise InvalidData(f"This is no {kind} in a format that is known here ({known}). {_first_line(file)}")
    try:
        reading = processor.read(file, kind)
    except InvalidData:
        raise
    except Exception as error:  # whatever a library says of a damaged file
        raise InvalidData(f"{processor.name} cannot read this file: {error or type(error).__name__}") from error
    if not reading.rows:
        raise InvalidData("The file holds no rows.")
    return reading


def _first_line(file: DataFile) -> str:
    line = next((line for line in file.text.splitlines() if line.strip() and not line.startswith("#")), "")
    return f"Its first line is {line[:100]!a}."

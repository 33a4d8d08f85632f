"""Spectra as text: columns of numbers between blanks, below comments that begin with `#`."""

from __future__ import annotations

import re

from heliostat.datapoints.processors.base import SPECTROSCOPY, DataFile, Processor, Reading
from heliostat.datapoints.processors.columns import find_columns, ignored, missing_columns, spectrum_of
from heliostat.datapoints.processors.comma_separated import numbers
from heliostat.datapoints.processors.headers import facts_of, parse_comments
from heliostat.dataproducts.problems import InvalidData, Problem

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?|nan", re.IGNORECASE)
# The names of the columns and the first row on one line, without a line end: `##  wav   flux4020.00 2.3613`.
_JOINED = re.compile(r"^#+(?P<names>[\sA-Za-z_]*[A-Za-z_])(?P<row>\d+\.\d*(?:\s+[+-]?[\d.]+(?:[eE][+-]?\d+)?)+)\s*$")
_UNNAMED = {"wavelength": 0, "flux": 1, "error": 2}
_VARIANCE = {"wavelength": 0, "flux": 1, "variance": 2}
_MAKER_OF_VARIANCES = "PYSEDM"  # the third column of a SEDM spectrum is the variance of the flux

Line = tuple[int, str]


class AsciiSpectrum(Processor):
    """Wavelength, flux and, if it is there, error; other columns are found by a comment line that names them."""

    name = "ASCII spectrum"
    kinds = (SPECTROSCOPY,)

    def recognizes(self, file: DataFile, kind: str) -> bool:  # noqa: ARG002
        first = next((line for line in file.text.splitlines() if line.strip() and not line.startswith("#")), "")
        values = first.split()
        return len(values) > 1 and all(_NUMBER.fullmatch(value) for value in values[:2])

    def read(self, file: DataFile, kind: str) -> Reading:  # noqa: ARG002
        lines = [(number, line) for number, line in enumerate(file.text.splitlines(), start=1) if line.strip()]
        comments = [(number, line) for number, line in lines if line.startswith("#")]
        rows = [(number, line.split()) for number, line in lines if not line.startswith("#")]
        width = len(rows[0][1])
        notes: list[str] = []
        last = max((line for line in comments if line[0] < rows[0][0]), default=(0, ""))
        if (joined := _JOINED.match(last[1])) and len(joined["row"].split()) == width:
            rows.insert(0, (last[0], joined["row"].split()))
            last = (last[0], joined["names"])
            notes.append(f"Line {last[0]}: the first row follows the names of the columns without a line end.")
        _check_widths(rows, width)
        header = parse_comments(line for _number, line in comments)
        names, found = _columns(last[1], width, header)
        cells = [(number, {name: _plain(values[index]) for name, index in found.items()}) for number, values in rows]
        spectrum = spectrum_of(numbers(cells)) | facts_of(header)
        return Reading([spectrum], [rows[0][0]], [*notes, *ignored(names, found)])


def _check_widths(rows: list[tuple[int, list[str]]], width: int) -> None:
    problems = [
        Problem(number, f"{len(values)} values; line {rows[0][0]} has {width}.")
        for number, values in rows
        if len(values) != width
    ]
    if problems:
        raise InvalidData(problems)


def _columns(comment: str, width: int, header: dict[str, str]) -> tuple[list[str], dict[str, int]]:
    """Return the names of all columns, and the places of those to read: as the last comment says, or else in order."""
    names = comment.strip("#").split()
    found = find_columns(names, SPECTROSCOPY)
    if len(names) == width and not missing_columns(found, SPECTROSCOPY):
        return names, found
    order = _VARIANCE if any(key.startswith(_MAKER_OF_VARIANCES) for key in header) else _UNNAMED
    places = {name: index for name, index in order.items() if index < width}
    return [f"{index + 1}" for index in range(width)], places


def _plain(number: str) -> str:
    """Return a number with `E` before its exponent, where Fortran writes `D`."""
    return number.replace("D", "E").replace("d", "e")

"""Forced photometry of ATLAS (https://fallingstar-data.com/forcedphot/): columns between blanks below `###MJD`."""

from __future__ import annotations

from typing import Any

from heliostat.datapoints.processors.base import PHOTOMETRY, DataFile, Processor, Reading
from heliostat.dataproducts.problems import InvalidData, Problem

DETECTION = 3.0  # standard errors from which a magnitude is one
ZERO_POINT = 23.9  # AB magnitude of 1 microjansky
_COLUMNS = ("MJD", "m", "dm", "uJy", "duJy", "F", "err", "mag5sig", "Obs")


class Atlas(Processor):
    """Fluxes in microjansky; a magnitude where the flux is three standard errors, else the limit of five.

    Rows whose `err` is not 0, which ATLAS marks as bad, are left out.
    """

    name = "ATLAS"
    kinds = (PHOTOMETRY,)

    def recognizes(self, file: DataFile, kind: str) -> bool:  # noqa: ARG002
        first = file.head.lstrip().partition(b"\n")[0].replace(b",", b" ").lstrip(b"#").split()
        return first[:3] == [b"MJD", b"m", b"dm"] and b"uJy" in first

    def read(self, file: DataFile, kind: str) -> Reading:  # noqa: ARG002
        lines = [(number, line) for number, line in enumerate(file.text.splitlines(), start=1) if line.strip()]
        names = _cells(lines[0][1].lstrip("#"))
        if missing := [name for name in _COLUMNS if name not in names]:
            raise InvalidData([Problem(lines[0][0], f"There is no column {', '.join(missing)}.")])
        rows, numbers, problems, bad = [], [], [], 0
        for number, line in lines[1:]:
            cells = _cells(line)
            if len(cells) != len(names):
                problems.append(Problem(number, f"{len(cells)} values; the header has {len(names)} columns."))
                continue
            try:
                row = _row(dict(zip(names, cells, strict=True)))
            except ValueError as error:
                problems.append(Problem(number, str(error)))
                continue
            bad += row is None
            if row is not None:
                rows.append(row)
                numbers.append(number)
        if problems:
            raise InvalidData(problems)
        notes = [f"{bad} rows that ATLAS marks as bad (err is not 0) were left out."] if bad else []
        return Reading(rows, numbers, notes)


def _cells(line: str) -> list[str]:
    return line.replace(",", " ").split()


def _row(cells: dict[str, str]) -> dict[str, Any] | None:
    """Return a row, or None for one that is marked as bad."""
    if float(cells["err"]) != 0:
        return None
    flux, error = float(cells["uJy"]), float(cells["duJy"])
    row: dict[str, Any] = {
        "time": cells["MJD"],
        "band": cells["F"],
        "flux": flux,
        "unit": "uJy",
        "zero_point": ZERO_POINT,
        "system": "AB",
        "limit": cells["mag5sig"],
        "telescope": "ATLAS",
        "instrument": cells["Obs"][:3],  # the camera: 01a, 02a …
    }
    if flux >= DETECTION * error > 0 and float(cells["m"]) > 0:
        return {**row, "magnitude": cells["m"], "error": cells["dm"], "flux_error": error}
    return {**row, "error": error}

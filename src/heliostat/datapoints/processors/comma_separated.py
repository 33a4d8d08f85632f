"""Tables as text: a header line, and values between commas, semicolons, tabs or bars."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from typing import Any

from heliostat.datapoints.processors.base import SPECTROSCOPY, DataFile, Processor, Reading
from heliostat.datapoints.processors.columns import (
    find_columns,
    ignored,
    missing_columns,
    point_of,
    present,
    spectrum_of,
)
from heliostat.datapoints.processors.headers import facts_of, parse_comments
from heliostat.dataproducts.problems import InvalidData, Problem

DELIMITERS = ",;\t|"


class CommaSeparated(Processor):
    """CSV. Lines that begin with `#` are comments; those of a spectrum may state `# DATE-OBS: …` and the like."""

    name = "CSV"

    def recognizes(self, file: DataFile, kind: str) -> bool:
        names = header_of(file)
        return len(names) > 1 and not missing_columns(find_columns(names, kind), kind)

    def read(self, file: DataFile, kind: str) -> Reading:
        names = header_of(file)
        found = find_columns(names, kind)
        if complaint := missing_columns(found, kind):
            raise InvalidData(complaint)
        lines = list(_lines(file, len(names)))
        cells = [(number, {name: values[index] for name, index in found.items()}) for number, values in lines]
        reading = _spectrum(cells, file) if kind == SPECTROSCOPY else self._points(cells, kind)
        reading.notes += ignored(names, found)
        return reading

    def _points(self, cells: list[tuple[int, dict[str, str]]], kind: str) -> Reading:
        rows, problems = [], []
        for number, one in cells:
            try:
                rows.append(self.point(one, kind))
            except ValueError as error:
                problems.append(Problem(number, str(error)))
        if problems:
            raise InvalidData(problems)
        return Reading(rows, [number for number, _one in cells])

    def point(self, cells: Mapping[str, str], kind: str) -> dict[str, Any]:
        """Return the row of a line."""
        return point_of(cells, kind)


def header_of(file: DataFile) -> list[str]:
    """Return the names of the columns: the cells of the first line that is no comment. None of them is a number."""
    for line in file.text.splitlines():
        if line.strip() and not line.startswith("#"):
            try:
                names = [name.strip() for name in next(csv.reader([line], delimiter=_delimiter(line)))]
            except csv.Error:
                return []
            return [] if any(map(_is_number, names)) else names
    return []


def numbers(cells: list[tuple[int, dict[str, str]]]) -> dict[str, list[float]]:
    """Return the columns of lines as arrays. Raise `InvalidData` with each cell that holds no number."""
    columns: dict[str, list[float]] = {name: [] for name in cells[0][1]} if cells else {}
    problems = []
    for line, one in cells:
        for name, cell in one.items():
            try:
                columns[name].append(float(cell) if present(cell) else float("nan"))
            except ValueError:
                problems.append(Problem(line, f"{name} must be a number, not {cell!r:.50}."))
    if problems:
        raise InvalidData(problems)
    return columns


def _spectrum(cells: list[tuple[int, dict[str, str]]], file: DataFile) -> Reading:
    if not cells:
        return Reading([])
    header = parse_comments(line for line in file.text.splitlines() if line.startswith("#"))
    return Reading([spectrum_of(numbers(cells)) | facts_of(header)], [cells[0][0]])


def _lines(file: DataFile, width: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of each line after the header. Raise `InvalidData` with those of another width."""
    text = [line if not line.startswith("#") else "" for line in file.text.splitlines()]
    header = next(line for line in text if line.strip())
    reader = csv.reader(text, delimiter=_delimiter(header), strict=True)
    problems: list[Problem] = []
    good: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != width:
                problems.append(Problem(reader.line_num, f"{len(cells)} values; the header has {width} columns."))
            good.append((reader.line_num, cells))
    except csv.Error as error:
        problems.append(Problem(reader.line_num, f"This is no CSV: {error}."))
    if problems:
        raise InvalidData(problems)
    yield from good[1:]


def _delimiter(header: str) -> str:
    return max(DELIMITERS, key=header.count)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True

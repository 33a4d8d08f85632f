"""Tables that astropy reads: ECSV and VOTable; and what any table of astropy holds."""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Sequence
from typing import Any

from heliostat.datapoints.processors.base import SPECTROSCOPY, DataFile, Processor, Reading
from heliostat.datapoints.processors.columns import (
    find_columns,
    ignored,
    missing_columns,
    point_of,
    spectrum_of,
)
from heliostat.datapoints.processors.headers import facts_of
from heliostat.datapoints.processors.offline import astropy_module
from heliostat.dataproducts.problems import InvalidData


class EnhancedCsv(Processor):
    """ECSV (APE 6): CSV with units and types."""

    name = "ECSV"

    def recognizes(self, file: DataFile, kind: str) -> bool:  # noqa: ARG002
        return file.head.startswith((b"# %ECSV", b"\xef\xbb\xbf# %ECSV"))

    def read(self, file: DataFile, kind: str) -> Reading:
        table = astropy_module("astropy.table").Table.read(file.text.splitlines(), format="ascii.ecsv")
        return of_table(table, kind, table.meta)


class VOTable(Processor):
    """VOTable (IVOA): the first table of the document that has the columns."""

    name = "VOTable"

    def recognizes(self, file: DataFile, kind: str) -> bool:  # noqa: ARG002
        return b"<VOTABLE" in file.head

    def read(self, file: DataFile, kind: str) -> Reading:
        votable = astropy_module("astropy.io.votable")
        if b"<!ENTITY" in file.content:  # XML that grows when it is read
            raise InvalidData("The VOTable declares entities, which are not read.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tables = list(votable.parse(io.BytesIO(file.content), verify="ignore").iter_tables())
        for table in tables:
            names = [field.name or field.ID for field in table.fields]
            if not missing_columns(find_columns(names, kind), kind) or len(tables) == 1:
                return of_table(table.to_table(use_names_over_ids=True), kind, {})
        raise InvalidData(f"None of the {len(tables)} tables holds {kind}.")


def of_table(table: Any, kind: str, header: Any) -> Reading:
    """Return what a table of astropy holds. Raise `InvalidData` where its columns are of another kind."""
    names = list(table.colnames)
    found = find_columns(names, kind)
    if complaint := missing_columns(found, kind):
        raise InvalidData(f"The table holds no {kind}. {complaint} Its columns: {', '.join(names)}.")
    columns = {ours: table[names[index]] for ours, index in found.items()}
    values = {ours: _values(column) for ours, column in columns.items()}
    facts = facts_of({str(key).upper(): value for key, value in dict(header).items()})
    notes = ignored(names, found)
    if kind == SPECTROSCOPY:
        units = {
            "wavelength_unit": _unit(columns.get("wavelength")) or "Angstrom",
            "flux_unit": _unit(columns["flux"]) or facts.get("flux_unit", ""),
        }
        return Reading([spectrum_of(_flat(values)) | facts | units], None, notes)
    unit = _unit(columns.get("flux"))
    rows = [point_of(dict(zip(values, cells, strict=True)), kind) for cells in zip(*values.values(), strict=True)]
    shared: dict[str, Any] = {name: facts[name] for name in ("telescope", "instrument") if name in facts}
    shared |= {"unit": unit} if unit and "unit" not in found else {}
    return Reading([shared | row for row in rows], None, notes)


def _values(column: Any) -> list[Any]:
    """Return the values of a column as Python has them: None where one is masked, MJD (UTC) of times."""
    if hasattr(column, "mjd"):  # a Time
        return list(map(float, column.utc.mjd))
    values = column.filled(math.nan).tolist() if _is_masked_number(column) else column.tolist()
    return [value.decode("utf-8", "replace").strip() if isinstance(value, bytes) else value for value in values]


def _is_masked_number(column: Any) -> bool:
    return hasattr(column, "filled") and column.dtype.kind == "f"


def _flat(values: dict[str, list[Any]]) -> dict[str, Sequence[float]]:
    """Return the arrays of a spectrum, which may stand in the cells of a single row."""
    single = all(len(column) == 1 and isinstance(column[0], list) for column in values.values())
    return {
        name: column[0] if single else [math.nan if one is None else one for one in column]
        for name, column in values.items()
    }


def _unit(column: Any) -> str:
    unit = getattr(column, "unit", None)
    return "" if unit is None else str(unit)[:40]

"""Store data points: all rows or none, each once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from django.db import connections, models, router, transaction

from heliostat import emit
from heliostat.datapoints import rows as reading
from heliostat.datapoints.models import AstrometryPoint, DataPoint, PhotometryPoint, Spectrum
from heliostat.datapoints.rows import Checked, Row
from heliostat.dataproducts.models import DataProduct
from heliostat.dataproducts.problems import InvalidData
from heliostat.targets.models import Target
from heliostat.text import clean_name

POINT_KEY = ("source", "band", "time", "telescope", "instrument")
SPECTRUM_KEY = ("source", "moment", "telescope", "instrument")
CHUNK = 2_000  # rows of one statement
KEYS = 500  # values of one `IN`
SPECTRA = 50  # spectra of one statement: each may hold a hundred thousand numbers
LONGEST_SOURCE = 200


@dataclass(frozen=True, slots=True)
class Stored:
    """How many rows were new, were known with other values, and were known as they are."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0


def store_photometry(
    target: Target,
    rows: Iterable[Row],
    *,
    source: str = "",
    product: DataProduct | None = None,
    lines: Sequence[int] | None = None,
) -> Stored:
    """Store photometry of a target, all rows or none, and return how many were created, updated and unchanged.

    A row has a `time` (MJD, UTC, in days; a `datetime` or ISO 8601 is converted) and one of `magnitude`, `flux` and
    `limit` (a magnitude); it may have `band`, `error` (of the magnitude, or else of the flux), `flux_error`,
    `zero_point`, `system`, `unit` (of the flux), `telescope`, `instrument`, `version` and a `source` of its own.
    Rows that were stored before (by target, source, band, time, telescope, instrument, and place among rows that
    have all of these in common) are updated. `lines` are the line numbers of the rows in their file.

    Raise `InvalidData` with the problem of each bad row; then nothing is stored.
    """
    checked = partial(reading.photometry, source=_source(source))
    return _store(PhotometryPoint, target, rows, checked, POINT_KEY, product, lines)


def store_astrometry(
    target: Target,
    rows: Iterable[Row],
    *,
    source: str = "",
    product: DataProduct | None = None,
    lines: Sequence[int] | None = None,
) -> Stored:
    """Store positions of a target as `store_photometry` does.

    A row has `time`, `ra` and `dec` (degrees, ICRS); it may have `ra_error` and `dec_error` (arcseconds), `magnitude`,
    `band`, `telescope`, `instrument`, `version` and `source`.
    """
    checked = partial(reading.astrometry, source=_source(source))
    return _store(AstrometryPoint, target, rows, checked, POINT_KEY, product, lines)


def store_spectra(
    target: Target,
    rows: Iterable[Row],
    *,
    source: str = "",
    product: DataProduct | None = None,
    lines: Sequence[int] | None = None,
) -> Stored:
    """Store spectra of a target as `store_photometry` does.

    A row has `wavelength` and `flux` and may have `error`, lists of numbers of one length (None or NaN where one is
    missing), `wavelength_unit` (Angstrom, if not said), `flux_unit`, `time` (None if not known), `telescope`,
    `instrument`, `version` and `source`.
    """
    checked = partial(reading.spectrum, source=_source(source))
    return _store(Spectrum, target, rows, checked, SPECTRUM_KEY, product, lines)


def _source(source: str) -> str:
    source = clean_name(source)
    if len(source) > LONGEST_SOURCE:
        raise InvalidData(f"The source has {len(source)} characters; {LONGEST_SOURCE} are allowed.")
    return source


def _store(
    model: type[DataPoint],
    target: Target,
    rows: Iterable[Row],
    checked: Callable[[Row], Checked],
    key: Sequence[str],
    product: DataProduct | None,
    lines: Sequence[int] | None,
) -> Stored:
    good = reading.check(rows, checked, key, lines)
    if not good:
        return Stored()
    using = router.db_for_write(model, instance=target)
    with transaction.atomic(using=using):
        # Two that store points of one target take turns: what both have is created by one of them.
        if not Target.objects.using(using).select_for_update().only("pk").filter(pk=target.pk).first():
            raise InvalidData("The target has been deleted.")
        known = _known(model, target, good, key, using)
        changed = _changed(model, good, known, key)
        _write(model, target, changed, key, product, using)
        if product is not None:
            _take_over(model, product, known, good, key, using)
        created = sum(1 for one in changed if _place(one, key) not in known)
        stored = Stored(created, len(changed) - created, len(good) - len(changed))
        if changed:
            payload = {"target": target.pk, "kind": model.kind, "sources": sorted({row["source"] for row in good})}
            emit("data_stored", target, payload={**payload, **asdict(stored)}, using=using)
    return stored


def _place(row: Checked, key: Sequence[str]) -> tuple[Any, ...]:
    return (*(row[name] for name in key), row["ordinal"])


def _known(
    model: type[DataPoint], target: Target, rows: Sequence[Checked], key: Sequence[str], using: str
) -> dict[tuple[Any, ...], Checked]:
    """Return the rows of these sources and times that the table has, by their place in it."""
    moment = "moment" if "moment" in key else "time"
    there = model._base_manager.using(using).filter(target_id=target.pk, source__in={row["source"] for row in rows})
    names = [*rows[0], "pk", "product_id"]
    times = sorted({row[moment] for row in rows})
    return {
        _place(row, key): row
        for start in range(0, len(times), KEYS)
        for row in there.filter(**{f"{moment}__in": times[start : start + KEYS]}).values(*names)
    }


def _changed(
    model: type[DataPoint], rows: Sequence[Checked], known: dict[tuple[Any, ...], Checked], key: Sequence[str]
) -> list[Checked]:
    """Return the rows that are new or differ from the known ones."""
    arrays = {name for name in rows[0] if model._meta.get_field(name).get_internal_type() == "BinaryField"}

    def is_same(row: Checked, before: Checked) -> bool:
        return all(
            _same_numbers(value, before[name]) if name in arrays else value == before[name]
            for name, value in row.items()
        )

    return [row for row in rows if (before := known.get(_place(row, key))) is None or not is_same(row, before)]


def _same_numbers(one: list[float] | None, other: list[float] | None) -> bool:
    """Return whether two arrays are the same; NaN, a missing number, is equal to itself here."""
    if one is None or other is None:
        return one is other
    return len(one) == len(other) and all(
        a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(one, other, strict=True)
    )


def _write(
    model: type[DataPoint],
    target: Target,
    rows: Sequence[Checked],
    key: Sequence[str],
    product: DataProduct | None,
    using: str,
) -> None:
    if not rows:
        return
    unique = ["target", *key, "ordinal"]
    has_target = connections[using].features.supports_update_conflicts_with_target
    model._base_manager.using(using).bulk_create(
        [model(target=target, product=product, **row) for row in rows],
        batch_size=SPECTRA if model is Spectrum else CHUNK,
        update_conflicts=True,
        unique_fields=unique if has_target else None,
        update_fields=[*(name for name in rows[0] if name not in unique), "product", "modified"],
    )


def _take_over(
    model: type[DataPoint],
    product: DataProduct,
    known: dict[tuple[Any, ...], Checked],
    rows: Sequence[Checked],
    key: Sequence[str],
    using: str,
) -> None:
    """Give the rows that were known already to the newest file that holds them: they go when it is deleted."""
    before = (known.get(_place(row, key)) for row in rows)
    keys = [one["pk"] for one in before if one is not None and one["product_id"] != product.pk]
    points: models.QuerySet[DataPoint] = model._base_manager.using(using)
    for start in range(0, len(keys), KEYS):
        points.filter(pk__in=keys[start : start + KEYS]).update(product=product)

"""How long ten thousand points take."""

from __future__ import annotations

import time
from typing import Any

import pytest

from heliostat.datapoints.storing import Stored, store_photometry
from heliostat.targets.models import Target

ROWS = 10_000
LIMIT = 10.0  # seconds


@pytest.mark.slow
@pytest.mark.django_db(databases="__all__", transaction=True)
@pytest.mark.usefixtures("site_on")
def test_ten_thousand_points_are_stored_in_ten_seconds_and_updated_too(record_property: Any) -> None:
    m42 = Target.objects.create(name="M42")
    rows: list[dict[str, Any]] = [
        {"time": 58000 + index / 1000, "band": "ugrizy"[index % 6], "magnitude": 18 + index % 7 / 10, "error": 0.05}
        for index in range(ROWS)
    ]
    corrected = [{**row, "magnitude": row["magnitude"] + 0.01} for row in rows]
    expected = (Stored(created=ROWS), Stored(unchanged=ROWS), Stored(updated=ROWS))
    for data, stored in zip((rows, rows, corrected), expected, strict=True):
        began = time.perf_counter()
        assert store_photometry(m42, data, source="a.csv") == stored
        seconds = time.perf_counter() - began
        record_property(str(stored), seconds)
        print(f"{stored}: {seconds:.2f} s")
        assert seconds < LIMIT

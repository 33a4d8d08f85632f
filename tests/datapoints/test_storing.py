"""Data points are stored in typed tables: each once, all rows or none, on each database."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction

from heliostat.datapoints.models import AstrometryPoint, PhotometryPoint, Spectrum
from heliostat.datapoints.storing import Stored, store_astrometry, store_photometry, store_spectra
from heliostat.datapoints.times import mjd_of
from heliostat.dataproducts.problems import InvalidData
from heliostat.targets.models import Target
from heliostat.testing import captured_events

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.usefixtures("site_on")]


@pytest.fixture
def m42(site_on: str) -> Target:
    return Target.objects.create(name="M42")


def row(**values: Any) -> dict[str, Any]:
    return {"time": 60000.25, "band": "r", "magnitude": 18.2, **values}


def test_a_row_is_stored_as_it_is(m42: Target) -> None:
    full = row(
        flux=1.5,
        error=0.05,
        flux_error=0.1,
        limit=20.5,
        zero_point=23.9,
        system="AB",
        unit="uJy",
        telescope="P48",
        instrument="ZTF",
        version="2",
    )
    assert store_photometry(m42, [full], source="ZTF") == Stored(created=1)
    point = PhotometryPoint.objects.values().get()
    assert {name: point[name] for name in full} == full
    assert (point["source"], point["ordinal"], point["target_id"]) == ("ZTF", 0, m42.pk)


def test_a_file_that_is_stored_again_adds_nothing_and_a_corrected_one_updates(m42: Target) -> None:
    rows = [row(time=60000 + day, magnitude=18 + day / 10) for day in range(5)]
    assert store_photometry(m42, rows, source="a.csv") == Stored(created=5)
    assert store_photometry(m42, rows, source="a.csv") == Stored(unchanged=5)
    rows[2]["magnitude"] = 17.0
    rows.append(row(time=60009))
    assert store_photometry(m42, rows, source="a.csv") == Stored(created=1, updated=1, unchanged=4)
    assert list(PhotometryPoint.objects.values_list("magnitude", flat=True)) == [18.0, 18.1, 17.0, 18.3, 18.4, 18.2]


def test_rows_that_repeat_time_and_band_are_all_kept_and_stored_once(m42: Target) -> None:
    rows = [row(magnitude=18.0), row(magnitude=18.1), row(magnitude=18.0)]
    assert store_photometry(m42, rows) == Stored(created=3)
    assert store_photometry(m42, rows) == Stored(unchanged=3)
    assert store_photometry(m42, rows[:1]) == Stored(unchanged=1)
    assert [point.ordinal for point in PhotometryPoint.objects.order_by("ordinal")] == [0, 1, 2]


@pytest.mark.parametrize(
    "other",
    [{"band": "R"}, {"telescope": "P60"}, {"instrument": "x"}, {"time": 60000.25000001}, {"source": "b"}, {"band": ""}],
)
def test_each_part_of_the_key_distinguishes_points(m42: Target, other: dict[str, Any]) -> None:
    store_photometry(m42, [row()], source="a")
    assert store_photometry(m42, [row(**other)], source="a") == Stored(created=1)


def test_another_target_has_points_of_its_own(m42: Target) -> None:
    store_photometry(m42, [row()])
    assert store_photometry(Target.objects.create(name="M43"), [row()]) == Stored(created=1)


def test_a_time_is_rounded_to_a_hundred_millionth_of_a_day(m42: Target) -> None:
    store_photometry(m42, [row(time=59057.43321759999)])
    assert PhotometryPoint.objects.get().time == 59057.4332176
    assert store_photometry(m42, [row(time=59057.433217600012)]) == Stored(unchanged=1)


def test_the_database_refuses_a_second_row_with_one_key(m42: Target, site_on: str) -> None:
    values = {"target": m42, "source": "a", "band": "r", "time": 1.0, "magnitude": 2.0}
    PhotometryPoint.objects.create(**values)
    with pytest.raises(IntegrityError), transaction.atomic(using=site_on):
        PhotometryPoint.objects.create(**values)


def test_bad_rows_are_named_with_their_lines_and_nothing_is_stored(m42: Target) -> None:
    rows = [row(), row(time=""), row(magnitude="bright"), row(magnitude=None), row(time=2460000.5), row(colour=1)]
    with pytest.raises(InvalidData) as refused:
        store_photometry(m42, rows, lines=[2, 3, 5, 6, 7, 8])
    messages = refused.value.messages
    assert messages[:4] == [
        "Line 3: There is no time.",
        "Line 5: magnitude must be a number, not 'bright'.",
        "Line 6: There is no magnitude, no flux and no limit.",
        "Line 7: 2460000.5 is not a modified Julian date. It looks like a Julian date: subtract 2400000.5.",
    ]
    assert messages[4].startswith("Line 8: There is no column colour. Columns: time, magnitude,")
    assert not PhotometryPoint.objects.exists()


@pytest.mark.parametrize(
    "bad",
    [
        {"time": None},
        {"time": "yesterday"},
        {"time": math.inf},
        {"time": True},
        {"magnitude": math.inf},
        {"magnitude": 10**400},
        {"magnitude": [1]},
        {"error": -0.1},
        {"band": "x" * 51},
        {"band": "r\x00"},
        {"band": "\ud800"},
        {"band": ["r"]},
        {"magnitude": "", "flux": math.nan},
    ],
)
def test_a_row_that_no_database_should_hold_is_refused(m42: Target, bad: dict[str, Any]) -> None:
    with pytest.raises(InvalidData, match=r"^Row 1: "):
        store_photometry(m42, [row(**bad)])


def test_many_problems_are_counted(m42: Target) -> None:
    with pytest.raises(InvalidData, match=r"And 30 more\.$") as refused:
        store_photometry(m42, [{}] * 50)
    assert len(refused.value.problems) == 50


def test_one_event_says_what_was_stored_and_none_if_nothing_changed(m42: Target) -> None:
    with captured_events("targets.target.data_stored") as events:
        store_photometry(m42, [row(), row(band="g")], source="a.csv")
        store_photometry(m42, [row(), row(band="g")], source="a.csv")
    assert [event.payload for event in events] == [
        {
            "target": m42.pk,
            "kind": "photometry",
            "sources": ["a.csv"],
            "created": 2,
            "updated": 0,
            "unchanged": 0,
        }
    ]


def test_no_rows_are_no_error(m42: Target) -> None:
    assert store_photometry(m42, []) == Stored()


def test_points_go_with_their_target(m42: Target) -> None:
    store_photometry(m42, [row()])
    m42.delete()
    assert not PhotometryPoint.objects.exists()
    with pytest.raises(InvalidData, match="deleted"):
        store_photometry(Target(pk=99), [row()])


def test_the_number_of_queries_does_not_follow_the_number_of_rows(
    m42: Target, site_on: str, django_assert_max_num_queries: Any
) -> None:
    rows = [row(time=50000 + index / 100) for index in range(400)]
    with django_assert_max_num_queries(12, connection=connections[site_on]):
        store_photometry(m42, rows)


def test_a_spectrum_comes_back_number_for_number(m42: Target) -> None:
    spectrum = {
        "wavelength": [3776.7, 3802.3, 3827.9],
        "flux": [9.9988e-16, math.nan, -1e-300],
        "error": [2.484e-31, 0.0, 1.0],
        "flux_unit": "erg / (s cm2 Angstrom)",
        "time": 59094.31236,
        "telescope": "P60",
    }
    assert store_spectra(m42, [spectrum], source="a.ascii") == Stored(created=1)
    assert store_spectra(m42, [spectrum], source="a.ascii") == Stored(unchanged=1)
    stored = Spectrum.objects.get()
    assert (stored.wavelength, stored.error) == (spectrum["wavelength"], spectrum["error"])
    assert stored.flux[0] == 9.9988e-16
    assert math.isnan(stored.flux[1])
    assert stored.wavelength_unit == "Angstrom"
    spectrum["flux"] = [1.0, 2.0, 3.0]
    assert store_spectra(m42, [spectrum], source="a.ascii") == Stored(updated=1)


def test_a_spectrum_without_a_time_is_stored_once_too(m42: Target) -> None:
    spectrum = {"wavelength": [1.0, 2.0], "flux": [3.0, 4.0]}
    assert store_spectra(m42, [spectrum], source="a") == Stored(created=1)
    assert store_spectra(m42, [spectrum], source="a") == Stored(unchanged=1)
    assert store_spectra(m42, [{**spectrum, "time": 60000}], source="a") == Stored(created=1)
    assert {one.time for one in Spectrum.objects.all()} == {None, 60000.0}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"flux": [1.0]}, "same length"),
        ({"wavelength": [1.0, -2.0]}, "positive"),
        ({"wavelength": [1.0, None]}, "positive"),
        ({"wavelength": [1.0, 1.0]}, "more than once"),
        ({"wavelength": [], "flux": []}, "empty"),
        ({"flux": "12"}, "list of numbers"),
        ({"flux": [1.0, math.inf]}, "finite"),
        ({"flux": [1.0, "x"]}, "must be a number"),
    ],
)
def test_a_spectrum_that_is_none_is_refused(m42: Target, bad: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidData, match=message):
        store_spectra(m42, [{"wavelength": [1.0, 2.0], "flux": [3.0, 4.0], **bad}])
    assert not Spectrum.objects.exists()


def test_positions_are_stored_and_checked(m42: Target) -> None:
    position = {"time": 60000.5, "ra": 83.8221, "dec": -5.3911, "ra_error": 0.1, "dec_error": 0.2, "band": "G"}
    assert store_astrometry(m42, [position], source="Gaia") == Stored(created=1)
    assert store_astrometry(m42, [position], source="Gaia") == Stored(unchanged=1)
    point = AstrometryPoint.objects.get()
    assert (point.ra, point.dec, point.ra_error, point.dec_error) == (83.8221, -5.3911, 0.1, 0.2)
    for bad in ({"ra": 360}, {"ra": None}, {"dec": 91}, {"dec": "x"}):
        with pytest.raises(InvalidData, match=r"ra|dec"):
            store_astrometry(m42, [{**position, **bad}])


@pytest.mark.parametrize(
    ("given", "mjd"),
    [
        (60000, 60000.0),
        ("60000.125", 60000.125),
        ("2023-02-25T06:00:00", 60000.25),
        ("2023-02-25T06:00:00Z", 60000.25),
        ("2023-02-25 07:00:00+01:00", 60000.25),
        ("2023-02-25", 60000.0),
        (datetime(2023, 2, 25, 6, tzinfo=UTC), 60000.25),
        (datetime(2023, 2, 25, 8, tzinfo=timezone(timedelta(hours=2))), 60000.25),
        (datetime(2023, 2, 25, 6), 60000.25),
        ("2023-02-25T06:00:00.000864", 60000.25000001),
        (-0.000000001, 0.0),
    ],
)
def test_a_time_is_read_as_a_modified_julian_date(given: Any, mjd: float) -> None:
    assert mjd_of(given) == mjd

"""The cone search finds exactly what is inside, wherever on the sky."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliostat.targets.coordinates import separation, sexagesimal_dec, sexagesimal_ra
from heliostat.targets.models import Target
from heliostat.targets.reading import parse_angle
from heliostat.targets.search import by_words, cone, find_same

ARCSECOND = 1 / 3600
positions = st.tuples(st.floats(0, 359.999999), st.floats(-90, 90))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("centre", "other", "arcseconds"),
    [
        ((10.0, 20.0), (10.0, 20.0 + ARCSECOND), 1.0),
        ((0.0001, 0.0), (359.9999, 0.0), 0.72),
        ((359.9999, 0.0), (0.0001, 0.0), 0.72),
        ((0.0, 90.0), (180.0, 90.0 - ARCSECOND), 1.0),
        ((0.0, 90.0 - 0.8 * ARCSECOND), (180.0, 90.0 - 0.8 * ARCSECOND), 1.6),
        ((123.0, -90.0 + 0.5 * ARCSECOND), (303.0, -90.0 + 0.5 * ARCSECOND), 1.0),
        ((50.0, 89.9), (50.0 + 1.5 * ARCSECOND / 0.00174533, 89.9), 1.5),
    ],
)
def test_a_cone_finds_its_neighbour(centre: tuple[float, float], other: tuple[float, float], arcseconds: float) -> None:
    target = Target.objects.create(name="near", ra=other[0], dec=other[1])
    (found,) = cone(*centre, 2.0)
    assert found == target
    assert found.separation == pytest.approx(arcseconds, abs=0.01)  # type: ignore[attr-defined]
    assert cone(*centre, arcseconds * 0.9) == []


@pytest.mark.django_db
def test_a_cone_finds_what_a_look_at_every_target_finds() -> None:
    dice = random.Random(4)
    sky = [(dice.uniform(0, 360), dice.choice([-1, 1]) * 90 * dice.random() ** 0.2) for _ in range(600)]
    Target.objects.bulk_create(Target(name=f"t{number}", ra=ra, dec=dec) for number, (ra, dec) in enumerate(sky))
    for ra, dec in [(0, 89.5), (0.2, -89.9), (359.8, 0), (180, 90), (12, -90), (200, 45), (0, 0)]:
        for radius in (1.0, 20.0, 95.0, 180.0):
            expected = {f"t{n}" for n, place in enumerate(sky) if separation(ra, dec, *place) <= radius}
            assert {target.name for target in cone(ra, dec, radius * 3600)} == expected


def test_a_target_without_a_position_is_in_no_cone(db: None) -> None:
    Target.objects.create(name="m51")
    assert cone(0, 0, 180 * 3600) == []


@given(positions, positions)
@settings(max_examples=200, deadline=None)
def test_a_separation_is_the_same_both_ways(one: tuple[float, float], other: tuple[float, float]) -> None:
    assert separation(*one, *other) == pytest.approx(separation(*other, *one), abs=1e-9)
    assert 0 <= separation(*one, *other) <= 180.0000001


@given(st.floats(0, 359.9999999), st.floats(-90, 90))
@settings(max_examples=300, deadline=None)
def test_what_is_written_in_sexagesimal_reads_the_same(ra: float, dec: float) -> None:
    assert ":60" not in sexagesimal_ra(ra) + sexagesimal_dec(dec)
    assert separation(parse_angle(sexagesimal_ra(ra), hours=True), 0, ra, 0) < 0.01 * ARCSECOND
    assert parse_angle(sexagesimal_dec(dec), hours=False) == pytest.approx(dec, abs=0.01 * ARCSECOND)


@pytest.mark.parametrize(
    ("text", "hours", "degrees"),
    [
        ("83.822", True, 83.822),
        ("05:35:17.3", True, 83.82208),
        ("05h35m17.3s", True, 83.82208),
        ("-05:23:28", False, -5.39111),
        ("-00 00 30", False, -0.00833),
        ("+41°16′9″", False, 41.26917),
    ],
)
def test_angles_are_read_as_astronomers_write_them(text: str, hours: bool, degrees: float) -> None:
    assert parse_angle(text, hours=hours) == pytest.approx(degrees, abs=1e-5)


@pytest.mark.parametrize("text", ["", "x", "nan", "inf", "12:60:00", "12:00:61", "1:2:", "1.5:2", "1:2:3:4"])
def test_what_is_no_angle_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  any
        parse_angle(text, hours=True)


def test_the_rounding_carries_into_minutes_and_hours() -> None:
    assert sexagesimal_ra(359.9999999) == "00:00:00.000"
    assert sexagesimal_dec(-29.99999999) == "-30:00:00.00"


@pytest.mark.django_db
def test_words_find_names_and_aliases_once() -> None:
    target = Target.objects.create(name="M 42")
    target.aliases.create(name="Orion Nebula")
    target.aliases.create(name="Orion A")
    Target.objects.create(name="M 43")
    assert list(by_words(Target.objects.all(), "orion")) == [target]
    assert by_words(Target.objects.all(), "m 4").count() == 2
    assert by_words(Target.objects.all(), "nebula\x00%").count() == 0


@pytest.mark.django_db
def test_a_double_is_recognised_by_name_alias_and_place() -> None:
    target = Target.objects.create(name="SN 1987A", ra=83.86667, dec=-69.26972)
    target.aliases.create(name="AAVSO 0534-69")
    for double in (
        Target(name="sn 1987a"),
        Target(name="aavso 0534-69"),
        Target(name="else", ra=83.86667, dec=-69.26972 + ARCSECOND),
    ):
        found = find_same(double)
        assert found is not None
        assert found.target == target
    assert find_same(Target(name="else"), ["SN 1987A"]) is not None
    assert find_same(Target(name="else", ra=83.86667, dec=-69.26972 + 3 * ARCSECOND)) is None

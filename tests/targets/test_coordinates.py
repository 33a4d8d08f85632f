"""Coordinates are read in any way that papers print them, and shown as precise as they were given."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import ephem
import pytest
from django import forms
from hypothesis import given
from hypothesis import strategies as st

from heliostat.targets import sky
from heliostat.targets.coordinates import Position, separation
from heliostat.targets.fields import ConeForm, CoordinatesField, RadiusField
from heliostat.targets.reading import parse_position

ARCSECOND = 1 / 3600
ORION = Position(83.8220833, -5.3911111)
positions = st.builds(Position, st.floats(0, 359.9999), st.floats(-90, 90))


@pytest.mark.parametrize(
    "text",
    [
        "83.8220833 -5.3911111",
        "83.8220833, \u22125.3911111",
        "83.8220833°, \u22125.3911111°",
        "83.8220833deg -5.3911111 deg",
        "83.8220833-5.3911111",
        "05:35:17.3 -05:23:28",
        "05:35:17.3-05:23:28",
        "05:35:17.3\t-05:23:28",
        "05 35 17.3 \u221205 23 28",
        "05 35 17.3 \u2013 05 23 28",
        "05h35m17.3s \u221205°23\u203228\u2033",
        "05h 35m 17.3s, -5d 23m 28s",
        "05ʰ35ᵐ17ˢ.3 −05°23′28″.0",
        "05h35m17s.3 -05º23'28''",
        "5 hours 35 min 17.3 sec, -5 deg 23 arcmin 28 arcsec",
        "RA = 05:35:17.3, Dec = -05:23:28 (J2000)",
        "R.A. 05 35 17.3; Decl. -5 23 28",
        "α=05h35m17.3s δ=−05°23′28″",
        "83°49′19.5″ −05°23′28″",
        "05 35.28833 -05 23.46667",
        "5.588138888h -5.3911111",
        "SDSS J053517.3-052328",
        "J053517.3\u2212052328",
    ],
)
def test_each_notation_of_a_paper_is_read(text: str) -> None:
    assert separation(*parse_position(text), *ORION) < 0.1 * ARCSECOND


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Write right ascension and declination"),
        ("83.8", "Write right ascension and declination"),
        ("83,8 -5,4", "Write right ascension and declination"),
        ("1 2 3", "Write right ascension and declination"),
        ("nan nan", "is no angle"),
        ("1e999 2", "too large"),
        ("360 0", "below 360"),
        ("24:00:00 0", "below 360"),
        ("-1 0", "at least 0"),
        ("10 90.1", "from -90 to 90"),
        ("12:60:00 +10", "below 60"),
        ("12:00:00 +10:00:60", "below 60"),
        ("12:00:00 +10h", "not in hours"),
        ("12.5:00:00 +10", "only the last"),
        ("12:00: +10", "ends with a colon"),
        ("12m30s 10", "hours or degrees, minutes, seconds"),
        ("J0535-0523", "several ways"),
        ("2MASS J05351734-0523281", "several ways"),
        ("B0531+21", "B1950"),
        ("05:35:17 -05:23:28 (B1950)", "B1950"),
    ],
)
def test_what_has_no_clear_meaning_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_position(text)


@given(st.text(alphabet="0123456789.,;:+-hdms°′″ jJe", max_size=30))
def test_any_text_is_a_position_on_the_sky_or_a_value_error(text: str) -> None:
    try:
        ra, dec = parse_position(text)
    except ValueError:
        return
    assert 0 <= ra < 360
    assert -90 <= dec <= 90


@given(positions)
def test_what_a_form_or_page_shows_reads_as_the_same_place(place: Position) -> None:
    assert parse_position(str(place)) == place
    given_to = max(0.02 * ARCSECOND, 10**-place.decimals)  # degrees
    assert separation(*parse_position(place.degrees), *place) < given_to
    assert separation(*parse_position(place.sexagesimal), *place) < given_to


@pytest.mark.parametrize(
    ("place", "degrees", "sexagesimal"),
    [
        (Position(10.0, 20.0), "10° +20°", "00:40:00 +20:00:00"),
        (Position(83.8, -5.39), "83.80° \u22125.39°", "05:35:12 -05:23:24"),
        (Position(10.68458, 41.26917), "10.68458° +41.26917°", "00:42:44.299 +41:16:09.01"),
        (Position(83.82208333333332, -5.391111111111112), "83.822083° \u22125.391111°", "05:35:17.300 -05:23:28.00"),
    ],
)
def test_a_position_is_shown_with_the_digits_that_it_was_given_with(
    place: Position, degrees: str, sexagesimal: str
) -> None:
    assert (place.degrees, place.sexagesimal) == (degrees, sexagesimal)


@pytest.mark.parametrize(
    ("place", "longitude", "latitude"),
    [
        (Position(266.4049882, -28.9361747), 0.0, 0.0),  # the galactic centre of the IAU
        (Position(192.8594812, 27.1282512), None, 90.0),
        (Position(10.6847083, 41.26875), 121.174322, -21.573311),  # M 31, as NED has it
    ],
)
def test_galactic_coordinates_are_those_of_the_catalogues(
    place: Position, longitude: float | None, latitude: float
) -> None:
    found_longitude, found_latitude = sky.galactic(place)
    assert found_latitude == pytest.approx(latitude, abs=1e-4)
    if longitude is not None:
        assert (found_longitude - longitude + 180) % 360 - 180 == pytest.approx(0, abs=1e-4)


@given(positions)
def test_galactic_and_ecliptic_agree_with_an_independent_library(place: Position) -> None:
    known = ephem.Equatorial(*map(ephem.degrees, map(str, place)), epoch=ephem.J2000)
    galactic, ecliptic = ephem.Galactic(known), ephem.Ecliptic(known)
    for found, longitude, latitude in (
        (sky.galactic(place), galactic.lon, galactic.lat),
        (sky.ecliptic(place), ecliptic.lon, ecliptic.lat),
    ):
        degrees = [float(angle) * 57.29577951308232 for angle in (longitude, latitude)]
        assert separation(*found, *degrees) < 2 * ARCSECOND  # it has B1950's pole and another obliquity


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (ORION, "Orion"),
        (Position(197.45, -23.38), "Hydra"),
        (Position(37.95, 89.26), "Ursa Minor"),
        (Position(0.0, -90.0), "Octans"),
        (Position(283.0, 1.0), "Aquila"),
        (Position(277.0, 1.0), "Serpens Cauda"),
    ],
)
def test_the_constellation_is_that_of_the_iau(place: Position, name: str) -> None:
    assert sky.constellation(place) == name


def test_links_name_the_place() -> None:
    for link in sky.links(Position(83.8, -5.39)):
        address = urlsplit(link.url)
        assert address.scheme == "https"
        values = " ".join(value for values in parse_qs(address.query).values() for value in values)
        assert "83.800000" in values
        assert "-5.390000" in values


class Form(ConeForm):
    small = RadiusField(required=False, most=3600)


@pytest.mark.parametrize(
    ("data", "radius"),
    [
        ({"radius": "5"}, 5.0),
        ({"radius": "5", "radius_unit": "arcsec"}, 5.0),
        ({"radius": "1.5", "radius_unit": "arcmin"}, 90.0),
        ({"radius": "0.01", "radius_unit": "deg"}, 36.0),
    ],
)
def test_a_radius_has_its_unit(data: dict[str, str], radius: float) -> None:
    form = Form({"coordinates": "83.8 -5.39", **data})
    assert form.is_valid(), form.errors
    assert form.cleaned_data["radius"] == pytest.approx(radius)
    again = Form(initial={"coordinates": [83.8, -5.39], "radius": form.cleaned_data["radius"]})
    assert 'value="83.8 -5.39"' in str(again["coordinates"])
    assert again.fields["radius"].clean(RadiusField().widget.decompress(radius)) == pytest.approx(radius)


@pytest.mark.parametrize(
    ("data", "field", "message"),
    [
        ({"coordinates": "1 2"}, "radius", "A cone needs a radius"),
        ({"radius": "2"}, "coordinates", "A cone needs coordinates"),
        ({"coordinates": "1 2", "radius": "-1"}, "radius", "greater than or equal to 0"),
        ({"coordinates": "1 2", "radius": "nan"}, "radius", "Enter a number"),
        ({"coordinates": "1 2", "radius": "1", "radius_unit": "parsec"}, "radius", "not one of the available choices"),
        ({"coordinates": "1 2", "radius": "181", "radius_unit": "deg"}, "radius", "at most 180 deg"),
        ({"small": "61", "small_unit": "arcmin"}, "small", "at most 60 arcmin"),
        ({"coordinates": "x"}, "coordinates", "Write right ascension"),
    ],
)
def test_what_makes_no_cone_is_said_at_the_field(data: dict[str, str], field: str, message: str) -> None:
    assert message in str(Form(data).errors[field])


def test_a_form_shows_what_was_written_and_knows_what_changed() -> None:
    class Place(forms.Form):
        coordinates = CoordinatesField()

    wrong = Place({"coordinates": "12:99 +3"})
    assert 'value="12:99 +3"' in str(wrong["coordinates"])
    same = Place({"coordinates": "83.80°, \u22125.390°"}, initial={"coordinates": parse_position("83.8 -5.39")})
    assert same.changed_data == []
    assert Place({"coordinates": "84 -5"}, initial={"coordinates": ORION}).changed_data == ["coordinates"]
    assert "Write right ascension and declination." in str(Place({}).errors)

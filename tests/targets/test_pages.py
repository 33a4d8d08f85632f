"""Targets by page and by program."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.test import Client

from heliostat import Event, on
from heliostat.hooks.decorator import detach
from heliostat.targets.models import Target
from heliostat.testing import captured_events

pytestmark = pytest.mark.django_db

ORBIT = {
    "scheme": "MPC_MINOR_PLANET",
    "epoch_of_elements": 59000,
    "eccentricity": 0.1,
    "inclination": 10,
    "lng_asc_node": 80,
    "arg_of_perihelion": 73,
    "semimajor_axis": 2.77,
    "mean_anomaly": 77,
}


@pytest.fixture
def ada(django_user_model: type[User]) -> User:
    return django_user_model.objects.create_user("ada")


@pytest.fixture
def visitor(client: Client, ada: User) -> Client:
    client.force_login(ada)
    return client


def form(aliases: tuple[str, ...] = (), extras: tuple[tuple[str, str], ...] = (), **fields: Any) -> dict[str, Any]:
    data = {"type": "SIDEREAL", "ra": "10", "dec": "20", **fields}
    for prefix, count in (("aliases", len(aliases)), ("extras", len(extras))):
        data |= {f"{prefix}-TOTAL_FORMS": count, f"{prefix}-INITIAL_FORMS": 0}
    for number, name in enumerate(aliases):
        data[f"aliases-{number}-name"] = name
    for number, (key, value) in enumerate(extras):
        data |= {f"extras-{number}-key": key, f"extras-{number}-value": value}
    return data


def test_a_program_needs_no_more_than_a_name() -> None:
    target = Target.objects.create(name="m51")
    assert (target.type, target.ra, target.dec, target.owner) == ("SIDEREAL", None, None, None)


def test_a_target_is_created_with_aliases_and_extras_as_one_event(visitor: Client, ada: User) -> None:
    with captured_events() as events:
        response = visitor.post(
            "/targets/create/",
            form(name="M42", ra="05:35:17.3", dec="-05:23:28", aliases=("Orion Nebula",), extras=(("z", "0"),)),
        )
    target = Target.objects.get()
    assert response["Location"] == f"/targets/{target.pk}/"
    assert target.owner == ada
    assert target.ra == pytest.approx(83.82208, abs=1e-5)
    assert [event.type for event in events if event.resource == "targets.target"] == ["targets.target.created"]
    page = visitor.get(f"/targets/{target.pk}/").content.decode()
    for text in (
        'data-copy="05:35:17.300 -05:23:28.00"',
        "Orion</dd>",
        "Orion Nebula",
        "83.822083",
        "05:35:17.300 −05:23:28.00",
        "<dt>z</dt>",
    ):
        assert text in page


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": ""}, "required"),
        ({"ra": "360"}, "below 360"),
        ({"ra": "-0.1"}, "at least 0"),
        ({"dec": "90.01"}, "from -90 to 90"),
        ({"ra": "nan"}, "sexagesimal"),
        ({"dec": "12:99:00"}, "sexagesimal"),
        ({"ra": "", "dec": ""}, "sidereal target needs this"),
        ({"ra": ""}, "Write right ascension and declination"),
        ({"parallax": "inf"}, "Enter a number"),
        ({"type": "NON_SIDEREAL"}, "non-sidereal target needs this"),
    ],
)
def test_what_is_wrong_is_said_at_the_field(visitor: Client, fields: dict[str, str], message: str) -> None:
    page = visitor.post("/targets/create/", form(**{"name": "x", **fields})).content.decode()
    assert message in page
    assert not Target.objects.exists()


def test_an_asteroid_needs_its_elements_and_no_position(visitor: Client) -> None:
    visitor.post("/targets/create/", form(name="Ceres", type="NON_SIDEREAL", **{**ORBIT, "ra": "", "dec": ""}))
    ceres = Target.objects.get()
    assert "Semimajor axis" in visitor.get(ceres.get_absolute_url()).content.decode()
    ceres.scheme = "MPC_COMET"
    with pytest.raises(ValidationError) as error:
        ceres.full_clean()
    assert set(error.value.message_dict) == {"perihdist", "epoch_of_perihelion"}


@pytest.mark.parametrize(
    ("scheme", "needed"),
    [
        ("MPC_MINOR_PLANET", {"semimajor_axis", "mean_anomaly"}),
        ("MPC_COMET", {"perihdist", "epoch_of_perihelion"}),
        ("JPL_MAJOR_PLANET", {"semimajor_axis", "mean_anomaly", "mean_daily_motion"}),
    ],
)
def test_each_scheme_of_elements_needs_its_own(scheme: str, needed: set[str]) -> None:
    always = {key: ORBIT[key] for key in ("eccentricity", "inclination", "lng_asc_node", "arg_of_perihelion")}
    target = Target(name="x", type="NON_SIDEREAL", scheme=scheme, epoch_of_elements=59000, **always)
    with pytest.raises(ValidationError) as error:
        target.full_clean()
    assert set(error.value.message_dict) == needed
    for name in needed:
        setattr(target, name, 1)
    target.full_clean()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epoch", 2101), ("parallax", 1001), ("pm_ra", 20_001), ("distance", -1), ("distance_err", -1),
        ("eccentricity", -0.1), ("inclination", 181), ("lng_asc_node", 361), ("arg_of_perihelion", -1),
        ("epoch_of_elements", 2_459_600.5), ("epoch_of_perihelion", 2_459_600.5), ("mean_anomaly", 361),
        ("mean_daily_motion", -1), ("perihdist", -1), ("abs_mag", 99), ("slope", 101), ("ephemeris_period", -1),
        ("ephemeris_period_err", -1), ("ephemeris_epoch_err", -1), ("ephemeris_epoch", float("nan")),
        ("semimajor_axis", float("inf")),
    ],
)  # fmt: skip
def test_a_number_that_cannot_be_is_refused_at_its_field(field: str, value: float) -> None:
    with pytest.raises(ValidationError) as error:
        Target(name="x", ra=1, dec=2, **{field: value}).full_clean()
    assert list(error.value.message_dict) == [field]


def test_what_is_known_of_an_orbit_is_saved_and_shown(visitor: Client) -> None:
    more = {"abs_mag": "3.34", "slope": "0.12", "ephemeris_period": "4.6"}
    visitor.post("/targets/create/", form(name="Ceres", type="NON_SIDEREAL", **{**ORBIT, **more, "ra": "", "dec": ""}))
    page = visitor.get(Target.objects.get().get_absolute_url()).content.decode()
    for text in ('Absolute magnitude</dt><dd class="number">3.34', "Slope", "Ephemeris period"):
        assert text in page


@pytest.mark.parametrize(("ra", "dec"), [(360.0, 0), (-1, 0), (0, 91), (0, -90.001)])
def test_the_database_refuses_a_position_that_is_not_on_the_sky(ra: float, dec: float) -> None:
    with pytest.raises(IntegrityError):
        Target.objects.create(name="x", ra=ra, dec=dec)


@pytest.mark.parametrize("fields", [{"name": "m42"}, {"name": "orion nebula"}, {"name": "x", "aliases": ("M42",)}])
def test_a_name_or_alias_that_is_taken_is_a_form_error(visitor: Client, fields: dict[str, Any]) -> None:
    Target.objects.create(name="M42").aliases.create(name="Orion Nebula")
    page = visitor.post("/targets/create/", form(**fields)).content.decode()
    assert "already a target with this name or alias: M42" in page
    assert Target.objects.count() == 1


def test_a_target_at_the_same_place_is_pointed_out_with_a_link(visitor: Client) -> None:
    other = Target.objects.create(name="Other", ra=10, dec=20.0004)
    page = visitor.post("/targets/create/", form(name="New"), follow=True).content.decode()
    assert "within 2″" in page
    assert other.get_absolute_url() in page


def test_a_pair_is_pasted_as_a_paper_prints_it_and_shown_for_editing_with_all_digits(
    visitor: Client, ada: User
) -> None:
    data = {"name": "SN 1987A", "coordinates": "05ʰ35ᵐ28ˢ.03 −69°16′11″.1"}
    data |= {key: value for key, value in form().items() if key not in ("ra", "dec")}
    visitor.post("/targets/create/", data)
    target = Target.objects.get()
    assert (target.ra, target.dec) == (pytest.approx(83.866792, abs=1e-6), pytest.approx(-69.269750, abs=1e-6))
    page = visitor.get(f"/targets/{target.pk}/edit/")
    shown = page.context["form"]["coordinates"].value()
    visitor.post(f"/targets/{target.pk}/edit/", data | {"coordinates": shown, "epoch": "2000"})
    ra, dec = target.ra, target.dec
    target.refresh_from_db()
    assert (target.ra, target.dec, target.epoch) == (ra, dec, 2000)


def test_the_page_shows_what_is_within_an_arcminute_nearest_first_and_links_to_catalogues(visitor: Client) -> None:
    target = Target.objects.create(name="Here", ra=10, dec=20)
    for name, dec in (("Far", 20.02), ("Second", 20.01), ("First", 20.005)):
        Target.objects.create(name=name, ra=10, dec=dec)
    page = visitor.get(target.get_absolute_url()).content.decode()
    assert page.index(">First<") < page.index(">Second<")
    assert ">Far<" not in page
    assert "18.0″" in page
    assert "Perhaps it is the same object" not in page
    for name in ("SIMBAD", "NED", "TNS", "Aladin", "Legacy Survey"):
        assert f">{name}</a>" in page


def test_editing_changes_removes_and_adds_aliases(visitor: Client, ada: User) -> None:
    target = Target.objects.create(name="M42", ra=10, dec=20, owner=ada)
    alias = target.aliases.create(name="wrong")
    data = form(name="M42", epoch="2000", aliases=("", "right"))
    data |= {"aliases-INITIAL_FORMS": 1, "aliases-0-id": alias.pk, "aliases-0-name": "wrong", "aliases-0-DELETE": "on"}
    assert visitor.post(f"/targets/{target.pk}/edit/", data).status_code == 302
    target.refresh_from_db()
    assert target.epoch == 2000
    assert [alias.name for alias in target.aliases.all()] == ["right"]


def test_a_second_user_sees_a_target_but_cannot_change_it(
    client: Client, django_user_model: type[User], ada: User
) -> None:
    target = Target.objects.create(name="M42", ra=10, dec=20, owner=ada)
    client.force_login(django_user_model.objects.create_user("eve"))
    page = client.get(f"/targets/{target.pk}/")
    assert page.status_code == 200
    assert b"/edit/" not in page.content
    assert client.post(f"/targets/{target.pk}/edit/", form(name="mine")).status_code == 403
    assert client.post(f"/targets/{target.pk}/delete/").status_code == 403
    assert Target.objects.get().name == "M42"


def test_superusers_and_the_owner_delete_a_target_by_post_only(
    client: Client, django_user_model: type[User], ada: User
) -> None:
    for user in (ada, django_user_model.objects.create_superuser("root")):
        target = Target.objects.create(name="M42", owner=ada)
        client.force_login(user)
        client.get(f"/targets/{target.pk}/delete/")
        assert Target.objects.exists()
        client.post(f"/targets/{target.pk}/delete/")
        assert not Target.objects.exists()


def test_a_program_s_target_is_changed_only_with_permission(ada: User, django_user_model: type[User]) -> None:
    target = Target.objects.create(name="m51")
    assert not target.editable_by(ada)
    assert not target.editable_by(django_user_model.objects.create_user("staff", is_staff=True))
    assert target.editable_by(django_user_model.objects.create_superuser("root"))


def test_a_refusal_is_shown_on_the_form_and_nothing_is_saved(visitor: Client) -> None:
    @on("targets.target.created", when="in_transaction")
    def refuse(event: Event) -> None:
        raise ValidationError("Not tonight.")

    try:
        page = visitor.post("/targets/create/", form(name="x", aliases=("y",)))
    finally:
        detach(refuse)
    assert page.status_code == 409
    assert "Not tonight." in page.content.decode()
    assert not Target.objects.exists()


def test_the_list_filters_sorts_and_pages(visitor: Client) -> None:
    for number in range(30):
        Target.objects.create(name=f"T{number:02d}", ra=number, dec=0)
    page = visitor.get("/targets/?sort=name").content.decode()
    assert "T00" in page
    assert "T29" not in page
    assert "T29" in visitor.get("/targets/?sort=-name").content.decode()
    assert "T07" in visitor.get("/targets/?q=t07&sort=rubbish&after=x").content.decode()
    assert "No target is called" in visitor.get("/targets/?q=<b>").content.decode()
    assert "<b>" not in visitor.get("/targets/?q=<b>").content.decode()


def test_the_live_filter_gets_the_table_alone(visitor: Client) -> None:
    page = visitor.get("/targets/?q=x", headers={"HX-Request": "true"}).content.decode()
    assert page.lstrip().startswith('<div id="targets"')
    assert "navbar" in visitor.get("/targets/?q=x").content.decode()


def test_text_of_a_target_is_escaped(visitor: Client) -> None:
    target = Target.objects.create(name="<script>alert(1)</script>")
    target.extras.create(key="<i>", value="<script>")
    assert "<script>alert" not in visitor.get(target.get_absolute_url()).content.decode()


def test_a_form_that_was_opened_before_somebody_else_saved_reverts_nothing(visitor: Client, ada: User) -> None:
    target = Target.objects.create(name="M42", ra=10, dec=20, owner=ada)
    seen = target.modified.isoformat()
    assert f'name="seen" value="{seen}"' in visitor.get(f"/targets/{target.pk}/edit/").content.decode()
    target.epoch = 2000
    target.save()
    page = visitor.post(f"/targets/{target.pk}/edit/", form(name="M43", seen=seen)).content.decode()
    assert "Somebody changed this since you opened the page" in page
    target.refresh_from_db()
    assert (target.name, target.epoch) == ("M42", 2000)


def test_editing_publishes_what_was_changed_in_the_form(visitor: Client, ada: User) -> None:
    target = Target.objects.create(name="M42", ra=10, dec=20, owner=ada)
    with captured_events() as events:
        visitor.post(f"/targets/{target.pk}/edit/", form(name="M42", epoch="2000"))
    (changes,) = [event.changes for event in events if event.type == "targets.target.updated"]
    assert set(changes) == {"epoch", "modified"}

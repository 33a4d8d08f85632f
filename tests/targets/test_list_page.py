"""The list of targets: filtered, sorted, page by page."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from heliostat.dataproducts.models import DataProduct
from heliostat.observations.models import ObservationRecord
from heliostat.targets.models import Tag, Target, TargetList
from heliostat.targets.search import cone, within

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.usefixtures("site_on")]


@pytest.fixture(autouse=True)
def of_the_team(settings: Any) -> None:
    settings.TOM_EXTRA_FIELDS = [
        {"name": "redshift", "type": "number"},
        {"name": "discovered", "type": "date"},
        {"name": "host", "type": "text"},
        {"name": "spectrum", "type": "boolean"},
        {"name": "band", "type": "choice", "choices": ["g", "r"]},
    ]


@pytest.fixture
def ada(client: Client, site_on: str, django_user_model: type[User]) -> User:
    user = django_user_model.objects.create_user("ada")
    client.force_login(user)
    return user


def shown(page: str) -> list[str]:
    """The names of the targets on a page, in their order."""
    return re.findall(r'data-label="Name"><a href="[^"]+"><bdi>([^<]+)', page)


def names(client: Client, query: str = "") -> list[str]:
    return shown(client.get(f"/targets/{query}").content.decode())


@pytest.fixture
def four(ada: User) -> dict[str, Target]:
    made = {
        name: Target.objects.create(name=name, ra=ra, dec=dec, owner=ada, **more)
        for name, ra, dec, more in (
            ("a", 10.0, 20.0, {"status": "following", "classification": "Supernova > Ia", "priority": 9}),
            ("b", 359.999, 0.0, {"classification": "Nova"}),
            ("c", 0.001, 0.0, {"classification": "Supernova"}),
            ("d", None, None, {"type": "NON_SIDEREAL"}),
        )
    }  # fmt: skip
    for name, values in {
        "a": {"redshift": "10", "discovered": "2023-05-19", "host": "M 101", "spectrum": "true", "band": "g"},
        "b": {"redshift": "9", "discovered": "2024-01-01", "host": "M 31", "spectrum": "false", "band": "r"},
        "c": {"redshift": "unknown", "host": "NGC 1"},
    }.items():
        for key, value in values.items():
            made[name].extras.create(key=key, value=value)
    made["a"].tags.add(Tag.objects.create(name="Bright"))
    DataProduct.objects.create(target=made["b"], data="1.csv", visibility="public")
    ObservationRecord.objects.create(
        target=made["c"], facility="F", observation_id="1", status="COMPLETED", user=ada,
        scheduled_end="2025-03-04T05:06:00Z",
    )  # fmt: skip
    TargetList.objects.create(name="Run", owner=ada, pk=7).targets.add(made["b"], made["d"])
    return made


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=a", "a"), ("type=NON_SIDEREAL", "d"), ("status=following", "a"), ("status=new", "bcd"),
        ("classification=Supernova", "ac"), ("classification=Supernova+>+Ia", "a"), ("tag=bright", "a"), ("tag=x", ""),
        ("list=7", "bd"), ("owner=ada", "abcd"), ("owner=eve", ""), ("data=yes", "b"), ("data=no", "acd"),
        ("coordinates=0+0&radius=5", "bc"), ("coordinates=0+0&radius=0.1&radius_unit=arcmin", "bc"),
        ("coordinates=0+0&radius=1", ""), ("ra=10&dec=20&radius=1", "a"),
        ("coordinates=0+90&radius=180&radius_unit=deg", "abc"),
        ("x.redshift.min=9.5", "a"), ("x.redshift.max=9.5", "b"), ("x.redshift.min=1&x.redshift.max=99", "ab"),
        ("x.discovered.from=2023-06-01", "b"), ("x.discovered.to=2023-05-19", "a"), ("x.host=m+", "ab"),
        ("x.spectrum=true", "a"), ("x.spectrum=false", "b"), ("x.band=r", "b"),
        ("x.band=r&classification=Supernova", ""),
        ("sort=name", "abcd"), ("sort=-name", "dcba"), ("sort=ra", "cab"), ("sort=-dec", "acb"),
        ("sort=x.redshift", "ba"),
        ("sort=-x.redshift", "ab"), ("sort=x.host", "abc"), ("sort=-priority", "adcb"), ("sort=rubbish", "dcba"),
    ],
)  # fmt: skip
def test_a_filter_leaves_what_it_says(client: Client, four: dict[str, Target], query: str, found: str) -> None:
    listed = names(client, f"?{query}")
    assert (listed if "sort" in query else sorted(listed)) == list(found)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("x.redshift.min=high", "“high” is not a number."),
        ("x.discovered.to=May", "“May” is not a date."),
        ("coordinates=nowhere&radius=1", "Write right ascension and declination"),
        ("coordinates=0+0", "A cone needs a radius"),
        ("radius=5", "A cone needs coordinates"),
        ("list=99", "Select a valid choice"),
        ("status=unknown", "Select a valid choice"),
    ],
)
def test_a_filter_that_cannot_be_is_an_error_of_its_field(
    client: Client, four: dict[str, Target], query: str, message: str
) -> None:
    page = client.get(f"/targets/?{query}").content.decode()
    assert shown(page) == []
    assert "A filter is not valid" in page
    assert message in page.replace("&quot;", '"')


@pytest.mark.parametrize("sort", ["", "name", "-name", "priority", "-created", "ra", "x.redshift", "-x.redshift"])
def test_each_target_is_on_one_page_forwards_and_backwards(client: Client, ada: User, sort: str) -> None:
    for number in range(60):  # values repeat: the key decides
        target = Target.objects.create(name=f"T{number:02d}", ra=number % 7, dec=1, priority=number % 3, owner=ada)
        target.extras.create(key="redshift", value=str(number % 4))
    query, pages, addresses = f"?sort={sort}", [], []
    while query:
        addresses.append(query)
        page = client.get(f"/targets/{query}").content.decode()
        assert "60 targets" in page
        pages.append(shown(page))
        link = re.search(r'href="(\?[^"]*after=\d+)"', page)
        query = link[1].replace("&amp;", "&") if link else ""
    assert [len(page) for page in pages] == [25, 25, 10]
    assert len({name for page in pages for name in page}) == 60
    link = re.search(r'href="(\?[^"]*before=\d+)"', page)
    assert link is not None
    assert names(client, link[1].replace("&amp;", "&")) == pages[1]


def test_a_page_costs_the_same_number_of_queries_whatever_it_lists(
    client: Client, four: dict[str, Target], ada: User, site_on: str, django_assert_max_num_queries: Any
) -> None:
    for number in range(40):
        target = Target.objects.create(name=f"z{number}", owner=ada, ra=1, dec=1)
        target.extras.create(key="redshift", value=str(number))
    with django_assert_max_num_queries(25, using=site_on) as count:
        page = client.get("/targets/?sort=name").content.decode()
    assert "2025-03-04 05:06" in page
    few = len(count.captured_queries)
    Target.objects.exclude(name__in="ab").delete()
    with django_assert_max_num_queries(few, using=site_on):
        client.get("/targets/?sort=name")


def test_what_others_keep_for_themselves_is_not_counted(
    client: Client, ada: User, django_user_model: type[User]
) -> None:
    eve = django_user_model.objects.create_user("eve")
    hidden = Target.objects.create(name="hidden", owner=eve, visibility="private")
    seen = Target.objects.create(name="seen", owner=eve, visibility="public")
    TargetList.objects.create(name="Run", owner=eve, pk=7).targets.add(hidden, seen)
    page = client.get("/targets/?list=7").content.decode()
    assert shown(page) == ["seen"]
    assert "1 target<" in page
    assert names(client, f"?after={hidden.pk}") == ["seen"]  # its key is none here: the first page


@pytest.mark.parametrize("place", [(0.0, 0.0), (10.0, 89.999), (359.99, -45.0), (180.0, 30.0)])
@pytest.mark.parametrize("radius", [2.0, 600.0, 40_000.0, 648_000.0])
def test_the_database_finds_the_same_cone(ada: User, place: tuple[float, float], radius: float) -> None:
    near = [(0.0003, 0.0), (-0.0003, 0.0001), (0.1, 0.1), (90.0, 0.001), (180.0, 0.0), (5.0, -9.0)]
    for number, (ra, dec) in enumerate(near):
        Target.objects.create(name=f"T{number}", ra=(place[0] + ra) % 360, dec=max(-90, min(90, place[1] + dec)))
    exact = {target.pk for target in cone(*place, radius)}
    assert set(within(*place, radius, Target.objects.all()).values_list("pk", flat=True)) == exact


def test_all_observations_and_data_of_a_target_are_reached_from_it(client: Client, ada: User) -> None:
    target, other = (Target.objects.create(name=name, owner=ada) for name in ("M 42", "M 43"))
    for number in range(30):
        ObservationRecord.objects.create(target=target, facility="F", observation_id=f"obs-{number:02d}", user=ada)
        DataProduct.objects.create(target=target, data=f"file-{number:02d}.csv")
    ObservationRecord.objects.create(target=other, facility="F", observation_id="of-another", user=ada)
    DataProduct.objects.create(target=other, data="of-another.csv")
    page = client.get(target.get_absolute_url()).content.decode()
    for address, last in (("/observations/", "obs-00"), ("/dataproducts/", "file-00.csv")):
        assert f'href="{address}?target={target.pk}"' in page
        pages = [client.get(f"{address}?target={target.pk}&page={number}").content.decode() for number in (1, 2)]
        assert "of-another" not in pages[0] + pages[1]
        assert last in pages[1]
        assert "1 of 2" in pages[0]
        assert client.get(f"{address}?target=999999").status_code == 404
        assert client.get(f"{address}?target=x").status_code == 404

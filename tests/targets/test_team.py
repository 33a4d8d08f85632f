"""What a team adds to targets: extra fields with types, a workflow, classes, tags, priorities and lists."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db.models import F, Value
from django.db.models.functions import Concat
from django.test import Client

from heliostat.targets.models import Tag, Target, TargetExtra, TargetList
from heliostat.targets.workflow import is_classified
from heliostat.testing import captured_events
from tests.targets.test_pages import form

pytestmark = pytest.mark.django_db

FIELDS: list[dict[str, Any]] = [
    {"name": "redshift", "type": "number", "help_text": "Of the host."},
    {"name": "discovered", "type": "date"},
    {"name": "host", "type": "text", "label": "Host galaxy"},
    {"name": "spectrum", "type": "boolean"},
    {"name": "band", "type": "choice", "choices": ["g", "r", "i"]},
]
WORKFLOW = {"candidate": ["observed", "dropped"], "observed": ["published"], "published": [], "dropped": ["candidate"]}


@pytest.fixture
def ada(client: Client, django_user_model: type[User]) -> User:
    user = django_user_model.objects.create_user("ada")
    client.force_login(user)
    return user


@pytest.fixture(autouse=True)
def of_the_team(settings: Any) -> None:
    settings.TOM_EXTRA_FIELDS = FIELDS
    settings.TOM_TARGET_STATUSES = WORKFLOW
    settings.TOM_TAXONOMY = {"Supernova": {"Ia": {}, "II": {"IIn": {}}}, "Nova": {}}


def fields(**values: str) -> dict[str, str]:
    return {f"fields-{name}": value for name, value in values.items()}


def test_extra_fields_are_saved_by_the_form_and_shown_as_they_are_declared(client: Client, ada: User) -> None:
    extras = fields(redshift="0.0043", discovered="2023-05-19", host="M 101", spectrum="true", band="g")
    with captured_events() as events:
        client.post("/targets/create/", form(name="SN 2023ixf", extras=(("source", "TNS"),), **extras))
    target = Target.objects.get()
    assert [event.type for event in events if event.resource == "targets.target"] == ["targets.target.created"]
    stored = {extra.key: extra.value for extra in target.extras.all()}
    assert stored == {
        "redshift": "0.0043", "discovered": "2023-05-19", "host": "M 101", "spectrum": "true", "band": "g",
        "source": "TNS",
    }  # fmt: skip
    page = client.get(target.get_absolute_url()).content.decode()
    for text in ("<dt>Redshift</dt><dd>0.0043</dd>", "<dt>Host galaxy</dt>", "<dt>Spectrum</dt><dd>yes</dd>", "TNS"):
        assert text in page
    page = client.get(f"{target.get_absolute_url()}edit/").content.decode()
    assert page.count("0.0043") == 1  # in its own field, not among the others
    assert "Of the host." in page


def test_an_extra_field_that_is_emptied_is_deleted_and_others_stay(client: Client, ada: User) -> None:
    target = Target.objects.create(name="x", ra=10, dec=20, owner=ada)
    for key, value in (("redshift", "1"), ("host", "M 1")):
        target.extras.create(key=key, value=value)
    client.post(f"{target.get_absolute_url()}edit/", form(name="x", **fields(redshift="", host="M 1", band="r")))
    assert {extra.key: extra.value for extra in target.extras.all()} == {"host": "M 1", "band": "r"}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("redshift", "high", "“high” is not a number."),
        ("redshift", "nan", "“nan” is not a number."),
        ("discovered", "19 May", "“19 May” is not a date. Write it as 2026-12-31."),
        ("spectrum", "perhaps", "neither true nor false"),
        ("band", "z", "none of: g, r, i"),
        ("host", "a\u202eb", "is hidden"),
    ],
)
def test_a_value_of_another_type_is_refused_at_its_field(
    client: Client, ada: User, name: str, value: str, message: str
) -> None:
    page = client.post("/targets/create/", form(name="x", **fields(**{name: value}))).content.decode()
    assert message in page
    assert not Target.objects.exists()
    with pytest.raises(ValidationError):
        TargetExtra(target=Target(name="y"), key=name, value=value).full_clean(exclude=["target"])


def test_a_declared_field_is_no_free_extra(client: Client, ada: User) -> None:
    page = client.post("/targets/create/", form(name="x", extras=(("redshift", "1"),))).content.decode()
    assert "This extra has a field of its own in this form." in page


def columns(target: Target) -> dict[str, tuple[Any, ...]]:
    return {row.key: (row.as_number, row.as_date, row.as_text) for row in target.extras.all()}


@pytest.mark.django_db(databases="__all__")
def test_the_database_sorts_and_compares_values_by_their_type(site_on: str, tmp_path: Any) -> None:
    target, other = Target.objects.create(name="x"), Target.objects.create(name="y")
    extra = target.extras.create(key="redshift", value="10.5")
    other.extras.create(key="redshift", value="9")
    TargetExtra.objects.bulk_create([
        TargetExtra(target=target, key="discovered", value="2023-05-19T10:00:00"),
        TargetExtra(target=target, key="host", value="M 101"),
    ])  # fmt: skip
    expected: dict[str, tuple[Any, ...]] = {
        "redshift": (10.5, None, "10.5"),
        "discovered": (None, datetime.date(2023, 5, 19), "2023-05-19t10:00:00"),
        "host": (None, None, "m 101"),
    }
    assert columns(target) == expected
    by_number = TargetExtra.objects.filter(key="redshift").order_by("as_number")
    assert [row.value for row in by_number] == ["9", "10.5"]
    extra.value = "11"
    extra.save(update_fields=["value"])
    assert columns(target)["redshift"] == (11.0, None, "11")
    TargetExtra.objects.filter(pk=extra.pk).update(value="12")
    assert columns(target)["redshift"] == (12.0, None, "12")
    TargetExtra.objects.filter(pk=extra.pk).update(value=Concat(F("value"), Value("3")))
    assert columns(target)["redshift"] == (123.0, None, "123")
    extra.value = "13"
    TargetExtra.objects.bulk_update([extra], ["value"])
    assert columns(target)["redshift"] == (13.0, None, "13")
    dumped = tmp_path / "extras.json"
    call_command("dumpdata", "heliostat_targets.targetextra", "--database", site_on, "-o", str(dumped), verbosity=0)
    dumped.write_text(dumped.read_text().replace("13.0", "null"))
    call_command("loaddata", str(dumped), "--database", site_on, verbosity=0)
    assert columns(target)["redshift"] == (13.0, None, "13")


@pytest.mark.parametrize(
    ("setting", "value", "complaint"),
    [
        ("TOM_EXTRA_FIELDS", {"redshift": "number"}, "must be a list of dicts"),
        ("TOM_EXTRA_FIELDS", [{"name": "a b", "type": "text"}], "no word of letters, digits and _"),
        ("TOM_EXTRA_FIELDS", [{"name": "a", "type": "numbr"}], "Did you mean number?"),
        ("TOM_EXTRA_FIELDS", [{"name": "a", "type": "text", "lable": "A"}], "Did you mean label?"),
        ("TOM_EXTRA_FIELDS", [{"name": "a", "type": "choice"}], "needs choices at 'a'"),
        ("TOM_EXTRA_FIELDS", [{"name": "a", "type": "text", "choices": ["x"]}], "whose type is 'text'"),
        ("TOM_EXTRA_FIELDS", [{"name": "a", "type": "choice", "choices": "xy"}], "must have a list of strings"),
        ("TOM_EXTRA_FIELDS", [{"name": "a", "type": "text"}, {"name": "A", "type": "text"}], "declares 'a' twice"),
        ("TOM_EXTRA_FIELDS", [{"name": "a", "type": []}], "types are number, text"),
        ("TOM_TARGET_STATUSES", ["new"], "must be a dict of states"),
        ("TOM_TARGET_STATUSES", {"new": ["doen"], "done": []}, "Did you mean done?"),
        ("TOM_TARGET_STATUSES", {"new": "done", "done": []}, "must have a list of states behind 'new'"),
        ("TOM_TAXONOMY", {"Supernova": ["Ia"]}, "must have a dict behind 'Supernova'"),
        ("TOM_TAXONOMY", {"A > B": {}}, "must have names without '>'"),
        ("TOM_TAXONOMY", {"a" * 120: {"b" * 120: {}}}, "is too deep"),
    ],
)
def test_a_declaration_that_cannot_work_is_reported_at_start(
    settings: Any, setting: str, value: Any, complaint: str
) -> None:
    setattr(settings, setting, value)
    messages = [str(message.msg) for message in run_checks(databases=[]) if message.id == "heliostat.E001"]
    assert [message for message in messages if message.startswith(setting) and complaint in message], messages


def test_a_target_moves_as_the_workflow_permits(client: Client, ada: User) -> None:
    client.post("/targets/create/", form(name="x"))
    target = Target.objects.get()
    assert target.status == "candidate"
    address = f"{target.get_absolute_url()}edit/"
    page = client.get(address).content.decode()
    assert '<option value="observed">' in page
    assert '<option value="published">' not in page
    with captured_events() as events:
        client.post(address, form(name="x", status="observed"))
    changes = [event.changes for event in events if event.type == "targets.target.updated"]
    assert changes[0]["status"] == ("candidate", "observed")
    target.refresh_from_db()
    target.status = "dropped"
    with pytest.raises(ValidationError, match="that is observed cannot become dropped"):
        target.full_clean()
    client.post(address, form(name="x"))  # a form that says nothing of it
    assert Target.objects.get().status == "observed"


def test_a_state_that_the_workflow_has_no_longer_may_become_each_other(settings: Any) -> None:
    target = Target.objects.create(name="x", ra=1, dec=2, status="archived")
    target.full_clean()
    target.status = "published"
    target.full_clean()
    target.status = "lost"
    with pytest.raises(ValidationError, match="There is no status “lost”"):
        target.full_clean()
    settings.TOM_TARGET_STATUSES = {}
    assert Target.objects.create(name="y").status == ""


def test_a_team_without_a_workflow_has_no_status(client: Client, ada: User, settings: Any) -> None:
    settings.TOM_TARGET_STATUSES = {}
    client.post("/targets/create/", form(name="x"))
    assert "Status</dt>" not in client.get(Target.objects.get().get_absolute_url()).content.decode()


def test_classes_are_those_of_the_taxonomy_and_include_what_is_below(client: Client, ada: User) -> None:
    assert "There is no class" not in client.post(
        "/targets/create/", form(name="x", classification="Supernova > II > IIn"), follow=True
    ).content.decode()  # fmt: skip
    Target.objects.create(name="y", classification="Supernova")
    Target.objects.create(name="z", classification="Supernovae")
    assert set(Target.objects.filter(is_classified("Supernova")).values_list("name", flat=True)) == {"x", "y"}
    assert Target.objects.filter(is_classified("Supernova > II")).get().name == "x"
    with pytest.raises(ValidationError, match="There is no class “Kilonova” in the taxonomy"):
        Target(name="a", ra=1, dec=2, classification="Kilonova").full_clean()


def test_tags_are_shared_whatever_their_case_and_a_form_without_them_removes_them(client: Client, ada: User) -> None:
    client.post("/targets/create/", form(name="x", tags="Bright,  host galaxy, bright,", priority="7"))
    client.post("/targets/create/", form(name="y", tags="BRIGHT", ra="11"))
    assert [tag.name for tag in Tag.objects.all()] == ["Bright", "host galaxy"]
    target = Target.objects.get(name="x")
    assert target.priority == 7
    page = client.get(target.get_absolute_url()).content.decode()
    assert "host galaxy" in page
    assert "priority 7" in page
    client.post(f"{target.get_absolute_url()}edit/", form(name="x", tags="host galaxy"))
    assert [tag.name for tag in target.tags.all()] == ["host galaxy"]
    assert "at most 50 characters" in client.post("/targets/create/", form(name="z", tags="a" * 51)).content.decode()


@pytest.mark.parametrize("key", ["9" * 30, "x", "\x00", "1.5"])
def test_the_admin_refuses_tags_that_are_no_keys(client: Client, admin_user: User, key: str) -> None:
    client.force_login(admin_user)
    fields = form(name="x", tags=key, status="candidate", visibility="private")
    response = client.post("/admin/heliostat_targets/target/add/", fields)
    assert set(response.context["adminform"].form.errors) == {"tags"}
    assert client.post("/admin/heliostat_targets/target/add/", {**fields, "tags": []}).status_code == 302
    assert Target.objects.get().status == "candidate"


class TestLists:
    def test_a_user_makes_a_list_and_puts_targets_into_it(self, client: Client, ada: User) -> None:
        target = Target.objects.create(name="x", owner=ada)
        client.post("/targets/lists/create/", {"name": "Run 12", "is_shared": "on"})
        one = TargetList.objects.get()
        assert one.owner == ada
        membership = f"{target.get_absolute_url()}lists/"
        assert "Add to list" in client.get(target.get_absolute_url()).content.decode()
        page = client.post(membership, {"list": one.pk, "action": "add"}, follow=True).content.decode()
        assert "x is in the list Run 12." in page
        assert list(one.targets.all()) == [target]
        page = client.get("/targets/lists/").content.decode()
        assert "Run 12" in page
        assert 'class="number">1</td>' in page
        client.post(membership, {"list": one.pk, "action": "remove"})
        assert not one.targets.exists()
        assert "You have a list of this name." in client.post(
            "/targets/lists/create/", {"name": "Run 12"}
        ).content.decode()  # fmt: skip
        client.post(f"/targets/lists/{one.pk}/delete/")
        assert Target.objects.exists()
        assert not TargetList.objects.exists()

    def test_a_list_that_is_not_shared_is_seen_by_its_owner_alone(
        self, client: Client, ada: User, django_user_model: type[User]
    ) -> None:
        eve = django_user_model.objects.create_user("eve")
        target = Target.objects.create(name="x", owner=ada)
        private = TargetList.objects.create(name="Secret", owner=eve, is_shared=False)
        shared = TargetList.objects.create(name="Shared", owner=eve)
        for one in (private, shared):
            one.targets.add(target)
        for address in ("/targets/lists/", target.get_absolute_url()):
            page = client.get(address).content.decode()
            assert "Shared" in page
            assert "Secret" not in page
        membership = f"{target.get_absolute_url()}lists/"
        assert client.post(membership, {"list": private.pk, "action": "remove"}).status_code == 404
        assert client.post(membership, {"list": shared.pk, "action": "remove"}).status_code == 403
        assert client.get(f"/targets/lists/{shared.pk}/edit/").status_code == 403
        assert client.post(f"/targets/lists/{shared.pk}/delete/").status_code == 403
        assert shared.targets.exists()

"""One name, one target: however the name is written, and who writes it, on each database."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection, connections, transaction
from django.test import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heliostat.targets.folding import fold
from heliostat.targets.models import Target, TargetName
from heliostat.targets.names import FoldedName, NameTaken, key_of
from heliostat.targets.search import by_words, find_named
from heliostat.targets.substrings import ensure_index

DATABASES = ["default", "postgresql", "mariadb"]
pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.usefixtures("site_on")]


def table() -> dict[str, tuple[int, int | None]]:
    return {row.folded: (row.target_id, row.alias_id) for row in FoldedName.objects.all()}


def is_true() -> bool:
    """The table holds the name of each target and alias, and nothing else."""
    expected = {key_of(target.name): (target.pk, None) for target in Target.objects.all()}
    expected |= {key_of(alias.name): (alias.target_id, alias.pk) for alias in TargetName.objects.all()}
    return table() == expected


def test_the_table_follows_what_is_saved_renamed_and_deleted() -> None:
    target = Target.objects.create(name="SN 1987A")
    alias = target.aliases.create(name="AAVSO 0534-69")
    assert table() == {"sn1987a": (target.pk, None), "aavso0534-69": (target.pk, alias.pk)}
    target.name, alias.name = "SN1987B", "else"
    target.save()
    alias.save()
    assert is_true()
    target.name = "not written"
    target.save(update_fields=["ra"])
    assert is_true()
    alias.delete()
    assert is_true()
    target.delete()
    assert table() == {}


def test_the_table_follows_statements_over_many_rows() -> None:
    one, two = Target.objects.bulk_create([Target(name="one"), Target(name="two")])
    TargetName.objects.bulk_create([TargetName(target=one, name="uno"), TargetName(target=two, name="due")])
    assert is_true()
    one.name, two.name = two.name, one.name  # they change places in one statement
    Target.objects.bulk_update([one, two], ["name"])
    assert is_true()
    Target.objects.filter(pk=one.pk).update(name="three")
    one.aliases.update(target=two)
    assert is_true()
    assert two.aliases.count() == 2
    Target.objects.bulk_create([Target(name="THREE"), Target(name="four"), Target(name="Four")], ignore_conflicts=True)
    assert is_true()
    assert sorted(Target.objects.values_list("name", flat=True)) in (["four", "one", "three"], ["one", "three", "four"])
    Target.objects.all().delete()
    assert table() == {}


@pytest.mark.parametrize("spelling", ["SN1572", "sn-1572", "SN\u00a01572", "Tycho\u2019s", "TYCHO\u2019S"])
def test_a_name_is_refused_however_it_is_written_and_nothing_is_saved(spelling: str) -> None:
    target = Target.objects.create(name="SN 1572")
    target.aliases.create(name="Tycho\u2019s")
    other = Target.objects.create(name="other")
    with pytest.raises(NameTaken, match="A name is taken"), transaction.atomic(Target.objects.db):
        Target.objects.create(name=spelling)
    with pytest.raises(NameTaken), transaction.atomic(Target.objects.db):
        other.aliases.create(name=spelling)
    with pytest.raises(NameTaken), transaction.atomic(Target.objects.db):
        Target.objects.bulk_create([Target(name="free"), Target(name=spelling)])
    with pytest.raises(NameTaken), transaction.atomic(Target.objects.db):
        Target.objects.filter(pk=other.pk).update(name=spelling)
    with pytest.raises(ValidationError, match="There is already a target with this name or alias: SN 1572"):
        Target(name=spelling).full_clean()
    assert Target.objects.count() == 2
    assert is_true()


@pytest.mark.parametrize(
    ("one", "other"), [("Müller 1", "Muller 1"), ("TYC 1-234-1", "TYC 12-34-1"), ("PSR J0437+4715", "PSR J0437-4715")]
)
def test_names_that_differ_are_two_targets_on_each_database(one: str, other: str) -> None:
    Target.objects.create(name=one)
    Target.objects.create(name=other)
    assert is_true()


def test_a_name_of_a_hundred_wide_characters_is_kept_apart_from_its_neighbour() -> None:
    long = "\ufdfa" * 99  # each is eighteen characters in NFKC
    Target.objects.create(name=long + "a")
    Target.objects.create(name=long + "b")
    found = find_named([long + "A"])
    assert found is not None
    assert found.target.name == long + "a"


def test_names_are_found_in_one_query_and_by_what_they_are(django_assert_num_queries: Any) -> None:
    target = Target.objects.create(name="SN 1987A")
    target.aliases.create(name="AAVSO 0534-69")
    with django_assert_num_queries(1, using=Target.objects.db):
        found = find_named(["unknown", *map(str, range(500)), "aavso 0534\u221269", "sn1987a"])
    assert found is not None
    assert (found.target, found.reason) == (target, "the alias aavso 0534\u221269")


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("orion", ["M 42"]),
        ("ORION NEB", ["M 42"]),
        ("m4", ["M 42", "M 43"]),
        ("M 4", ["M 42", "M 43"]),
        ("4", []),  # of one letter: what begins so
        ("nebula\x00%", []),
        ("_rion", []),
        ('"', []),
        ('on"n', []),
        ("137-1", ["ESO 137-1"]),
        ("137 1", ["ESO 137-1"]),
        ("1371", []),
        ("ß-s", ["Großsein"]),
    ],
)
def test_a_part_of_a_name_finds_its_target_once(words: str, names: list[str]) -> None:
    for name in ("M 42", "M 43", "ESO 137-1", "Großsein"):
        Target.objects.create(name=name)
    target = Target.objects.get(name="M 42")
    target.aliases.create(name="Orion Nebula")
    target.aliases.create(name="Orion A")
    assert sorted(found.name for found in by_words(Target.objects.all(), words)) == names


@pytest.mark.parametrize("words", ["ztf", "ZTF 1", "z"])
def test_a_part_that_many_names_have_finds_each_target_once(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    monkeypatch.setattr("heliostat.targets.search.FEW", 2)
    for number in range(4):
        Target.objects.create(name=f"ZTF1{number}").aliases.create(name=f"ZTF 1 {number}b")
    Target.objects.create(name="else")
    names = by_words(Target.objects.order_by("name"), words).values_list("name", flat=True)
    assert list(names) == ["ZTF10", "ZTF11", "ZTF12", "ZTF13"]


@given(st.text(min_size=1, max_size=8), st.text(max_size=4), st.text(max_size=4))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_part_of_three_letters_finds_the_name(part: str, before: str, after: str) -> None:
    name = f"{before}{part}{after}".replace("\x00", "")
    part = part.replace("\x00", "").strip()
    if len(fold(part)) < 3 or fold(part) not in fold(name):
        return
    with transaction.atomic(Target.objects.db):
        target = Target.objects.create(name=name)
        assert target in by_words(Target.objects.all(), part)
        transaction.set_rollback(True, using=Target.objects.db)


def test_without_the_index_of_trigrams_the_same_is_found(caplog: pytest.LogCaptureFixture) -> None:
    using = Target.objects.db
    if connections[using].vendor == "mysql":
        pytest.skip("MariaDB has no such index")
    target = Target.objects.create(name="Orion Nebula")
    with transaction.atomic(using), connections[using].cursor() as cursor:
        if connections[using].vendor == "sqlite":
            for name in ("insert", "update", "delete"):
                cursor.execute(f"DROP TRIGGER heliostat_targets_foldedname_trigrams_{name}")
            cursor.execute("DROP TABLE heliostat_targets_foldedname_trigrams")
        else:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("DROP INDEX heliostat_targets_foldedname_trigrams")
        Target.objects.create(name="Orion A")
        connections[using].check_constraints()
        assert by_words(Target.objects.all(), "nebula").get() == target
        ensure_index(using)
        ensure_index(using)
        assert by_words(Target.objects.all(), "orion").count() == 2
        transaction.set_rollback(True, using=using)
    assert caplog.messages == []


def test_a_user_who_may_not_create_the_extension_can_migrate(caplog: pytest.LogCaptureFixture) -> None:
    using = Target.objects.db
    if connections[using].vendor != "postgresql":
        pytest.skip("of PostgreSQL")
    with transaction.atomic(using), connections[using].cursor() as cursor:
        cursor.execute("DROP EXTENSION pg_trgm CASCADE")
        cursor.execute("CREATE ROLE heliostat_guest_of_tests")
        cursor.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO heliostat_guest_of_tests")
        cursor.execute("SET LOCAL ROLE heliostat_guest_of_tests")
        ensure_index(using)
        assert by_words(Target.objects.all(), "nebula").count() == 0
        transaction.set_rollback(True, using=using)
    assert "reads all names: there is no index of trigrams" in caplog.text
    assert "permission denied" in caplog.text


def test_a_fixture_is_loaded_with_the_names_table_or_without(tmp_path: Path) -> None:
    using = Target.objects.db
    for number in range(3):
        Target.objects.create(name=f"SN {number}").aliases.create(name=f"AT {number}")
    dumped = tmp_path / "targets.json"
    call_command("dumpdata", "heliostat_targets", "--database", using, "-o", str(dumped), verbosity=0)
    rows = json.loads(dumped.read_text())
    without = tmp_path / "without.json"
    without.write_text(json.dumps([row for row in rows if row["model"] != "heliostat_targets.foldedname"]))
    for row in rows:  # as from a site whose rows have other keys
        if row["model"] == "heliostat_targets.foldedname":
            row["pk"] = 7 - row["pk"] % 7
    dumped.write_text(json.dumps(rows))
    for fixture in (dumped, without, without):
        Target.objects.all().delete()
        call_command("loaddata", str(fixture), "--database", using, verbosity=0)
        assert Target.objects.count() == 3
        assert is_true(), (table(), list(TargetName.objects.values()), list(Target.objects.values("pk", "name")))


@pytest.fixture
def ada(client: Client, site_on: str, django_user_model: type[User]) -> User:
    user = django_user_model.objects.create_superuser("ada", password="x")
    client.force_login(user)
    return user


def form(target: Target | None = None, **fields: Any) -> dict[str, Any]:
    counts = {"TOTAL_FORMS": 2, "INITIAL_FORMS": target.aliases.count() if target else 0}
    data = {"type": "SIDEREAL", "ra": "10", "dec": "20", "visibility": "public"}
    data |= {f"aliases-{key}": value for key, value in counts.items()}
    data |= {f"extras-{key}": "0" for key in counts}
    for number, alias in enumerate(target.aliases.all() if target else ()):
        data |= {f"aliases-{number}-id": alias.pk, f"aliases-{number}-target": target and target.pk}
    return data | fields


ADD, CHANGE = "/admin/heliostat_targets/target/add/", "/admin/heliostat_targets/target/{}/change/"


@pytest.mark.parametrize("address", ["/targets/create/", ADD])
def test_pages_and_admin_refuse_a_name_in_another_spelling(client: Client, ada: User, address: str) -> None:
    Target.objects.create(name="SN 1572").aliases.create(name="Tycho 1")
    for fields in ({"name": "sn1572"}, {"name": "x", "aliases-0-name": "TYCHO-1"}):
        page = client.post(address, form(**fields)).content.decode()
        assert "already a target with this name or alias: SN 1572" in page
    for names in (("M 31", "m31", ""), ("M 31", "NGC 224", "ngc-224")):
        fields = dict(zip(("name", "aliases-0-name", "aliases-1-name"), names, strict=True))
        assert "The target has this name twice" in client.post(address, form(**fields)).content.decode()
    assert Target.objects.count() == 1


@pytest.mark.parametrize("address", ["/targets/{}/edit/", CHANGE])
def test_name_and_alias_change_places_on_the_page(client: Client, ada: User, address: str) -> None:
    target = Target.objects.create(name="AT 2017gfo", ra=1, dec=1, owner=ada)
    target.aliases.create(name="SSS17a")
    target.aliases.create(name="DLT17ck")
    names = {"name": "SSS17a", "aliases-0-name": "DLT17ck", "aliases-1-name": "AT 2017gfo"}
    answer = client.post(address.format(target.pk), form(target, **names))
    assert answer.status_code == 302
    assert [alias.name for alias in target.aliases.all()] == ["DLT17ck", "AT 2017gfo"]
    assert is_true()


def written_by_others(using: str, *statements: str) -> None:
    with connections[using].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def test_a_command_rebuilds_the_table_after_another_program_wrote_names(
    site_on: str, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = Target.objects.create(name="SN 1572"), Target.objects.create(name="M 1")
    alias = two.aliases.create(name="Crab")
    written_by_others(
        site_on,
        f"UPDATE heliostat_targets_target SET name = 'SN 1604' WHERE id = {one.pk}",
        f"UPDATE heliostat_targets_targetname SET name = 'NGC 1952' WHERE id = {alias.pk}",
        f"DELETE FROM heliostat_targets_foldedname WHERE target_id = {two.pk} AND alias_id IS NULL",
    )
    assert not is_true()
    call_command("rebuild_names", database=site_on)
    assert is_true()
    assert "3 names written, 2 names removed" in capsys.readouterr().out
    call_command("rebuild_names", database=site_on)
    assert "0 names written, 0 names removed" in capsys.readouterr().out


def test_a_command_lists_names_that_another_program_wrote_twice_and_changes_nothing(site_on: str) -> None:
    one, two = Target.objects.create(name="SN 1572"), Target.objects.create(name="M 1")
    written_by_others(site_on, f"UPDATE heliostat_targets_target SET name = 'sn-1572' WHERE id = {two.pk}")
    before = table()
    with pytest.raises(CommandError, match=f"sn1572: target {one.pk}, target {two.pk}"):
        call_command("rebuild_names", database=site_on)
    assert table() == before


class TestAtTheSameMoment:
    """Two people save one name: the first has it, the second sees an error, and nothing half done is left."""

    pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

    @pytest.mark.parametrize(
        ("address", "fields"),
        [("/targets/create/", {"name": "sn1572"}), ("/targets/create/", {"name": "x", "aliases-0-name": "sn-1572"}),
         (ADD, {"name": "sn1572"})],
    )  # fmt: skip
    def test_the_second_gets_an_error(
        self, client: Client, ada: User, site_on: str, address: str, fields: dict[str, str]
    ) -> None:
        if address == ADD and connections[site_on].vendor == "sqlite":
            pytest.skip("the admin checks and saves in one transaction, and SQLite has one at a time")
        checked, pages = threading.Event(), []

        def note(execute: Any, sql: str, *rest: Any) -> Any:
            result = execute(sql, *rest)
            if sql.startswith("SELECT") and "foldedname" in sql and "sn1572" in rest[0]:
                checked.set()
            return result

        def second() -> None:
            with connections[site_on].execute_wrapper(note):
                pages.append(client.post(address, form(**fields), follow=True).content.decode())
            connections.close_all()

        thread = threading.Thread(target=second)
        with transaction.atomic(site_on):
            Target.objects.create(name="SN 1572")
            thread.start()
            assert checked.wait(60)  # it has seen that the name is free, and waits for this transaction
        thread.join(60)
        assert "Somebody has just saved a target with this name or alias." in pages[0]
        assert list(Target.objects.values_list("name", flat=True)) == ["SN 1572"]
        assert is_true()


def test_the_connection_of_these_tests_is_the_one_that_they_name(site_on: str) -> None:
    assert Target.objects.db == site_on
    assert connection.alias == "default"

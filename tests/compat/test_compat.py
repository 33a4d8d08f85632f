"""`make compat`: what its comparison says, and its quick slice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path

import pytest
from compat.__main__ import main
from compat.comparing import COUNTS, EXPLAINED, compare, explain_counts
from compat.environments import BUILD
from compat.inside.host_queries import HostQueries
from compat.runs import Run
from compat.suites import QUICK, SUITES
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext

from heliostat.testing import subscribed
from tests.example.models import Depot
from tests.settings import IN_CI

ROOT = Path(__file__).parents[2]
PACKAGES = (
    "taggit",
    "mptt",
    "polymorphic",
    "djmoney",
    "model_utils",
    "simple_history",
    "guardian",
    "phonenumber_field",
)
LAUNCH = ROOT / "compat" / "inside" / "launch.py"


@pytest.mark.timeout(400)
@pytest.mark.skipif(
    not IN_CI and not all(map(find_spec, PACKAGES)), reason="the development dependencies are older than pyproject.toml"
)
def test_no_probe_of_eight_packages_notices_heliostat(capsys: pytest.CaptureFixture[str]) -> None:
    """And their changes, the tags of django-taggit and what FieldTracker binds included, are published."""
    assert main(["--quick", "--fresh"]) == 0, capsys.readouterr().out
    record = (BUILD / "results" / "quick" / "with.jsonl").read_text(encoding="utf-8").splitlines()
    types = next(facts["types"] for line in record if "types" in (facts := json.loads(line)))
    assert types["probe_taggit.article.updated"]
    assert types["probe_others.person.created"]
    assert types["probe_polymorphic.deepproject.deleted"] <= types["probe_polymorphic.project.deleted"]


def test_a_test_that_fails_only_with_heliostat_is_a_difference() -> None:
    comparison = compare(_run(a="passed", b="failed"), _run(a="failed", b="failed"), {})
    assert [one.test for one in comparison.unexplained] == ["a"]
    assert not comparison.is_equal


def test_a_test_that_does_not_run_or_is_skipped_with_heliostat_is_a_difference() -> None:
    comparison = compare(_run(a="passed", b="passed"), _run(b="skipped"), {})
    assert [(one.test, one.with_it) for one in comparison.unexplained] == [("a", "not run"), ("b", "skipped")]


def test_a_test_that_fails_without_heliostat_alone_is_a_difference() -> None:
    assert not compare(_run(a="failed"), _run(a="passed"), {}).is_equal


def test_equal_runs_in_which_nothing_was_published_prove_nothing() -> None:
    comparison = compare(_run(a="passed"), _run(published=0, a="passed"), {})
    assert not comparison.is_equal
    assert "published no event" in comparison.problems[0]


def test_a_difference_that_ends_where_own_queries_are_hidden_counts_queries() -> None:
    comparison = compare(_run(a="passed", b="passed"), _run(a="failed", b="failed"), {})
    comparison.with_it.of_queries |= {"a", "b"}
    explain_counts(comparison, _run(a="passed", b="failed"))
    assert [one.test for one in comparison.counting] == ["a"]
    assert [one.test for one in comparison.unexplained] == ["b"]
    assert comparison.differences[0].reason == COUNTS


def test_a_failure_that_does_not_speak_of_queries_and_a_test_that_did_not_run_are_faults() -> None:
    comparison = compare(_run(a="passed", b="passed"), _run(a="failed"), {})
    explain_counts(comparison, _run(a="passed", b="passed"))
    assert [one.test for one in comparison.unexplained] == ["a", "b"]


def test_a_difference_with_a_reason_is_no_fault() -> None:
    assert compare(_run(a="passed"), _run(a="failed"), {"a": "why"}).is_equal


def _run(*, published: int = 1, **outcomes: str) -> Run:
    run = Run(outcomes=dict(outcomes))
    run.published["durable"] = published
    return run


UNITTEST = """
import unittest

class Some(unittest.TestCase):
    def test_good(self): pass
    def test_bad(self): self.assertEqual(1, 2)
    def test_parts(self):
        for n in range(2):
            with self.subTest(n=n): self.assertEqual(n, 0)
    @unittest.skip("why")
    def test_skipped(self): pass
    @unittest.expectedFailure
    def test_expected(self): self.fail()

class Broken(unittest.TestCase):
    @classmethod
    def setUpClass(cls): raise RuntimeError
    def test_never(self): pass
"""


@pytest.mark.parametrize("runner", ["unittest", "pytest"])
def test_each_outcome_is_recorded_under_unittest_and_pytest(runner: str, tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(UNITTEST, encoding="utf-8")
    record = tmp_path / "record.jsonl"
    suite = (
        ["-m", "unittest", "test_some"] if runner == "unittest" else ["-m", "pytest", "-p", "no:django", "test_some.py"]
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "PYTEST_"))}
    command = [sys.executable, str(LAUNCH), str(record), "--", *suite]
    subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False, timeout=60)
    facts = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
    outcomes = {one["test"].replace("::", ".").partition("Some.")[2]: one["outcome"] for one in facts}
    assert (outcomes["test_good"], outcomes["test_bad"], outcomes["test_skipped"]) == ("passed", "failed", "skipped")
    assert any(one["outcome"] == "failed" and "test_parts" in one["test"] for one in facts)
    assert any(one["outcome"] == "failed" and "Broken" in one["test"] for one in facts)


@pytest.mark.django_db
def test_statements_of_heliostat_are_hidden_and_those_of_the_host_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections["default"], "queries_log", HostQueries(maxlen=1000))  # the proxy would lose it
    depot = Depot.objects.create(name="North")
    looking = subscribed(lambda _: list(Depot.objects.all()), "example.depot.*", when="in_transaction")
    with looking, CaptureQueriesContext(connection) as queries:
        depot.name = "South"
        depot.save()
    assert [query["sql"].split()[0] for query in queries.captured_queries] == ["UPDATE"]


def test_each_explanation_is_of_a_suite_that_there_is() -> None:
    explained = tomllib.loads(EXPLAINED.read_text(encoding="utf-8"))["explained"]
    assert all(any(fnmatchcase(suite.name, entry["suite"]) for suite in SUITES) for entry in explained)
    assert compare(_run(a="passed", bc="passed"), _run(a="failed", bc="failed"), {"a": "why", "b*": "why"}).is_equal


def test_suites_have_names_of_their_own() -> None:
    names = [suite.name for suite in (*SUITES, QUICK)]
    assert len(names) == len(set(names))

"""What the documents show, runs; what they list, exists."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from configparser import ConfigParser
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import get_commands, load_command_class

from heliostat.cli import COMMANDS
from heliostat.conf import Conf, Settings
from heliostat.hooks import decorator
from heliostat.hooks.points import all_points
from heliostat.outbox.transitions import wait_before_next
from heliostat.targets.models import Target
from heliostat.webhooks import deliverers
from heliostat.webhooks.deliverers.base import HookDeliverer, HooksDeliverer

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]["Changelog"].partition("blob/")[0]


def blocks(language: str) -> Iterator[Any]:
    for document in DOCUMENTS:
        found = re.findall(rf"^```{language}\n(.*?)^```", document.read_text(), flags=re.MULTILINE | re.DOTALL)
        for number, text in enumerate(found, start=1):
            yield pytest.param(text, id=f"{document.stem}-{number}")


def is_run_elsewhere(code: str) -> bool:
    """Whole programs, and files with names, have tests of their own."""
    return "settings.configure" in code or re.match(r"# \S+\.py\n", code) is not None


@pytest.fixture
def forget_decorated() -> Iterator[None]:
    before = dict(decorator._decorated)
    yield
    decorator._decorated.clear()
    decorator._decorated.update(before)


# What is defined in a document is also called, with these arguments.
CALLED: dict[str, tuple[Any, ...]] = {
    "import_target": ("M51", ["NGC 5194"]),
    "add_night": ("M51",),
    "add_file": ("M51",),
    "open_dome": ("north",),
    "rename_all": (),
    "create_user_hooks": (),
    "test_a_new_target_has_an_event": (),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("forget_decorated")
@pytest.mark.parametrize("code", [block for block in blocks("python") if not is_run_elsewhere(block.values[0])])
def test_code_in_the_documents_runs(code: str, settings: Any) -> None:
    names: dict[str, Any] = {"__name__": "document"}
    exec(compile(code, "document", "exec"), names)
    for name, arguments in CALLED.items():
        if name in names:
            names[name](*arguments)
    for name in ("HOOKS", "EVENT_LISTENERS", "HELIOSTAT_QUEUES"):
        if name in names and "mytom" not in code:
            setattr(settings, name, names[name])
            assert run_checks(databases=[]) == []


@pytest.mark.django_db
def test_the_webhooks_document_creates_hooks(django_user_model: Any) -> None:
    from heliostat.webhooks.models import Hook

    names: dict[str, Any] = {}
    (code,) = [block.values[0] for block in blocks("python") if "def create_hooks(" in block.values[0]]
    exec(code, names)
    names["create_hooks"](django_user_model.objects.create_user("ada"), Target.objects.create(name="M51"))
    assert Hook.objects.count() == 2


@pytest.mark.django_db
def test_the_operations_of_the_operating_document_work() -> None:
    from heliostat.outbox.models import Callback
    from heliostat.webhooks.models import Hook

    names: dict[str, Any] = {}
    (code,) = [block.values[0] for block in blocks("python") if "def after_a_bad_night(" in block.values[0]]
    exec(code, names)
    hook = Hook.objects.create(signals=["targets.target.*"], target_url="https://receiver.example.com/", enabled=False)
    assert names["after_a_bad_night"](hook) == 0, "nothing had failed yet"
    Callback.objects.update(status="error")
    assert names["after_a_bad_night"](hook) == 1


def test_the_example_of_the_readme_prints_what_it_says(tmp_path: Path) -> None:
    (code,) = [block.values[0] for block in blocks("python") if "settings.configure" in block.values[0]]
    (tmp_path / "example.py").write_text(code)
    for _ in range(2):  # it can be run again
        done = subprocess.run(
            [sys.executable, "example.py"], check=False, cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert done.stdout.strip() == "auth.user.created ada verified: True", done.stderr


def test_celery_finds_the_app_of_the_deliverers_document(tmp_path: Path) -> None:
    (tmp_path / "mysite").mkdir()
    (tmp_path / "mysite" / "settings.py").write_text("from tests.settings import *")
    for code in (block.values[0] for block in blocks("python") if block.values[0].startswith("# mysite/")):
        (tmp_path / code.partition("\n")[0].removeprefix("# ")).write_text(code)
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "mysite", "report"],
        check=False, cwd=tmp_path, env={**environment, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_links_and_pictures_lead_somewhere(document: Path) -> None:
    text = re.sub(re.escape(REPOSITORY) + "(?:blob|raw)/main/", "", document.read_text())
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" not in link:
            path, _, anchor = link.partition("#")
            target = (document.parent / path) if path else document
            assert target.is_file(), link
            if anchor:
                headings = re.findall(r"^#+ (.+)$", target.read_text(), flags=re.MULTILINE)
                assert anchor in {re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings}, link


def test_links_of_the_readme_work_on_a_package_index() -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", (ROOT / "README.md").read_text())
    assert len(links) > 10
    assert [link for link in links if not link.startswith("https://")] == []


def test_the_python_api_shows_the_names_of_the_reference() -> None:
    reference, page = ((ROOT / "docs" / name).read_text() for name in ("reference.md", "python-api.md"))
    listed = re.findall(r"^\| `(heliostat[\w.]*)` \| `(\w+)` \|", reference, flags=re.MULTILINE)
    shown = set(re.findall(r"^\.\. auto\w+:: (\S+)", page, flags=re.MULTILINE))
    elsewhere = ("heliostat.webhooks.deliverers", "heliostat.alerts.brokers")  # on pages of their own
    expected = {f"{module}.{name}" for module, name in listed if not module.startswith(elsewhere)}
    assert len(expected) > 80
    missing = {name for name in expected - shown if name.rpartition(".")[0] not in shown}
    assert missing == {"heliostat.text.LINES"}


def test_the_modules_that_the_documents_name_exist() -> None:
    named = {path for document in DOCUMENTS for path in re.findall(r"\bheliostat/[\w/]+\.py\b", document.read_text())}
    assert len(named) > 5
    assert [path for path in sorted(named) if not (ROOT / "src" / path).is_file()] == []


def test_the_reference_lists_every_setting_with_its_default_and_meaning() -> None:
    text = (ROOT / "docs" / "reference.md").read_text()
    for setting in Settings.of_all_apps():
        assert f"| `{setting.name}` | `{setting.default!r}` | {setting.meaning} |" in text, setting.name


def test_the_reference_lists_the_settings_with_names_of_their_own() -> None:
    text = (ROOT / "docs" / "reference.md").read_text()
    source = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    names = set(re.findall(r'"(TOM_[A-Z_]+|HOOKS|HOOK_[A-Z_]+|EVENT_LISTENERS)"', source))
    assert {"TOM_ALERT_LIMIT", "HOOKS"} <= names
    assert {name for name in names if f"| `{name}` |" not in text} == set()


def test_every_hook_point_that_is_bundled_is_described_and_documented() -> None:
    text = (ROOT / "docs" / "code-hooks.md").read_text()
    bundled = {name: point for name, point in all_points().items() if point.default}
    assert set(bundled) == {
        "target_post_save",
        "observation_change_state",
        "data_product_post_upload",
        "data_product_post_save",
        "multiple_data_products_post_save",
    }
    for name, point in bundled.items():
        assert point.doc, name
        assert f"`{name}({', '.join(point.signature.parameters)})`" in text


def test_every_command_is_in_the_readme_and_has_help_with_an_example() -> None:
    listed = set(re.findall(r"^\| `heliostat (\w+)", (ROOT / "README.md").read_text(), flags=re.MULTILINE))
    managed = {name for name, app in get_commands().items() if str(app).startswith("heliostat.")}
    assert listed == set(COMMANDS) | managed
    assert all("example" in import_module(f"heliostat.cli.{name}").EXAMPLE for name in COMMANDS)
    for name in managed:
        command = load_command_class(get_commands()[name], name)
        assert "Exits with" in command.help, name
        assert f"manage.py {name}" in command.create_parser("manage.py", name).format_help().partition("\nexample")[2]


def test_every_deliverer_that_is_ready_is_documented_and_exists() -> None:
    text = (ROOT / "docs" / "deliverers.md").read_text()
    assert set(re.findall(r"\b(deliver_hooks?(?:_(?:by|using)_\w+)?)\b", text)) == set(deliverers.__all__)
    assert all(callable(getattr(deliverers, name)) for name in deliverers.__all__)
    overridden = {"dump_payload", "deliver_hooks", "after_deliver", "deliver_hook"}
    assert overridden <= {*vars(HooksDeliverer), *vars(HookDeliverer)}
    assert all(f"| `{name}(" in text for name in overridden)


def test_a_worker_under_systemd_has_the_time_that_a_request_may_take() -> None:
    (text,) = [block.values[0] for block in blocks("ini") if "manage.py worker" in block.values[0]]
    unit = ConfigParser(interpolation=None)
    unit.read_string(text)
    assert float(unit["Service"]["TimeoutStopSec"]) > Conf.request_timeout.default
    _, program, name, *options = unit["Service"]["ExecStart"].split()
    assert program == "manage.py"
    load_command_class(get_commands()[name], name).create_parser(program, name).parse_args(options)


def test_the_waits_that_the_document_lists_are_those_of_the_defaults() -> None:
    units = {"s": 1, "min": 60, "h": 3600}
    text = " ".join((ROOT / "docs" / "operating.md").read_text().split())
    listed, hours = re.search(r"a worker retries after (.*?), each with.*?attempts in about (\d+) hours", text).groups()
    documented = [int(number) * units[unit] for number, unit in re.findall(r"(\d+) (s|min|h)\b", listed)]
    waits = [wait_before_next(attempts, retry_after=0) for attempts in range(1, Conf.max_attempts.default)]
    assert documented == pytest.approx(waits, rel=0.1)
    assert int(hours) == pytest.approx(sum(waits) / 3600, abs=1)

"""`heliostat new`, and what the console script says when it is called wrongly."""

from __future__ import annotations

import ast
import stat
from pathlib import Path

import pytest
from tests.cli.running import manage, run

COMMANDS = ("new", "serve", "listen", "consume", "queues", "demo")
FILES = {
    ".gitignore",
    ".secret_key",
    "manage.py",
    *(f"mytom/{name}.py" for name in ("__init__", "asgi", "hooks", "my_broker", "settings", "urls", "wsgi")),
}


def made(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_new_makes_exactly_the_named_files(tmp_path: Path) -> None:
    result = run("new", "mytom", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert made(tmp_path / "mytom") == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["mytom"]
    for path in (tmp_path / "mytom").rglob("*.py"):
        source = path.read_text("utf-8")
        ast.parse(source)
        assert "{{" not in source
        assert "project_name" not in source
    for command in ("cd mytom", "heliostat createsuperuser", "heliostat serve"):
        assert command in result.stdout


def test_new_can_make_the_project_elsewhere(tmp_path: Path) -> None:
    assert run("new", "mytom", "--directory", "far/away", cwd=tmp_path).returncode == 0
    assert made(tmp_path / "far/away/mytom") == FILES


def test_each_project_has_its_own_key_that_only_its_owner_can_read(tmp_path: Path) -> None:
    keys = []
    for name in ("one_tom", "other_tom"):
        run("new", name, cwd=tmp_path)
        path = tmp_path / name / ".secret_key"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert (tmp_path / name / "manage.py").stat().st_mode & stat.S_IXUSR
        keys.append(path.read_text("utf-8").strip())
    assert len(set(keys)) == 2
    assert all(len(key) == 50 for key in keys)


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("my-tom", 2, "Use letters, digits and _"),
        ("3tom", 2, "Use letters, digits and _"),
        ("class", 2, "Use letters, digits and _"),
        ("ťom", 2, "Use letters, digits and _"),
        ("json", 2, "a Python module json already"),
        ("heliostat", 2, "a Python module heliostat already"),
        ("there", 1, "is there already"),
    ],
)
def test_a_name_that_cannot_work_is_explained_in_one_line(tmp_path: Path, name: str, code: int, words: str) -> None:
    (tmp_path / "there").mkdir()
    result = run("new", name, cwd=tmp_path)
    assert result.returncode == code
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert list((tmp_path / "there").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_explained_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run("new", "mytom", "--directory", "file/below", cwd=tmp_path)
    assert (result.returncode, len(result.stderr.splitlines())) == (1, 1)
    assert "cannot be made" in result.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_a_help_with_an_example(tmp_path: Path, command: str) -> None:
    result = run(command, "--help", cwd=tmp_path)
    assert result.returncode == 0
    assert f"heliostat {command}" in result.stdout.partition("\nexamples:\n")[2]
    assert result.stderr == ""


def test_help_lists_the_commands(tmp_path: Path) -> None:
    result = run("--help", cwd=tmp_path)
    assert result.returncode == 0
    assert all(f"    {command} " in result.stdout for command in COMMANDS)


@pytest.mark.parametrize(
    "arguments", [(), ("--nonsense",), ("new",), ("serve", "--port", "many"), ("serve", "--port", "65536")]
)
def test_wrong_usage_ends_with_exit_code_2_and_no_traceback(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = run(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert "usage: heliostat" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", ["migrate", "worker"])
def test_ingest_of_a_project_its_commands_are_wrong_usage(tmp_path: Path, command: str) -> None:
    result = run(command, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert "there is no project in" in result.stderr
    assert "heliostat new mytom" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_misspelt_command_is_recognised_inside_a_project_and_outside(tmp_path: Path, mytom: Path) -> None:
    for folder in (tmp_path, mytom):
        result = run("serv", cwd=folder)
        assert (result.returncode, result.stdout) == (2, "")
        assert result.stderr == "heliostat: there is no command serv. Did you mean heliostat serve?\n"
    assert "Did you mean worker?" in run("wrker", cwd=mytom).stderr


@pytest.mark.slow
def test_management_commands_run_from_anywhere_inside_the_project(mytom: Path) -> None:
    result = run("check", cwd=mytom / "mytom")
    assert (result.returncode, result.stderr) == (0, "")
    assert "no issues" in result.stdout
    assert "usage: heliostat worker" in run("worker", "--help", cwd=mytom).stdout
    unknown = run("nonsense", cwd=mytom)
    assert unknown.returncode == 1
    assert "Traceback" not in unknown.stderr


@pytest.mark.slow
def test_a_new_project_has_nothing_to_complain_of_and_no_missing_migrations(mytom: Path) -> None:
    checked = manage("check", "--fail-level", "INFO", cwd=mytom)
    assert checked.returncode == 0, checked.stderr
    migrations = manage("makemigrations", "--check", cwd=mytom)
    assert (migrations.returncode, migrations.stdout.strip()) == (0, "No changes detected")


def test_a_setting_assigned_again_at_the_end_wins(mytom: Path) -> None:
    settings = mytom / "mytom/settings.py"
    settings.write_text(settings.read_text("utf-8") + "\nTOM_ALERT_CLASSES = ['one.Only']\n", "utf-8")
    code = "from django.conf import settings; print(settings.TOM_ALERT_CLASSES)"
    assert "['one.Only']" in manage("shell", "-c", code, cwd=mytom).stdout

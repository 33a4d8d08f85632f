"""Fixtures: a project made by `heliostat new`, migrated and with a user; made once, copied for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.cli.running import run

USERNAME, PASSWORD = "astronomer", "to the stars 1609"


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    for arguments in (("new", "mytom"), ("migrate",), ("createsuperuser", "--noinput")):
        result = run(
            *arguments,
            cwd=folder if arguments[0] == "new" else folder / "mytom",
            env={
                "DJANGO_SUPERUSER_USERNAME": USERNAME,
                "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
                "DJANGO_SUPERUSER_EMAIL": "astronomer@example.com",
            },
        )
        assert result.returncode == 0, f"{arguments}: {result.stdout}{result.stderr}"
    return folder / "mytom"


@pytest.fixture
def mytom(made: Path, tmp_path: Path) -> Path:
    """A project of this test's own."""
    return Path(shutil.copytree(made, tmp_path / "mytom"))

"""Fixtures: an empty database of each kind, and a project on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ALIASES
from tests.hosts.projects import Project, database


@pytest.fixture(params=ALIASES, ids=["sqlite", "postgresql", "mariadb"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of database."""
    return "sqlite" if request.param == "default" else str(request.param)


@pytest.fixture
def empty_database(kind: str, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A database of this kind without any table."""
    with database(kind, tmp_path) as entry:
        yield entry


@pytest.fixture
def project(empty_database: dict[str, Any], tmp_path: Path) -> Project:
    """A project on an empty database."""
    return Project(tmp_path, {"default": empty_database})


@pytest.fixture
def sqlite_project(tmp_path: Path) -> Iterator[Project]:
    """A project on an empty SQLite database, for what does not depend on the database."""
    with database("sqlite", tmp_path) as entry:
        yield Project(tmp_path, {"default": entry})

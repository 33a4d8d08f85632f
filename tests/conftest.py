"""What all tests share: services that are there or are named, and a receiver."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from django.conf import settings
from django.core import mail

from heliostat.testing.receiver import Receiver
from tests.emptying import empty_instead_of_flush

empty_instead_of_flush()

# A busy machine is no failure: what is slow in itself meets the time limit of its test.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")

SHARED = Path(__file__).resolve().parents[2] / "shared"
ALIASES = [
    "default",
    pytest.param(
        "postgresql",
        marks=pytest.mark.skipif("postgresql" not in settings.DATABASES, reason="no PostgreSQL at 127.0.0.1:5432"),
    ),
    pytest.param(
        "mariadb",
        marks=pytest.mark.skipif(
            "mariadb" not in settings.DATABASES, reason="no MariaDB at 127.0.0.1:3306, or no `make mariadb` yet"
        ),
    ),
]


@pytest.fixture(params=ALIASES, ids=["sqlite", "postgresql", "mariadb"])
def using(request: pytest.FixtureRequest) -> str:
    """The test runs on each database."""
    return str(request.param)


@pytest.hookimpl(tryfirst=True)  # before pytest selects by mark
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A sweep tries a thousand values; on the servers of databases it waits for SLOW=yes."""
    for item in items:
        on = getattr(item, "callspec", None) and item.callspec.params.get("using")  # type: ignore[attr-defined]
        if item.get_closest_marker("sweep") and on in ("postgresql", "mariadb"):
            item.add_marker("slow")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A real HTTP receiver on loopback."""
    with Receiver() as started:
        yield started


@pytest.fixture
def mailbox() -> list[object]:
    return list(mail.outbox)


@pytest.fixture
def shared_data() -> Path:
    """Real packets and recorded answers, beside the repository."""
    if not SHARED.is_dir():
        if settings.IN_CI:
            pytest.fail(f"{SHARED} is missing; in CI it must be there")
        pytest.skip("no shared data beside the repository")
    return SHARED / "data"


class EverythingOn:
    """A router for a site whose only database is this one."""

    def __init__(self, using: str) -> None:
        self.using = using

    def db_for_read(self, model: Any, **_: Any) -> str:
        return self.using

    db_for_write = db_for_read

    def allow_relation(self, *_: Any, **__: Any) -> bool:
        return True


@pytest.fixture
def site_on(using: str, settings: Any) -> str:
    """The admin's pages, on each database."""
    settings.DATABASE_ROUTERS = [EverythingOn(using)]
    return using

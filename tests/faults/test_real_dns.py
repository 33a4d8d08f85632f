"""A real name server and real public addresses, in a network of the test's own: nothing is allowed, nothing steered."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNSHARE = ["unshare", "--map-root-user", "--net", "--mount"]


def may_have_a_network() -> bool:
    return (
        bool(shutil.which("unshare"))
        and subprocess.run([*UNSHARE, "true"], check=False, capture_output=True).returncode == 0
    )


@pytest.fixture(scope="module")
def heard(tmp_path_factory: Any) -> dict[str, Any]:
    """What came of one event, notified to a host of each kind."""
    if not may_have_a_network():
        pytest.skip("this machine lets nobody have a network of their own (unshare --net)")
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.faults.own_network_settings",
        "CHAOS_DATABASE": str(tmp_path_factory.mktemp("own") / "own.sqlite3"),
    }
    program = [*UNSHARE, sys.executable, "-m", "tests.faults.own_network"]
    done = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("host", ["public", "second"])
def test_a_host_with_public_addresses_is_notified(heard: dict[str, Any], host: str) -> None:
    assert heard["notified"][host] == ["sent", ""]


@pytest.mark.parametrize(
    ("host", "error"),
    [
        ("private", "address refused: loopback"),
        ("metadata", "address refused: link-local and cloud metadata"),
        ("mixed", "address refused: loopback"),
        ("mapped", "address refused: IPv4-mapped"),
        ("silent", "no answer from DNS within 0.5 s"),
        ("missing", "the name has no address"),
    ],
)
def test_any_other_host_is_not_dialled(heard: dict[str, Any], host: str, error: str) -> None:
    outcome, said = heard["notified"][host]
    assert outcome == "retry"
    assert said.startswith(error)


def test_nothing_reached_what_listens_in_private(heard: dict[str, Any]) -> None:
    assert (heard["public"], heard["private"]) == (2, 0)

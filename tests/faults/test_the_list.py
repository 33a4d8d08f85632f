"""The list of faults names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def rows() -> list[str]:
    """Of the tables that say what is done about each fault."""
    tables = re.findall(
        r"^\| fault \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", (ROOT / "docs/faults.md").read_text(), re.MULTILINE
    )
    return [row for table in tables for row in table.splitlines()]


def test_each_fault_in_the_list_has_a_test_that_exists() -> None:
    code = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    there = set(re.findall(r"^def (test_\w+)\(", code, flags=re.MULTILINE))
    assert len(rows()) > 40
    for row in rows():
        named = re.findall(r"`(test_\w+)`", row)
        assert named, f"no test is named: {row}"
        assert there.issuperset(named), f"there is no {set(named) - there}"

"""A processor of one's own is found by the setting or by an entry point, and asked before the bundled ones."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from heliostat.datapoints.processors.base import DataFile
from heliostat.datapoints.reading import check_processors, read_file
from heliostat.dataproducts.problems import InvalidData
from tests.docs.test_documents import ROOT

LOG = b"!night log\n2460000.75 14.2\n2460001.75 14.3\n"


@pytest.fixture
def night_log(monkeypatch: pytest.MonkeyPatch) -> str:
    """The processor of docs/data.md, as a module."""
    document = (ROOT / "docs" / "data.md").read_text()
    code = next(block for block in document.split("```python\n")[1:] if "class NightLog" in block).partition("```")[0]
    module = types.ModuleType("nightlog")
    monkeypatch.setitem(sys.modules, "nightlog", module)
    exec(compile(code, "nightlog", "exec"), module.__dict__)
    return "nightlog.NightLog"


def check(content: bytes) -> None:
    reading = read_file(DataFile("a.log", content), "photometry")
    assert reading.rows[0] == {"time": 60000.25, "magnitude": "14.2", "band": "V"}
    assert reading.lines == [2, 3]


def test_the_setting_names_it(night_log: str, settings: Any) -> None:
    with pytest.raises(InvalidData, match="no photometry in a format that is known here"):
        read_file(DataFile("a.log", LOG), "photometry")
    settings.TOM_DATA_PROCESSORS = [night_log]
    assert check_processors() == []
    check(LOG)
    with pytest.raises(InvalidData, match="Line 3: Two numbers are needed"):
        read_file(DataFile("a.log", b"!night log\n2460000.75 14.2\nclouds\n"), "photometry")


def test_an_entry_point_of_an_installed_package_names_it(
    night_log: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "nightlog-1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: nightlog\nVersion: 1\n")
    (package / "entry_points.txt").write_text(f"[heliostat.processors]\nnight_log = {night_log.replace('.', ':')}\n")
    monkeypatch.syspath_prepend(tmp_path)
    check(LOG)


def test_a_wrong_path_is_found_at_start(settings: Any) -> None:
    settings.TOM_DATA_PROCESSORS = ["nowhere.Processor", "heliostat.datapoints.storing.Stored"]
    assert [message.id for message in check_processors()] == ["heliostat.datapoints.E001", "heliostat.datapoints.E002"]

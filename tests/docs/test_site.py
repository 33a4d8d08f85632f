"""`make docs` builds the documentation site without a warning: no dead link, no page without a place."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


def test_the_site_is_built_without_a_warning_and_fetches_nothing_from_elsewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "docs", str(tmp_path)]
    path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "python-api.html").read_text()
    assert "heliostat.webhooks.api.create_hook" in page
    assert (tmp_path / "searchindex.js").stat().st_size > 10_000
    for part in ('src="http', 'rel="stylesheet" href="http', "url(http"):
        assert part not in page, "it works offline"

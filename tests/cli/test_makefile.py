"""What `make` does for a newcomer, where the machine is not ready yet."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_ENSUREPIP = """#!/bin/sh
mkdir -p "$3/bin"
touch "$3/bin/python"
echo "apt install python3-venv"
exit 1
"""


def test_a_setting_up_that_failed_is_tried_again(tmp_path: Path) -> None:
    """Debian's python3 without python3-venv leaves half an environment behind."""
    python = tmp_path / "python3"
    python.write_text(WITHOUT_ENSUREPIP)
    python.chmod(0o755)
    for _ in range(2):
        command = ["make", "demo", f"PYTHON={python}", f"VENV={tmp_path / 'venv'}"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode, done.stdout
        assert "apt install python3-venv" in done.stdout

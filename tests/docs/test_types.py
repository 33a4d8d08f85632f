"""What the documents write type-checks, as a project that is strict about types would check it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.test_documents import DOCUMENTS, ROOT

CONFIGURATION = """
[tool.mypy]
strict = true
disallow_any_generics = false  # Django's generic views take no type at run time
plugins = ["mypy_django_plugin.main", "mypy_drf_plugin.main"]
explicit_package_bases = true

[[tool.mypy.overrides]]
module = ["celery.*"]
ignore_missing_imports = true

[tool.django-stubs]
django_settings_module = "documented_settings"
"""
OF_OTHERS = ("consume.py", "with_celery.py", "with_faststream.py", "with_taskiq.py")
"""Programs without Heliostat, for packages without types; tests/queues runs them."""
SETTINGS = """
from tests.settings import *

INSTALLED_APPS = [*INSTALLED_APPS, "inbox"]
"""


def write_blocks(folder: Path) -> list[Path]:
    """Write each Python block into a file: of the name that it gives itself, or of its document."""
    written = []
    for document in DOCUMENTS:
        found = re.findall(r"^```python\n(.*?)^```", document.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        for number, text in enumerate(found, start=1):
            name = re.match(r"# (\S+\.py)\n", text)
            if name and name[1] in OF_OTHERS:
                continue
            path = folder / (name[1] if name else f"{document.stem.lower().replace('-', '_')}_{number}.py")
            path.parent.mkdir(exist_ok=True)
            if path.parent != folder:
                (path.parent / "__init__.py").touch()
            path.write_text(text, "utf-8")
            written.append(path)
    return written


@pytest.mark.slow
def test_the_code_of_the_documents_type_checks_under_mypy_strict_with_django_stubs(tmp_path: Path) -> None:
    files = write_blocks(tmp_path)
    assert len(files) > 30
    (tmp_path / "pyproject.toml").write_text(CONFIGURATION, "utf-8")
    (tmp_path / "documented_settings.py").write_text(SETTINGS, "utf-8")
    names = [str(path.relative_to(tmp_path)) for path in files]
    cache = ROOT / ".mypy_cache" / "documents"  # all but these files is checked once
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (tmp_path, ROOT, ROOT / "src")))}
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", "--cache-dir", str(cache), *names],
        check=False, cwd=tmp_path, env={**environment, "MYPYPATH": str(tmp_path)}, capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr

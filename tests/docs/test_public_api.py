"""The public API is what docs/reference.md lists, and nothing else."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.utils.module_loading import import_string

import heliostat
from tests.docs.test_documents import DOCUMENTS, ROOT, blocks

SOURCE = ROOT / "src" / "heliostat"
ROW = re.compile(r"^\| `(heliostat[\w.]*)` \| (?:`(\w+)`|the module) \| (.+) \| (\d+\.\d+) \|$", re.MULTILINE)
LISTED = {(module, name) for module, name, _, _ in ROW.findall((ROOT / "docs" / "reference.md").read_text())}
MODULES = {module for module, _ in LISTED}
OBSERVATORY = ("targets", "observations", "dataproducts", "datapoints", "rights", "alerts", "console")
WITH_ALL = ["heliostat", "heliostat.hooks", "heliostat.listeners", "heliostat.testing", "heliostat.webhooks.deliverers"]


def is_public(module: str, name: str) -> bool:
    """Whether a name is listed, or its module as a whole is, or it is a module of listed names."""
    return (module, name) in LISTED or (module, "") in LISTED or f"{module}.{name}" in MODULES


def imported(code: str) -> Iterator[tuple[str, str]]:
    """Names that a piece of Python imports from Heliostat, with their modules."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "heliostat":
            yield from ((str(node.module), one.name) for one in node.names)


@pytest.mark.parametrize(("module", "name"), sorted(LISTED))
def test_each_name_of_the_reference_exists(module: str, name: str) -> None:
    found = importlib.import_module(module)
    assert not name or hasattr(found, name)


def test_the_reference_names_the_version_that_first_had_each_name() -> None:
    since = {version for _, _, _, version in ROW.findall((ROOT / "docs" / "reference.md").read_text())}
    released = heliostat.__version__.removesuffix(".dev0").rsplit(".", 1)[0]
    assert all(tuple(map(int, one.split("."))) <= tuple(map(int, released.split("."))) for one in since)


@pytest.mark.parametrize("module", WITH_ALL)
def test_what_a_package_exports_is_in_the_reference(module: str) -> None:
    exported = set(importlib.import_module(module).__all__)
    assert exported == {name for one, name in LISTED if one == module}


@pytest.mark.parametrize("code", list(blocks("python")))
def test_the_documents_use_public_names_only(code: str) -> None:
    assert [one for one in imported(code) if not is_public(*one)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_paths_that_the_documents_give_as_settings_are_public(document: Path) -> None:
    paths = re.findall(r"[\"'](heliostat(?:\.[a-z_]+)+\.[A-Za-z_]\w*)[\"']", document.read_text())
    private = [path for path in paths if is_object(path) and not is_public(*path.rsplit(".", 1))]
    assert private == []


def is_object(path: str) -> bool:
    """Whether a path leads into a module; names of apps, commands and loggers look like paths too."""
    try:
        return not isinstance(import_string(path), ModuleType)
    except ImportError:
        return False


@pytest.mark.parametrize("package", OBSERVATORY)
def test_the_observatory_is_built_on_public_names_only(package: str) -> None:
    private: list[Any] = []
    for path in (SOURCE / package).rglob("*.py"):
        for module, name in imported(path.read_text()):
            is_of_observatory = module.removeprefix("heliostat.").split(".")[0] in OBSERVATORY
            if not is_of_observatory and not is_public(module, name):
                private.append((str(path.relative_to(SOURCE)), module, name))
    assert private == []

"""Find the project that a command is called in, and get it ready to run."""

from __future__ import annotations

import difflib
import os
import re
import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from heliostat.cli.say import CommandFailed, WrongUsage

if TYPE_CHECKING:
    from django.core.management.base import BaseCommand

ENVIRONMENT = "DJANGO_SETTINGS_MODULE"
OF_A_TOM = (
    "django_htmx", "drf_spectacular", "js_lib_bootstrap5", "requests", "rest_framework", "waitress", "whitenoise",
)  # fmt: skip


@dataclass(frozen=True)
class Project:
    """A Django project: where its manage.py is, and the module of its settings."""

    folder: Path
    settings: str

    @property
    def name(self) -> str:
        """`mytom` for the settings `mytom.settings`."""
        return self.settings.split(".")[0]


def find(start: Path | None = None) -> Project | None:
    """Return the project around a folder: manage.py here or further up, or what the environment names."""
    here = (start or Path.cwd()).resolve()
    named = os.environ.get(ENVIRONMENT)
    for folder in (here, *here.parents):
        if settings := named or _settings_in(folder / "manage.py"):
            return Project(folder if not named else here, settings)
    return None


def _settings_in(manage: Path) -> str | None:
    if not manage.is_file():
        return None
    match = re.search(rf"""["']{ENVIRONMENT}["']\s*,\s*["']([\w.]+)["']""", manage.read_text("utf-8"))
    return match[1] if match else None


def enter(start: Path | None = None) -> Project:
    """Make the project around a folder importable; a sentence about what to do when there is none."""
    project = find(start)
    if project is None:
        raise WrongUsage(
            f"there is no project in {start or Path.cwd()} or above it. Go into its folder (the one with "
            "manage.py), or make one: heliostat new mytom"
        )
    os.environ.setdefault(ENVIRONMENT, project.settings)
    if str(project.folder) not in sys.path:
        sys.path.insert(0, str(project.folder))
    return project


def load(start: Path | None = None) -> Project:
    """Enter the project and set Django up; settings that cannot be loaded give one sentence."""
    project = enter(start)
    import django

    try:
        django.setup()
    except Exception as error:
        raise _cannot_be_loaded(project, error) from error
    return project


def _cannot_be_loaded(project: Project, error: Exception) -> CommandFailed:
    problem = f"{type(error).__name__}: {error}{_place(error, project)}"
    if isinstance(error, ModuleNotFoundError) and error.name in OF_A_TOM:
        problem += '. Install what a TOM needs: pip install "heliostat[tom]"'
    return CommandFailed(f"the project {project.name} cannot be loaded: {problem}")


def _place(error: Exception, project: Project) -> str:
    """Where in the project's own files an error came from, if it did."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(f"{project.folder}{os.sep}")]
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""


def manage(arguments: list[str], own: Iterable[str]) -> int:
    """Run a management command of the project, as manage.py does. `own`: what is no such command."""
    from django.core.management import ManagementUtility, get_commands

    class Commands(ManagementUtility):
        def fetch_command(self, subcommand: str) -> BaseCommand:
            if subcommand not in get_commands():
                _complain_if_misspelt(subcommand, own)
            return super().fetch_command(subcommand)

    if find() is None:
        _complain_if_misspelt(arguments[0], own)
    project = enter()
    try:
        Commands(["heliostat", *arguments]).execute()
    except ModuleNotFoundError as error:
        if error.name not in OF_A_TOM:
            raise
        raise _cannot_be_loaded(project, error) from error
    return 0


def _complain_if_misspelt(command: str, own: Iterable[str]) -> None:
    if near := difflib.get_close_matches(command, own, n=1):
        raise WrongUsage(f"there is no command {command}. Did you mean heliostat {near[0]}?")

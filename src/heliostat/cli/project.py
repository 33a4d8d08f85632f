"""Find the project that a command is called in, and get it ready to run."""

from __future__ import annotations

import os
import re
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

from heliostat.cli.say import CommandFailed, WrongUsage

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
    """The project around a folder: manage.py here or further up, or what the environment names."""
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
        problem = f"{type(error).__name__}: {error}{_place(error, project)}"
        if isinstance(error, ModuleNotFoundError) and error.name in OF_A_TOM:
            problem += '. Install what a TOM needs: pip install "heliostat[tom]"'
        raise CommandFailed(f"the project {project.name} cannot be loaded: {problem}") from error
    return project


def _place(error: Exception, project: Project) -> str:
    """Where in the project's own files an error came from, if it did."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(f"{project.folder}{os.sep}")]
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""


def manage(arguments: list[str]) -> int:
    """Run a management command of the project, as manage.py does."""
    if find() is None:
        raise WrongUsage(
            f"{arguments[0]} is no command of Heliostat (heliostat --help lists them), and there is no "
            "project here whose management commands could be meant"
        )
    enter()
    from django.core.management import execute_from_command_line

    execute_from_command_line(["heliostat", *arguments])
    return 0

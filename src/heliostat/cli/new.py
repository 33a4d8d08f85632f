"""Make a project of your own: a TOM that runs at once, with settings that can be read."""

from __future__ import annotations

import argparse
import keyword
import os
import tempfile
from importlib.util import find_spec
from pathlib import Path

from heliostat.cli.say import BOLD, CommandFailed, WrongUsage, say

HELP = "make a project"
EXAMPLE = """\
examples:
  heliostat new mytom
  heliostat new mytom --directory ~/observatory      makes ~/observatory/mytom
"""
TEMPLATE = Path(__file__).parent.parent / "project_template"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("name", help="name of the project: letters, digits and _, for example mytom")
    parser.add_argument("--directory", type=Path, default=Path(), help="where to make it (default: here)")


def run(options: argparse.Namespace) -> int:
    """Make the project and say what comes next."""
    folder = make(options.name, options.directory)
    shown = os.path.relpath(folder)
    say(f"Made the project {options.name} in {folder}", BOLD)
    say("What comes next:")
    say(f"  cd {shown} && heliostat migrate")
    say("  heliostat createsuperuser")
    say("  heliostat serve")
    return 0


def make(name: str, directory: Path) -> Path:
    """Make `directory/name` from the template, and give its path."""
    folder = directory.expanduser().resolve() / name
    if folder.exists():
        raise CommandFailed(f"{folder} is there already. Choose another name, or another --directory.")
    _check(name)
    try:
        directory.expanduser().mkdir(parents=True, exist_ok=True)
        # Filled beside its place and renamed: there is never half a project.
        with tempfile.TemporaryDirectory(prefix=f".{name}.", dir=folder.parent) as unfinished:
            _fill(name, Path(unfinished) / "made")
            (Path(unfinished) / "made").rename(folder)
    except OSError as error:
        raise CommandFailed(f"{folder} cannot be made: {error.strerror}.") from error
    return folder


def _check(name: str) -> None:
    if not (name.isidentifier() and name.isascii()) or keyword.iskeyword(name):
        raise WrongUsage(
            f"{name!r} cannot name a Python package. Use letters, digits and _, not beginning with a digit, "
            "for example mytom."
        )
    if name.startswith("__") or find_spec(name) is not None:
        raise WrongUsage(f"there is a Python module {name} already, which the project would hide. Choose another name.")


def _fill(name: str, folder: Path) -> None:
    from django.core.management import call_command
    from django.core.management.utils import get_random_secret_key

    folder.mkdir()
    call_command("startproject", name, str(folder), template=str(TEMPLATE))
    (folder / "manage.py").chmod(0o755)
    (folder / ".gitignore").write_text(".secret_key\n*.sqlite3*\n/media/\n__pycache__/\n", "utf-8")
    key = folder / ".secret_key"
    key.touch(0o600)
    key.write_text(get_random_secret_key() + "\n", "utf-8")

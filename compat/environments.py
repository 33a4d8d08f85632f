"""The environments and sources that the suites need, made once under `build/compat`."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
import tomllib
from pathlib import Path

from compat.suites import DJANGO, Suite

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "compat"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
BIN = "Scripts" if os.name == "nt" else "bin"


class NotReady(Exception):
    """A suite cannot run: its packages or its sources could not be had."""


_making = threading.RLock()  # several suites share an environment, and sources


def reachable(port: int) -> bool:
    """Return whether a server of this machine listens at a port."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def python_for(suite: Suite) -> Path:
    """Return the interpreter of an environment that has the suite's packages; make it where it is not there."""
    if suite.here:
        return Path(sys.executable)
    wanted = "\n".join(sorted({DJANGO, *_needed_by_heliostat(), *suite.requires}))
    folder = BUILD / "envs" / hashlib.sha256(wanted.encode()).hexdigest()[:12]
    python, ready = folder / BIN / "python", folder / "requirements.txt"
    with _making:
        if ready.exists():
            return python
        shutil.rmtree(folder, ignore_errors=True)
        _run((sys.executable, "-m", "venv", "--without-pip", str(folder)), f"make an environment for {suite.name}")
        _run((*PIP, "--python", str(python), "install", *wanted.splitlines()), f"install what {suite.name} needs")
        ready.write_text(wanted + "\n", encoding="utf-8")
    return python


def packages_of(python: Path) -> str:
    """Return the names and versions of what is installed beside this interpreter."""
    return "\n".join(sorted(path.name for path in python.parent.parent.glob("**/site-packages/*.dist-info")))


def _needed_by_heliostat() -> list[str]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        needed: list[str] = tomllib.load(file)["project"]["dependencies"]
    return [one for one in needed if not one.lower().startswith("django")]


def sources_of(suite: Suite, python: Path, mode: str) -> Path:
    """Return the folder in which the suite is run: an unpacked source distribution, one for each mode.

    Two modes do not share a folder: some suites write files beside their tests.
    """
    if not suite.sdist:
        return ROOT / "compat" / "probes" / suite.folder
    with _making:
        archive = _archive(suite.sdist, python)
        folder = BUILD / "sources" / f"{archive.name.removesuffix('.tar.gz')}-{mode}"
        if not folder.exists():
            unfinished = folder.with_suffix(f".{os.getpid()}")
            with tarfile.open(archive) as tar:
                tar.extractall(unfinished, filter="data")
            (inner,) = unfinished.iterdir()
            inner.rename(folder)
            unfinished.rmdir()
    return folder / suite.folder


def _archive(requirement: str, python: Path) -> Path:
    """The source distribution of the version that is installed."""
    name = requirement.partition("==")[0]
    asked = f"import importlib.metadata as m; print(m.version({name!r}))"
    version = _run((str(python), "-c", asked), f"find the version of {name}").strip()
    folder = BUILD / "sdists" / f"{name.lower()}-{version}"
    if not any(folder.glob("*.tar.gz")):
        wanted = f"{name}=={version}"
        command = (*PIP, "download", "--no-deps", "--no-binary", name, "--dest", str(folder), wanted)
        _run(command, f"download the sources of {wanted}")
    return next(folder.glob("*.tar.gz"))


def _run(command: tuple[str, ...], what: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotReady(f"could not {what}:\n{done.stderr.strip()[-2000:]}")
    return done.stdout

"""How much there is to read: `make size`.

Prints the lines of each package, the private functions that are used once, and the files and functions through which
one event passes from `save()` to the recorded answer.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

SOURCE = Path(__file__).resolve().parents[1] / "src" / "heliostat"
ENGINE = ("events", "outbox", "delivery", "webhooks")
MOST_LINES, MOST_USED_ONCE, MOST_FILES, MOST_FUNCTIONS = 10_000, 10.0, 25, 120
NOT_COUNTED = ("<lambda>", "<listcomp>", "<dictcomp>", "<setcomp>", "<genexpr>", "<module>")


def modules() -> Iterator[Path]:
    """Return the modules of Heliostat, without migrations and the template of a project."""
    for path in sorted(SOURCE.rglob("*.py")):
        if not {"migrations", "project_template"} & set(path.parts):
            yield path


def lines() -> Counter[str]:
    """Return the number of lines of each package, blank ones and comments included."""
    counts: Counter[str] = Counter()
    for path in modules():
        parts = path.relative_to(SOURCE).parts
        counts[parts[0] if len(parts) > 1 else "(top)"] += len(path.read_text().splitlines())
    return counts


def used_once() -> tuple[list[str], int]:
    """Return the private functions whose name stands at one place besides its definition, and the number of all."""
    texts = {path: path.read_text() for path in modules()}
    words = Counter(word for text in texts.values() for word in re.findall(r"\w+", text))
    functions = [
        (path, node.name)
        for path, text in texts.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    defined = Counter(name for _, name in functions)
    found = [
        f"{path.relative_to(SOURCE)}: {name}"
        for path, name in functions
        if name.startswith("_") and not name.endswith("__") and words[name] - defined[name] == 1
    ]
    return found, len(functions)


def way_of_an_event() -> set[tuple[str, str]]:
    """Return the files and functions through which the second event of a process passes, on SQLite with one webhook."""
    passed: set[tuple[str, str]] = set()

    def note(frame: FrameType, what: str, _: Any) -> None:
        code = frame.f_code
        if what != "call" or not code.co_filename.startswith(f"{SOURCE}/") or code.co_name in NOT_COUNTED:
            return
        file = code.co_filename.removeprefix(f"{SOURCE}/")
        if not file.startswith("testing/"):
            passed.add((file, code.co_qualname if sys.version_info >= (3, 11) else code.co_name))

    with tempfile.TemporaryDirectory() as folder:
        _set_up(Path(folder) / "size.sqlite3")
        from benchmarks.models import save_one
        from benchmarks.work import ask, clean
        from heliostat.testing import Receiver, drain_outbox

        clean()
        with Receiver() as receiver:
            ask([receiver.url])
            save_one(1)
            drain_outbox()
            threading.setprofile(note)
            sys.setprofile(note)
            save_one(2)
            drain_outbox()
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]
            assert len(receiver.deliveries) == 2
    return passed


def _set_up(database: Path) -> None:
    import django
    from django.conf import settings

    from benchmarks.bench import HELIOSTAT

    settings.configure(
        SECRET_KEY="only to measure",
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", *HELIOSTAT, "benchmarks"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(database)}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        HELIOSTAT_ALLOW_NETWORKS=["127.0.0.0/8"],
    )
    django.setup()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.size", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--names", action="store_true", help="name the functions too")
    names = parser.parse_args().names
    counts = lines()
    for package, count in counts.most_common():
        print(f"{count:7,} lines  {package}")
    engine = sum(counts[package] for package in ENGINE)
    print(f"{engine:7,} lines  {' + '.join(ENGINE)} (at most {MOST_LINES:,})")
    once, functions = used_once()
    share = 100 * len(once) / functions
    print(
        f"{len(once):7,} private functions used once, {share:.1f} % of {functions:,} (at most {MOST_USED_ONCE:.0f} %)"
    )
    passed = way_of_an_event()
    files = {file for file, _ in passed}
    print(f"{len(files):7,} files that one event passes (at most {MOST_FILES})")
    print(f"{len(passed):7,} functions that one event passes (at most {MOST_FUNCTIONS})")
    if names:
        print("\nUsed once:", *once, sep="\n  ")
        print("\nOne event:", *(f"{file}: {name}" for file, name in sorted(passed)), sep="\n  ")


if __name__ == "__main__":
    main()

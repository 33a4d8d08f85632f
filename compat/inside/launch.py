"""Run a test suite of another project in this process, and record the outcome of each test.

    python launch.py [OPTIONS] RECORD -- SCRIPT ARGUMENTS...
    python launch.py [OPTIONS] RECORD -- -m MODULE ARGUMENTS...

`RECORD` is a file of JSON lines. `--heliostat` installs Heliostat and its subscribers beside the suite's own apps;
`--host-queries` hides Heliostat's own statements from whatever counts or prints queries. Passwords are hashed the quick
way, unless `--own-hashers` keeps what the suite's settings say.
"""

from __future__ import annotations

import argparse
import runpy
import sys
from pathlib import Path

INSIDE = str(Path(__file__).resolve().parent)


def main() -> None:
    """Read the command line, switch on what it asks for, and become the suite."""
    parser = argparse.ArgumentParser()
    parser.add_argument("record", type=Path)
    parser.add_argument("--heliostat", action="store_true")
    parser.add_argument("--host-queries", action="store_true")
    parser.add_argument("--own-hashers", action="store_true")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    command = [word for word in options.command if word != "--"]

    sys.path[:] = [entry for entry in sys.path if entry != INSIDE] + [INSIDE]
    import record

    record.start(options.record)
    import switch

    switch.prepare(heliostat=options.heliostat, own_hashers=options.own_hashers)
    if options.host_queries:
        import host_queries

        host_queries.hide_own()
    _become(command)


def _become(command: list[str]) -> None:
    if command[0] == "-m":
        sys.argv = command[1:]
        sys.path.insert(0, "")
        runpy.run_module(command[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = command
        sys.path.insert(0, str(Path(command[0]).resolve().parent))
        runpy.run_path(command[0], run_name="__main__")


if __name__ == "__main__":
    main()

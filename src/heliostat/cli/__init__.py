"""The console script `heliostat`.

heliostat new mytom      make a project
heliostat serve          run its web server and its worker
heliostat migrate        any management command of the project, from anywhere inside it
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module

import heliostat
from heliostat.cli import project
from heliostat.cli.say import CommandFailed, complain

COMMANDS = ("new", "serve", "listen", "consume", "queues", "demo")
"""Each is a module here. Only the one that is called is imported: to consume a queue, nobody needs Django."""
EPILOG = """\
In a project, every management command works as well: heliostat worker, heliostat migrate,
heliostat createsuperuser, heliostat updatestatus, ... (heliostat help lists them all).

Exits with 0 when it is done, 1 when something failed or a check said no, 2 on wrong usage.

example:
  heliostat new mytom && cd mytom && heliostat serve
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code: 0 done, 1 failed, 2 wrong usage."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    traceback = "--traceback" in arguments
    try:
        return _run(arguments)
    except CommandFailed as error:
        complain(f"heliostat: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        complain("heliostat: stopped")
        return 1
    except Exception as error:
        if traceback:
            raise
        complain(f"heliostat: {type(error).__name__}: {error} (--traceback shows where)")
        return 1


def _run(arguments: list[str]) -> int:
    if arguments and arguments[0] not in COMMANDS and not arguments[0].startswith("-"):
        return project.manage(arguments, COMMANDS)
    parser = _parser(arguments[:1] if arguments and arguments[0] in COMMANDS else COMMANDS)
    options = parser.parse_args(arguments)
    if options.run is None:
        parser.print_help(sys.stderr)
        return 2
    code: int = options.run(options)
    return code


def _parser(names: Iterable[str]) -> argparse.ArgumentParser:
    looks = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("heliostat", description=heliostat.__doc__, epilog=EPILOG, formatter_class=looks)
    parser.add_argument("--version", action="version", version=f"Heliostat {heliostat.__version__}")
    parser.set_defaults(run=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name in names:
        module = import_module(f"heliostat.cli.{name}")
        command = commands.add_parser(
            name, help=module.HELP, description=module.__doc__, epilog=module.EXAMPLE, formatter_class=looks
        )
        command.add_argument("--traceback", action="store_true", help="show where an error came from")
        module.add_options(command)
        command.set_defaults(run=module.run)
    return parser

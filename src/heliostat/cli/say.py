"""The only place that prints: plain text that reads well, colour only on a terminal, hidden characters written out."""

from __future__ import annotations

import os
import sys
import time
from typing import TextIO

from heliostat.text import LINES, escape

BOLD, DIM, RED, GREEN = "1", "2", "31", "32"
_started = time.monotonic()


class CommandFailed(Exception):
    """Something did not work. The message says what, and what to do. Exit code 1."""

    exit_code = 1


class WrongUsage(CommandFailed):
    """The command was called in a way that cannot work. Exit code 2."""

    exit_code = 2


def say(text: str = "", colour: str = "") -> None:
    """Print a line (or several)."""
    _write(sys.stdout, text, colour)


def step(text: str, colour: str = "") -> None:
    """Print a step of a longer job, with the time since the command began."""
    say(f"{time.monotonic() - _started:6.1f} s  {text}", colour)


def aside(text: str) -> None:
    """Print what is for people, where the output itself is for programs."""
    _write(sys.stderr, text, "")


def complain(text: str) -> None:
    """Print an error."""
    _write(sys.stderr, text, RED)


def _write(stream: TextIO, text: str, colour: str) -> None:
    text = escape(text, LINES)  # what a receiver prints was written by somebody else: a terminal would obey it
    if colour and stream.isatty() and "NO_COLOR" not in os.environ:
        text = f"\033[{colour}m{text}\033[0m"
    print(text, file=stream, flush=True)

"""What management commands share: help that ends with an example, and output that no name can change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandParser, DjangoHelpFormatter, OutputWrapper

from heliostat.text import LINES, escape


class _Help(DjangoHelpFormatter):
    """Examples keep their lines."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("example"):
            return "".join(indent + line for line in text.splitlines(keepends=True))
        return super()._fill_text(text, width, indent)


class _Escaping(OutputWrapper):
    """Writes hidden characters out: a terminal would obey them. Give a style as `style_func`, not in the text."""

    def write(  # type: ignore[override]  # as Django's own
        self, msg: str = "", style_func: Callable[[str], str] | None = None, ending: str | None = None
    ) -> None:
        super().write(escape(msg, LINES), style_func, ending)


class ExplainedCommand(BaseCommand):
    """A management command whose help ends with an example, and whose output holds no hidden characters."""

    example = ""

    def __setattr__(self, name: str, value: Any) -> None:
        """Django replaces `stdout` and `stderr` whenever a command is called with streams of its own."""
        if name in ("stdout", "stderr") and not isinstance(value, _Escaping):
            value = _Escaping(value._out, value.ending)
        super().__setattr__(name, value)

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        options = {"epilog": self.example, "formatter_class": _Help, **options}
        return super().create_parser(prog_name, subcommand, **options)


def things(count: int, noun: str) -> str:
    """`1 callback`, `2,000 callbacks`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"

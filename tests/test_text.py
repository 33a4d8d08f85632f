"""Hidden characters: refused in names, written out in logs, terminals and pages."""

from __future__ import annotations

import io
import json
import logging
import re
import unicodedata
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.base import CommandError

import heliostat
from heliostat import logs
from heliostat.commands import ExplainedCommand
from heliostat.text import clean_name, clean_text, escape, validate_name, validate_text

SOURCE = Path(heliostat.__file__).parent
BIDIRECTIONAL = [*map(chr, [0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])]
CONTROLS = [*map(chr, [*range(0x20), *range(0x7F, 0xA0)])]
INVISIBLE = [*map(chr, [0xAD, 0x200B, 0x2028, 0x2029, 0x2060, 0xFEFF, 0x3164, 0xE0041, 0xD800])]
HOSTILE = "M31\x1b[2J\u202e42\nforged"


@pytest.mark.parametrize("character", [*BIDIRECTIONAL, *CONTROLS, *INVISIBLE], ids=lambda one: f"{ord(one):04x}")
def test_a_name_with_a_hidden_character_is_refused_and_says_which(character: str) -> None:
    with pytest.raises(ValidationError, match=rf"Character 2 is hidden: U\+{ord(character):04X}"):
        validate_name(f"M{character}31")


@pytest.mark.parametrize("name", ["M31", "Šárka", "גלקסיה", "مجرة", "می\u200cخواهم", "星", "👩\u200d🚀", "NGC 224 (γ)"])
def test_a_name_in_any_language_is_accepted_and_shown_as_it_is(name: str) -> None:
    validate_name(name)
    assert clean_name(name) == escape(name) == name


def test_every_control_of_a_terminal_and_of_direction_is_written_out() -> None:
    visible = {"\u200c", "\u200d"}
    for number in range(0x110000):
        character = chr(number)
        if unicodedata.bidirectional(character) in ("LRE", "LRO", "RLE", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI") or (
            unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") and character not in visible
        ):
            assert escape(character).isascii(), f"{number:04x}"


def test_a_text_of_several_lines_keeps_them() -> None:
    validate_text("one\r\n\ttwo")
    assert clean_text("one\x1b\r\n\ttwo\u202e") == "one\r\n\ttwo"
    with pytest.raises(ValidationError):
        validate_text("one\x1b")


def test_a_name_from_elsewhere_is_cleaned_to_one_line() -> None:
    assert clean_name(" \ufeffSN\u202e 2024\nabc\x00 ") == "SN 2024 abc"


def test_what_is_written_out_can_be_read_as_json() -> None:
    assert json.loads(f'"{escape(HOSTILE)}"') == HOSTILE


def test_a_record_of_heliostat_has_no_hidden_characters_whatever_formats_it(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("heliostat.delivery")
    try:
        raise ValueError(HOSTILE)
    except ValueError as error:
        logger.warning("It failed: %s", error, exc_info=True)
    assert caplog.messages == [r"It failed: M31\u001b[2J\u202e42\nforged"]
    assert "\x1b" not in caplog.text
    assert "\u202e" not in caplog.text


def test_a_record_without_hidden_characters_keeps_its_arguments(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("heliostat.delivery").warning("%s of %d", "M31", 2)
    assert caplog.records[0].args == ("M31", 2)


def test_every_logger_of_heliostat_is_on_the_list() -> None:
    for path in SOURCE.rglob("*.py"):
        module = ".".join(("heliostat", *path.relative_to(SOURCE).with_suffix("").parts))
        for name in re.findall(r"getLogger\((.*?)\)", path.read_text("utf-8")):
            if name not in ("", "name", '"heliostat"'):
                assert (module if "__name__" in name else name.strip('"')) in logs.LOGGERS, path


def test_a_json_log_holds_no_control_characters() -> None:
    record = logging.makeLogRecord({"msg": "M31\x7f\x9b\u202e", "levelname": "INFO"})
    line = logs.JsonFormatter().format(record)
    assert line.isascii()
    assert "\x7f" not in line
    assert json.loads(line)["message"] == "M31\x7f\x9b\u202e"


def test_a_command_prints_no_hidden_characters() -> None:
    class Command(ExplainedCommand):
        def handle(self, *_: object, **__: object) -> None:
            self.stdout.write(HOSTILE)
            self.stderr.write(HOSTILE)
            raise CommandError(HOSTILE)

    out, err = io.StringIO(), io.StringIO()
    with pytest.raises(CommandError):
        call_command(Command(), stdout=out, stderr=err)
    assert out.getvalue() == err.getvalue() == "M31\\u001b[2J\\u202e42\nforged\n"
    streams = Command(stdout=out, stderr=err, no_color=True)  # type: ignore[arg-type]
    with pytest.raises(SystemExit):
        streams.run_from_argv(["manage.py", "command"])
    assert "\x1b" not in out.getvalue() + err.getvalue()

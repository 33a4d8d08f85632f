"""Characters that nobody sees, and that change how what stands beside them is shown.

Control characters drive a terminal (ESC moves its cursor and sets its colours) and forge lines of a log. Bidirectional
controls reorder the text around them (Unicode Standard Annex 9; "Trojan Source", CVE-2021-42574). Other invisible
characters make two names look like one (Unicode Technical Report 36). Names do not hold them: `validate_name` refuses
them, `clean_name` removes them from what a program sends. Logs, terminals and pages show them as escapes: `escape`.
"""

from __future__ import annotations

import logging
import re
import unicodedata

# Joiners (U+200C, U+200D) and the visible signs among the format characters are part of how languages are written.
HIDDEN = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # controls (C0, DEL, C1)
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional marks, embeddings, overrides, isolates
    "\u2028\u2029"  # separators of lines and paragraphs
    "\u00ad\u034f\u180b-\u180f\u200b\u2060-\u2065\u206a-\u206f\ufeff\ufff9-\ufffb"  # of no width
    "\u115f\u1160\u17b4\u17b5\u3164\uffa0"  # fillers, shown as blanks
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"  # shorthand, music, tags
    "\ud800-\udfff"  # half a character
    "]"
)
SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
LINES = "\n\r\t"
"""What a text of several lines may hold, unlike a name."""


def validate_name(value: object) -> None:
    """Raise `ValidationError` where a name, which is one line, holds a hidden character."""
    _validate(str(value), "")


def validate_text(value: object) -> None:
    """Raise `ValidationError` where a text of several lines holds a hidden character other than their ends and tabs."""
    _validate(str(value), LINES)


def clean_name(text: str) -> str:
    """Return a name from elsewhere on one line, without hidden characters and without blanks around it."""
    return " ".join(HIDDEN.sub(_blank, text).split())


def clean_text(text: str) -> str:
    """Return a text from elsewhere without hidden characters; its lines stay."""
    return HIDDEN.sub(lambda match: match[0] if match[0] in LINES else "", text)


def error_text(error: BaseException) -> str:
    """Return the text of an exception; of one whose text cannot be made, its type."""
    try:
        return str(error)
    except Exception:  # whatever its __str__ does
        return f"<{type(error).__name__} without a text>"


def escape(text: object, keep: str = "") -> str:
    r"""Return a text with its hidden characters written out (`\n`, `\u001b`), apart from those to `keep`."""
    return HIDDEN.sub(lambda match: match[0] if match[0] in keep else _escaped(match[0]), str(text))


def _validate(text: str, allowed: str) -> None:
    from django.core.exceptions import ValidationError  # here: commands escape what they print without Django

    for match in HIDDEN.finditer(text):
        if match[0] not in allowed:
            name = unicodedata.name(match[0], "a control character")
            raise ValidationError(
                f"Character {match.start() + 1} is hidden: U+{ord(match[0]):04X} ({name}). Remove it.", code="hidden"
            )


def _blank(match: re.Match[str]) -> str:
    """A line end is a blank between two words; another hidden character is nothing."""
    return " " if match[0] in "\t\n\v\f\r\x85\u2028\u2029" else ""


def _escaped(character: str) -> str:
    return SHORT.get(character) or (f"\\u{ord(character):04x}" if character <= "\uffff" else f"\\U{ord(character):08x}")


def escape_record(record: logging.LogRecord) -> bool:
    """A filter of loggers: write out what is hidden in a message and its traceback. Every record passes.

    Names and errors come from elsewhere. The arguments stay as they are where nothing is hidden.
    """
    try:
        message = record.getMessage()
    except Exception:  # arguments that do not fit: the handler says so
        return True
    if HIDDEN.search(message):
        record.msg, record.args = escape(message), None
    if record.exc_info and not record.exc_text:
        text = logging.Formatter().formatException(record.exc_info)
        if HIDDEN.search(text.replace("\n", "")):
            record.exc_text = escape(text, "\n\t")
    return True

"""Payload templates: `{"id": {{instance.id}}, "name": "{{instance.name}}"}`.

A name between double braces is all there is: no loops, no filters, no calls. What a text says is known once it is
compiled, so a hook whose template could ever give broken JSON or XML is refused when it is saved.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
from django.db.models import Model

from heliostat.events.event import Event
from heliostat.outbox.bodies import to_json
from heliostat.webhooks.content_types import Kind, Malformed, check_wellformed, kind_of
from heliostat.webhooks.exceptions import InvalidPayloadError
from heliostat.webhooks.permissions import Viewer
from heliostat.webhooks.template_context import value_at, why_refused

LONGEST_TEMPLATE = 64 * 1024
LONGEST_BODY = 1024 * 1024
TOO_LONG = f"The payload is longer than {LONGEST_BODY} characters."
MOST_PLACEHOLDERS = 500

PLACEHOLDER = re.compile(r"\{\{([^{}]*+)\}\}")
TAGS = (("{%", "%}"), ("{#", "#}"))  # of Django's templates; they would be sent as they are
NAME = re.compile(r"\w+(?:\.\w+)*+")
QUOTE = re.compile(r'\\.|"', re.DOTALL)
NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
BLANKS_IN_XML = str.maketrans({"\t": "&#9;", "\n": "&#10;", "\r": "&#13;"})  # as they are, attributes would lose them
MARK = "\ue000"  # may stand in XML's text and attribute values, in JSON's strings, and nowhere else


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A name in a template, where it stands, and whether that is inside a JSON string."""

    path: tuple[str, ...]
    start: int
    is_quoted: bool


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template: literal texts and placeholders, in order."""

    text: str
    kind: Kind
    pieces: tuple[str | Placeholder, ...]

    def render(
        self, event: Event, viewer: Viewer | None = None, limit: int = LONGEST_BODY, refusal: str = TOO_LONG
    ) -> str:
        """Return the body for an event, of what the viewer may view.

        Raises `InvalidPayloadError` with the text of `refusal` where it needs more characters than `limit`.
        """
        parts: list[str] = []
        for piece in self.pieces:
            part = piece if isinstance(piece, str) else _escaped(value_at(event, piece.path, viewer), piece, self.kind)
            limit -= len(part)
            if limit < 0:
                raise InvalidPayloadError(refusal)
            parts.append(part)
        return "".join(parts)


@lru_cache(maxsize=1024)
def compiled(text: str, content_type: str) -> Template:
    """Return a template, made once; raise `InvalidPayloadError` that names the line and column of what is wrong."""
    _check_text(text)
    kind = kind_of(content_type)
    template = Template(text, kind, tuple(_pieces(text, kind)))
    if sum(isinstance(piece, Placeholder) for piece in template.pieces) > MOST_PLACEHOLDERS:
        raise InvalidPayloadError(f"The payload template has more than {MOST_PLACEHOLDERS} placeholders.")
    try:
        check_wellformed(_sample(template), kind, MARK)
    except Malformed as error:
        reason = f"this gives no valid {kind.value}: {error}"
        raise InvalidPayloadError(_located(error.line, error.column, reason)) from error
    return template


def check_template(text: str, content_type: str, model: type[Model] | None, has_arguments: bool) -> None:
    """Raise `InvalidPayloadError` for a template that cannot work, or that names what it may not read."""
    for piece in _placeholders(text, content_type):
        if reason := why_refused(piece.path, model, has_arguments):
            raise _problem(text, piece.start, f"{{{{{'.'.join(piece.path)}}}}} {reason}")


def names_in(text: str, content_type: str) -> list[tuple[str, ...]]:
    """Return the names that a template holds: `("instance", "depot", "name")`."""
    return [piece.path for piece in _placeholders(text, content_type)]


def _placeholders(text: str, content_type: str) -> list[Placeholder]:
    return [piece for piece in compiled(text, content_type).pieces if isinstance(piece, Placeholder)]


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise _problem(text, text.index("\x00"), "a NUL character cannot be sent")
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise _problem(text, error.start, "half a character cannot be sent") from error
    for begin, end in TAGS:
        if (position := text.find(begin)) >= 0 and text.find(end, position + 2) >= 0:
            reason = f"“{begin}” begins a tag of Django's templates; there are only names such as {{{{instance.id}}}}"
            raise _problem(text, position, reason)
    if size > LONGEST_TEMPLATE:
        raise InvalidPayloadError(f"The payload template is longer than {LONGEST_TEMPLATE} bytes.")


def _pieces(text: str, kind: Kind) -> Iterator[str | Placeholder]:
    end, is_quoted = 0, False
    for match in PLACEHOLDER.finditer(text):
        literal = _literal(text, end, match.start())
        if kind is Kind.JSON and QUOTE.findall(literal).count('"') % 2:
            is_quoted = not is_quoted
        yield literal
        yield Placeholder(_path(text, match), match.start(), is_quoted)
        end = match.end()
    yield _literal(text, end, len(text))


def _literal(text: str, start: int, end: int) -> str:
    stray = text.find("{{", start, end)
    if stray >= 0:
        raise _problem(text, stray, "two braces begin a name such as {{instance.id}}, and this is none")
    return text[start:end]


def _path(text: str, match: re.Match[str]) -> tuple[str, ...]:
    name = match[1].strip(" \t")
    if not NAME.fullmatch(name):
        reason = f"“{name}” is no name such as instance.depot.name; there are no filters, calls or expressions"
        raise _problem(text, match.start(), reason)
    return tuple(name.split("."))


def _sample(template: Template) -> str:
    """Return the template with values as long as their placeholders, so that an error has the right place."""
    parts = list(template.pieces)
    for match, position in zip(PLACEHOLDER.finditer(template.text), range(1, len(parts), 2), strict=True):
        piece, length = parts[position], len(match[0])
        is_bare = template.kind is Kind.JSON and isinstance(piece, Placeholder) and not piece.is_quoted
        parts[position] = "null".ljust(length) if is_bare else MARK * length
    return "".join(map(str, parts))


def _problem(text: str, position: int, reason: str) -> InvalidPayloadError:
    before = text[:position]
    return InvalidPayloadError(_located(before.count("\n") + 1, len(before) - before.rfind("\n"), reason))


def _located(line: int, column: int, reason: str) -> str:
    return f"The payload template, line {line}, column {column}: {reason}"


def text_of(value: Any) -> str:
    """Return a value as text, as the default body writes it; None is an empty text."""
    if isinstance(value, str):
        return str.__str__(value)
    if value is None:
        return ""
    written = _as_json(value)
    return str(msgspec.json.decode(written)) if written.startswith('"') else written


def _as_json(value: Any) -> str:
    return to_json(value, "a value of the payload template")


def _escaped(value: Any, where: Placeholder, kind: Kind) -> str:
    if kind is Kind.JSON:
        return _as_json(text_of(value))[1:-1] if where.is_quoted else _as_json(value)
    if kind is Kind.XML:  # html.escape() gives what XML understands, too
        return html.escape(NOT_IN_XML.sub("\ufffd", text_of(value))).translate(BLANKS_IN_XML)
    return without_nul(text_of(value))


def without_nul(text: str) -> str:
    """Return a text without NUL characters, which PostgreSQL cannot store."""
    return text.replace("\x00", "\ufffd")

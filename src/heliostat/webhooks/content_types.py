"""Content types of hooks: which kind of text a receiver expects, and whether a text is well-formed as such."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from enum import Enum
from typing import NoReturn
from xml.parsers import expat

from heliostat.json_values import is_json_type
from heliostat.webhooks.exceptions import InvalidHeadersError

WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # RFC 9110, 5.6.2
CONTENT_TYPE = re.compile(rf"{WORD}/{WORD}[\t\x20-\x7e]*")


class Kind(Enum):
    """How values are escaped in a body, and what it must be well-formed as."""

    JSON = "JSON"
    XML = "XML"
    TEXT = "text"


def kind_of(content_type: str) -> Kind:
    """Return what `application/json; charset=utf-8`, `application/geo+json` or `text/xml` mean."""
    if is_json_type(content_type):
        return Kind.JSON
    essence = content_type.partition(";")[0].strip().lower()
    return Kind.XML if essence.endswith(("/xml", "+xml")) else Kind.TEXT


def check_content_type(content_type: str) -> None:
    """Raise `InvalidHeadersError` where this cannot be sent as a content type."""
    if not CONTENT_TYPE.fullmatch(content_type):
        raise InvalidHeadersError(f"“{content_type}” is no content type; write for example application/json.")


class Malformed(Exception):
    """A text is not well-formed; lines and columns count from 1."""

    def __init__(self, reason: str, line: int, column: int) -> None:
        super().__init__(reason)
        self.line = line
        self.column = column


def check_wellformed(text: str, kind: Kind, mark: str) -> None:
    """Raise `Malformed`. `mark` stands where values will be; XML has places where no escaping would save it."""

    def refuse_constant(constant: str) -> NoReturn:
        before = text[: text.find(constant)]
        raise Malformed(f"{constant} is no JSON", before.count("\n") + 1, len(before) - before.rfind("\n"))

    try:
        if kind is Kind.JSON:
            json.loads(text, parse_constant=refuse_constant)
        elif kind is Kind.XML:
            _xml_parser(mark).Parse(text.encode(), True)
    except json.JSONDecodeError as error:
        raise Malformed(error.msg, error.lineno, error.colno) from error
    except expat.ExpatError as error:
        raise Malformed(expat.errors.messages[error.code], error.lineno, error.offset + 1) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; brackets in brackets in …
        raise Malformed(str(error), 1, 1) from error


def _xml_parser(mark: str) -> expat.XMLParserType:
    """Return a parser that refuses document types (and with them entities), other encodings than UTF-8, and marks
    where values cannot be escaped."""
    parser = expat.ParserCreate("utf-8", " ")  # with a separator, prefixes must be bound

    def refuse(reason: str) -> NoReturn:
        raise Malformed(reason, parser.CurrentLineNumber, parser.CurrentColumnNumber + 1)

    def check_encoding(_version: str, encoding: str | None, _standalone: int) -> None:
        if encoding and encoding.lower() != "utf-8":
            refuse(f"bodies are sent as UTF-8, not {encoding}")

    def refuse_marks_in(place: str) -> Callable[..., None]:
        def check(*data: str) -> None:
            if any(mark in one for one in data):
                refuse(f"a value cannot stand in {place}")

        return check

    in_cdata = refuse_marks_in("a CDATA section")
    parser.XmlDeclHandler = check_encoding
    parser.StartDoctypeDeclHandler = lambda *_: refuse("a document type is not allowed")
    parser.StartCdataSectionHandler = lambda: setattr(parser, "CharacterDataHandler", in_cdata)
    parser.EndCdataSectionHandler = lambda: setattr(parser, "CharacterDataHandler", None)
    parser.CommentHandler = parser.ProcessingInstructionHandler = refuse_marks_in(
        "a comment or a processing instruction"
    )
    return parser

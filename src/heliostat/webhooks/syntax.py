"""Whether a text is JSON or XML, and if not, where."""

from __future__ import annotations

import json
from typing import Any, NoReturn
from xml.parsers import expat

from heliostat.webhooks.content_types import Kind


class Malformed(Exception):
    """A text is not what it should be; lines and columns count from 1."""

    def __init__(self, reason: str, line: int, column: int) -> None:
        super().__init__(reason)
        self.line = line
        self.column = column


def check_wellformed(text: str, kind: Kind, mark: str) -> None:
    """Raises `Malformed`. `mark` stands where values will be; XML has places where no escaping would save it."""
    if kind is Kind.JSON:
        _check_json(text)
    elif kind is Kind.XML:
        _check_xml(text, mark)


def _check_json(text: str) -> None:
    def refuse(constant: str) -> NoReturn:
        before = text[: text.find(constant)]
        raise Malformed(f"{constant} is no JSON", before.count("\n") + 1, len(before) - before.rfind("\n"))

    try:
        json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise Malformed(error.msg, error.lineno, error.colno) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; brackets in brackets in …
        raise Malformed(str(error), 1, 1) from error


def _check_xml(text: str, mark: str) -> None:
    reader = _XmlReader(mark)
    try:
        reader.parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        raise Malformed(expat.errors.messages[error.code], error.lineno, error.offset + 1) from error


class _XmlReader:
    """Refuses document types (and with them entities), other encodings, and marks where they cannot be escaped."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.in_cdata = False
        self.parser = parser = expat.ParserCreate("utf-8", " ")  # with a separator, prefixes must be bound
        parser.XmlDeclHandler = self._declared
        parser.StartDoctypeDeclHandler = self._document_type
        parser.StartCdataSectionHandler = lambda: self._cdata(True)
        parser.EndCdataSectionHandler = lambda: self._cdata(False)
        parser.CharacterDataHandler = self._text
        parser.CommentHandler = parser.ProcessingInstructionHandler = self._aside

    def _refuse(self, reason: str) -> NoReturn:
        raise Malformed(reason, self.parser.CurrentLineNumber, self.parser.CurrentColumnNumber + 1)

    def _declared(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding and encoding.lower() != "utf-8":
            self._refuse(f"bodies are sent as UTF-8, not {encoding}")

    def _document_type(self, *_: Any) -> None:
        self._refuse("a document type is not allowed")

    def _cdata(self, begins: bool) -> None:
        self.in_cdata = begins

    def _text(self, data: str) -> None:
        if self.in_cdata and self.mark in data:
            self._refuse("a value cannot stand in a CDATA section")

    def _aside(self, *data: str) -> None:
        if any(self.mark in one for one in data):
            self._refuse("a value cannot stand in a comment or a processing instruction")

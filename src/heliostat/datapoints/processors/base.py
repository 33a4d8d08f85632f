"""What a processor is: a class that recognizes the files of a format and reads them into rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from heliostat.dataproducts.problems import InvalidData, Problem

PHOTOMETRY, SPECTROSCOPY, ASTROMETRY = "photometry", "spectroscopy", "astrometry"
KINDS = (PHOTOMETRY, SPECTROSCOPY, ASTROMETRY)
HEAD = 4096  # bytes by which a format is recognized


@dataclass(frozen=True)
class DataFile:
    """A file to read: its name, as it was uploaded, and its content."""

    name: str
    content: bytes

    @property
    def head(self) -> bytes:
        return self.content[:HEAD]

    @cached_property
    def text(self) -> str:
        """The content as text (UTF-8). Raise `InvalidData` where it is none."""
        try:
            text = self.content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = self.content.count(b"\n", 0, error.start) + 1
            raise InvalidData([Problem(line, "This is no text in UTF-8.")]) from None
        if "\x00" in text:
            raise InvalidData([Problem(text.count("\n", 0, text.index("\x00")) + 1, "This is no text.")])
        return text


@dataclass
class Reading:
    """What a file holds: rows as `store_photometry`, `store_spectra` or `store_astrometry` takes them.

    `lines` are the rows' line numbers, where the format has lines. `notes` say what was read in a special way, or not.
    """

    rows: list[dict[str, Any]]
    lines: Sequence[int] | None = None
    notes: list[str] = field(default_factory=list)


class Processor(ABC):
    """Base class of processors. Name it in `TOM_DATA_PROCESSORS`, or as an entry point `heliostat.processors`."""

    name: ClassVar[str]
    kinds: ClassVar[Sequence[str]] = KINDS
    """The data product types that it reads."""

    @abstractmethod
    def recognizes(self, file: DataFile, kind: str) -> bool:
        """Return whether a file is of this format, by its content."""

    @abstractmethod
    def read(self, file: DataFile, kind: str) -> Reading:
        """Return all that a file holds. Raise `InvalidData` with the problem of each bad line."""

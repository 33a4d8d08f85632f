"""The folded form of a name: two names with the same one are the same name, however somebody wrote them."""

from __future__ import annotations

import re
import unicodedata

_BETWEEN_DIGITS = re.compile(r"(?<=\d)[\s-]+(?=\d)")
_ELSEWHERE = re.compile(r"(?<!\d)[\s-]+|[\s-]+(?!\d)")
_OTHER_DASHES = "\u2212\u02d7\u2043\u00ad"  # minus signs, a bullet and the soft hyphen: no dashes for Unicode


def fold(name: str) -> str:
    """Return the folded form: compatible characters are one (NFKC), and so are capitals and small letters.

    A blank or dash is dropped: "SN1572" is "SN 1572". Between two digits it separates two numbers, and becomes `-`:
    "TYC 1-234-1" is not "TYC 12-34-1". A plus stays: it is the sign of a declination.
    """
    plain = _compatible(_compatible(name).casefold())
    dashed = "".join("-" if unicodedata.category(one) == "Pd" or one in _OTHER_DASHES else one for one in plain)
    return _compatible(_ELSEWHERE.sub("", _BETWEEN_DIGITS.sub("-", dashed)))


def _compatible(text: str) -> str:
    return unicodedata.normalize("NFKC", text)

"""Reading coordinates as papers, catalogues and telescopes print them."""

from __future__ import annotations

import math
import re
import unicodedata

from heliostat.targets.coordinates import Position

EXAMPLE = "83.822 -5.391 or 05:35:17.3 -05:23:28"

_SIGNS = str.maketrans(
    dict.fromkeys("\u2212\u2010\u2011\u2012\u2013\u2014\ufe63\uff0d\u207b", "-")
    | dict.fromkeys("\u00ba\u02da\u2218", "°")
    | dict.fromkeys("\u2032\u2019\u2018\u00b4\u0060\u02b9", "'")
    | dict.fromkeys("\u2033\u201d\u201c\u02ba", '"')
)
_WORDS = (  # what is written, in small letters, and what it stands for
    (r"\(?\b(?:j2000(?:\.0)?|icrs|fk5)\b\)?", " "),
    (r"(?:\br\.?a\.?(?![a-z])|α)\s*[=:]?", " "),
    (r"(?:\bdec(?:l(?:ination)?)?\b\.?|δ)\s*[=:]?", ";"),
    (r"deg(?:rees?)?\b", "°"),
    (r"(?<=[\d\s])(?:hours?|hrs?)\b", "h"),
    (r"(?<=[\d\s])(?:arc)?min(?:utes?)?\b", "m"),
    (r"(?<=[\d\s])(?:arc)?sec(?:onds?)?\b", "s"),
    (r"''", '"'),
    (r"(\d)\s*([hdms°'\"])\s*\.(\d+)", r"\1.\3\2"),  # 17ˢ.3
)
_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?"
_PARTS = re.compile(rf"({_NUMBER})\s*([hdms°'\":]?)\s*")
_ANGLE = re.compile(rf"([+-]?)\s*((?:{_PARTS.pattern})+)")
_UNITS = (frozenset("hd°:"), frozenset("m':"), frozenset('s"'))
_J_NAME = re.compile(r"\bj\s*(\d[\d.]*)\s*([+-])\s*(\d[\d.]*)$")
_SIX = re.compile(r"(\d\d)(\d\d)(\d\d(?:\.\d+)?)")


def parse_position(text: str) -> Position:
    """Return the position, ICRS, that a text gives as right ascension and declination. Raises ValueError.

    Single numbers are degrees. Of several numbers, those of right ascension are hours, unless a ° stands behind the
    first. The name of an object is read where its digits are hours, minutes, seconds and degrees, minutes, seconds.
    """
    plain = _plain(text)
    if re.search(r"\b(?:b1950|fk4)\b|\bb\d{4}[+-]\d", plain):
        raise ValueError("These are coordinates of B1950. Convert them to J2000 (ICRS) first.")
    ra_text, dec_text = _of_name(plain) or _halves(plain)
    ra, dec = parse_angle(ra_text, hours=True), parse_angle(dec_text, hours=False)
    if not 0 <= ra < 360:  # noqa: PLR2004  a circle
        raise ValueError("Right ascension must be at least 0 and below 360 degrees (24 hours).")
    if not -90 <= dec <= 90:  # noqa: PLR2004  pole to pole
        raise ValueError("Declination must be from -90 to 90 degrees.")
    return Position(ra, dec)


def parse_angle(text: str, *, hours: bool) -> float:
    """Return degrees from `83.82`, or from `05:35:17.3`, `05h35m17.3s`, `05 35.29` (hours where `hours`).

    Raises ValueError.
    """
    match = _ANGLE.fullmatch(_plain(text))
    if match is None:
        raise ValueError(f"“{text.strip()}” is no angle. Write degrees or sexagesimal, such as {EXAMPLE}.")
    parts = _PARTS.findall(match[2])
    numbers, units = [number for number, _ in parts], [unit for _, unit in parts]
    if len(parts) > len(_UNITS) or any(unit not in known for unit, known in zip(units, _UNITS, strict=False) if unit):
        raise ValueError(f"“{text.strip()}” is no angle: its parts are hours or degrees, minutes, seconds.")
    if units[-1] == ":":
        raise ValueError(f"“{text.strip()}” ends with a colon.")
    if any("." in number or "e" in number for number in numbers[:-1]):
        raise ValueError(f"“{text.strip()}” is no angle: only the last of its numbers may have decimals.")
    values = [float(number) for number in numbers]
    if any(value >= 60 for value in values[1:]):  # noqa: PLR2004  minutes and seconds
        raise ValueError(f"“{text.strip()}” is no angle: minutes and seconds are below 60 in sexagesimal notation.")
    if units[0] == "h" and not hours:
        raise ValueError("Declination is in degrees, not in hours.")
    value = math.fsum(one / 60.0**place for place, one in enumerate(values))
    if not math.isfinite(value):
        raise ValueError(f"“{text.strip()}” is too large.")
    is_in_hours = units[0] == "h" or (hours and units[0] not in ("d", "°") and len(values) > 1)
    return (-value if match[1] == "-" else value) * (15 if is_in_hours else 1)


def _plain(text: str) -> str:
    """The text in small letters, with one sign for each thing."""
    plain = unicodedata.normalize("NFKC", text.translate(_SIGNS)).translate(_SIGNS).casefold()
    for pattern, sign in _WORDS:
        plain = re.sub(pattern, sign, plain)
    return plain.strip(" ;,\t\r\n")


def _of_name(plain: str) -> tuple[str, str] | None:
    match = _J_NAME.search(plain)
    if match is None:
        return None
    ra, dec = _SIX.fullmatch(match[1]), _SIX.fullmatch(match[3])
    if ra is None or dec is None:
        raise ValueError(
            "The digits of this name can be read in several ways: write the coordinates themselves. "
            "Read are names such as J053517.3-052328."
        )
    return ":".join(ra.groups()), match[2] + ":".join(dec.groups())


def _halves(plain: str) -> tuple[str, str]:
    """The texts of right ascension and declination: divided by a comma, a sign, blanks, or in the middle."""
    parts = [part for part in re.split(r"[;,|/\t\n]+", plain) if part.strip()]
    if len(parts) == 1:
        at = [match.start() for match in re.finditer(r"(?<!e)[+-]", plain) if match.start()]
        words = plain.split()
        if len(at) == 1:
            parts = [plain[: at[0]], plain[at[0] :]]
        elif not at and len(words) % 2 == 0:
            parts = [" ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])]
    if len(parts) != 2:  # noqa: PLR2004  right ascension and declination
        raise ValueError(f"Write right ascension and declination, degrees or sexagesimal, such as {EXAMPLE}.")
    return parts[0], parts[1]

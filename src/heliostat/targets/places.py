"""What a page shows of a position."""

from __future__ import annotations

from dataclasses import dataclass

from heliostat.targets import sky
from heliostat.targets.coordinates import Position


@dataclass(frozen=True, slots=True)
class Place:
    """A position in each notation, and where to look further."""

    notations: list[tuple[str, str, str]]
    """Of each: its name, the text that is shown, and the text that the button copies."""
    constellation: str
    links: list[sky.Link]


def described_place(position: Position) -> Place:
    """Return what a page shows of a position, as precise as the position was given."""
    digits = max(1, position.decimals)
    notations = [
        ("Sexagesimal", position.sexagesimal.replace("-", "\u2212"), position.sexagesimal),
        ("Degrees", position.degrees, str(position)),
    ]
    for name, (longitude, latitude) in (("Galactic", sky.galactic(position)), ("Ecliptic", sky.ecliptic(position))):
        text = f"{longitude:.{digits}f} {latitude:+.{digits}f}"
        notations.append((name, text.replace(" ", "° ").replace("-", "\u2212") + "°", text))
    return Place(notations, sky.constellation(position), sky.links(position))

"""Finding targets: by words, by position, and those that are the same thing under another name."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from heliostat.targets.coordinates import separation
from heliostat.targets.models import Target

SAME_PLACE = 2.0  # arcseconds
_SLACK = 1e-9  # degrees: the box may be a little too wide, never too narrow


def by_words(targets: QuerySet[Target], words: str) -> QuerySet[Target]:
    """Targets whose name or alias contains the words, whatever their case."""
    words = words.strip().replace("\x00", "")
    if not words:
        return targets
    with_alias = Target.objects.filter(aliases__name__icontains=words).values("pk")
    return targets.filter(Q(name__icontains=words) | Q(pk__in=with_alias))


def cone(ra: float, dec: float, radius: float, targets: QuerySet[Target] | None = None) -> list[Target]:
    """Targets within `radius` arcseconds, nearest first, each with its distance as `separation` (arcseconds).

    The database finds what lies in a box around the cone, by index; the exact distance decides.
    """
    candidates = (Target.objects.all() if targets is None else targets).filter(_box(ra, dec, radius / 3600))
    found = []
    for target in candidates:
        if target.ra is None or target.dec is None:
            continue
        target.separation = separation(ra, dec, target.ra, target.dec) * 3600  # type: ignore[attr-defined]
        if target.separation <= radius:  # type: ignore[attr-defined]
            found.append(target)
    return sorted(found, key=lambda target: target.separation)  # type: ignore[attr-defined]


def _box(ra: float, dec: float, radius: float) -> Q:
    """A band in declination, and a window in right ascension that widens towards the poles and wraps at 0."""
    south, north = dec - radius - _SLACK, dec + radius + _SLACK
    band = Q(dec__gte=south, dec__lte=north)
    if south <= -90 or north >= 90:  # noqa: PLR2004  a pole is inside: every right ascension is near
        return band
    ratio = math.sin(math.radians(radius)) / math.cos(math.radians(dec))
    half = math.degrees(math.asin(min(1.0, ratio))) + _SLACK
    west, east = ra - half, ra + half
    if west < 0:
        return band & (Q(ra__gte=west + 360) | Q(ra__lte=east))
    if east >= 360:  # noqa: PLR2004  a circle
        return band & (Q(ra__gte=west) | Q(ra__lte=east - 360))
    return band & Q(ra__gte=west, ra__lte=east)


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A target that is there already, and by what it was recognised."""

    target: Target
    reason: str


def find_named(names: Iterable[str], *, besides: int | None = None) -> Duplicate | None:
    """The target that has one of these names, or an alias like it; case makes no difference."""
    for name in dict.fromkeys(name.strip() for name in names if name.strip()):
        others = Target.objects.exclude(pk=besides) if besides else Target.objects.all()
        if target := others.filter(name__iexact=name).first():
            return Duplicate(target, f"the name {name}")
        if target := others.filter(aliases__name__iexact=name).first():
            return Duplicate(target, f"the alias {name}")
    return None


def find_near(target: Target) -> list[Target]:
    """Other targets at the same place, within two arcseconds."""
    if target.ra is None or target.dec is None or target.type != Target.Type.SIDEREAL:
        return []
    others = Target.objects.filter(type=Target.Type.SIDEREAL)
    return cone(target.ra, target.dec, SAME_PLACE, others.exclude(pk=target.pk) if target.pk else others)


def find_same(target: Target, aliases: Iterable[str] = ()) -> Duplicate | None:
    """The target that a new one would double: by name, by alias, or by position."""
    if named := find_named([target.name, *aliases], besides=target.pk):
        return named
    for near in find_near(target):
        return Duplicate(near, f"its position ({near.separation:.1f}″ away)")  # type: ignore[attr-defined]
    return None

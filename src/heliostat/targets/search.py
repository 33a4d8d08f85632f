"""Finding targets: by words, by position, and those that are the same thing under another name."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, ExpressionWrapper, F, FloatField, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Cos, Power, Radians, Sin
from django.db.models.lookups import LessThanOrEqual

from heliostat.targets.coordinates import separation
from heliostat.targets.models import Target
from heliostat.targets.names import FoldedName, key_of
from heliostat.targets.substrings import is_like, named_like

SAME_PLACE = 2.0  # arcseconds
FEW = 1_000  # names
_HOLDERS = (
    f"SELECT target.*, held.folded, held.alias_id FROM {FoldedName._meta.db_table} held "
    f"JOIN {Target._meta.db_table} target ON target.id = held.target_id WHERE held.folded IN"
)
_SLACK = 1e-9  # degrees: the box may be a little too wide, never too narrow


def by_words(targets: QuerySet[Target], words: str) -> QuerySet[Target]:
    """Targets whose name or alias contains the words, however they are written; of one or two letters: begins so.

    A part that few names have is looked up at once, so that the database reads those targets only, by key. Of one that
    many names have, it reads the targets in their order until a page is full.
    """
    words = words.strip().replace("\x00", "")
    if not words:
        return targets
    found = list(named_like(words, targets.db).values_list("target_id", flat=True)[: FEW + 1])
    if len(found) <= FEW:
        return targets.filter(pk__in=set(found))
    of_target = FoldedName.objects.filter(is_like(words), target_id=OuterRef("pk"))
    return targets.filter(Exists(of_target))


def cone(ra: float, dec: float, radius: float, targets: QuerySet[Target] | None = None) -> list[Target]:
    """Targets within `radius` arcseconds, nearest first, each with its distance as `separation` (arcseconds).

    The database finds what lies in a box around the cone, by index; the exact distance decides.
    """
    candidates = (Target.objects.all() if targets is None else targets).filter(_box(ra, dec, radius / 3600))
    found = []
    for target in candidates:
        if target.ra is None or target.dec is None:
            continue
        target.separation = separation(ra, dec, target.ra, target.dec) * 3600  # type: ignore[union-attr]
        if target.separation <= radius:  # type: ignore[union-attr]
            found.append(target)
    return sorted(found, key=lambda target: target.separation)  # type: ignore[attr-defined]


def within(ra: float, dec: float, radius: float, targets: QuerySet[Target]) -> QuerySet[Target]:
    """Targets within `radius` arcseconds, as a queryset: a box by index, and in it the exact distance (haversine)."""
    dec_half, ra_half = (Sin(Radians(F(name) - Value(value)) / 2) for name, value in (("dec", dec), ("ra", ra)))
    h = Power(dec_half, 2) + Value(math.cos(math.radians(dec))) * Cos(Radians(F("dec"))) * Power(ra_half, 2)
    bound = math.sin(math.radians(min(radius / 3600, 180)) / 2) ** 2
    near = LessThanOrEqual(ExpressionWrapper(h, FloatField()), Value(bound * (1 + _SLACK)))
    return targets.filter(_box(ra, dec, radius / 3600), near)


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
    """The target that has one of these names, or an alias like it: in one query, however many names there are."""
    asked = {key_of(name): name.strip() for name in names if name.strip()}
    held = {target.folded: target for target in _holders(asked) if target.pk != besides} if asked else {}
    for key, name in asked.items():
        if target := held.get(key):
            return Duplicate(target, f"the {'name' if target.alias_id is None else 'alias'} {name}")
    return None


def _holders(folded: Collection[str]) -> Iterable[Any]:
    """The targets that hold these folded names, each with `folded` and `alias_id`.

    Written in SQL, for Django takes twice as long to build this query as the database takes to answer it.
    """
    marks = ", ".join(["%s"] * len(folded))
    return Target.objects.raw(f"{_HOLDERS} ({marks})", list(folded))  # marks and names of our own tables


def find_near(target: Target, viewer: Any = None) -> list[Target]:
    """Other targets at the same place, within two arcseconds: those that a user may view, or all."""
    if target.position is None:
        return []
    others = Target.objects.all() if viewer is None else Target.objects.visible_to(viewer)
    others = others.exclude(pk=target.pk) if target.pk else others
    return [other for other in cone(*target.position, SAME_PLACE, others) if is_same_place(target, other)]


def is_same_place(target: Target, other: Any) -> bool:
    """Return whether a target that `cone()` found around another may be the same object: neither moves."""
    moves = Target.Type.NON_SIDEREAL in (target.type, other.type)
    return not moves and bool(other.separation <= SAME_PLACE)


def find_same(target: Target, aliases: Iterable[str] = (), viewer: Any = None) -> Duplicate | None:
    """The target that a new one would double: by name, by alias, or by position.

    Of those at its position, one that the user `viewer` may view, or any. A name or an alias belongs to one target,
    whether they may view it or not.
    """
    if named := find_named([target.name, *aliases], besides=target.pk):
        return named
    for near in find_near(target, viewer):
        return Duplicate(near, f"its position ({near.separation:.1f}″ away)")  # type: ignore[attr-defined]
    return None

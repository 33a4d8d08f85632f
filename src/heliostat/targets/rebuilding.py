"""Rebuilding the names table from the targets and aliases, after another program wrote them."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from heliostat.targets.models import Target, TargetName
from heliostat.targets.names import FoldedName, key_of

MOST_LISTED = 20
_BATCH = 5_000
_Holder = tuple[int, int | None]  # keys of the target and, of an alias, of the alias


class SharedNames(Exception):
    """Two targets or aliases have one name, so that the table cannot hold both."""

    def __init__(self, shared: dict[str, list[_Holder]]) -> None:
        listed = "\n".join(
            f"{name}: {', '.join(_described(holder) for holder in holders)}"
            for name, holders in list(shared.items())[:MOST_LISTED]
        )
        more = f"\nand {len(shared) - MOST_LISTED} more" if len(shared) > MOST_LISTED else ""
        super().__init__(f"Nothing was changed: names are held twice. Rename one of each:\n{listed}{more}")


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What `rebuild()` changed."""

    written: int
    removed: int


def rebuild(using: str) -> Rebuilt:
    """Make the names table of a database hold what its targets and aliases are called. Raises `SharedNames`."""
    with transaction.atomic(using=using):
        wanted = _wanted(using)
        stored = FoldedName.objects.using(using)
        rows = stored.values_list("pk", "folded", "target_id", "alias_id").iterator()
        right, wrong = set(), []
        for key, folded, *holder in rows:
            if wanted.get(folded) == tuple(holder):
                right.add(folded)
            else:
                wrong.append(key)
        for start in range(0, len(wrong), _BATCH):
            stored.filter(pk__in=wrong[start : start + _BATCH]).delete()
        missing = [
            FoldedName(folded=folded, target_id=target, alias_id=alias)
            for folded, (target, alias) in wanted.items()
            if folded not in right
        ]
        stored.bulk_create(missing, batch_size=_BATCH)
    return Rebuilt(len(missing), len(wrong))


def _wanted(using: str) -> dict[str, _Holder]:
    """Return what each folded name stands for."""
    wanted: dict[str, _Holder] = {}
    shared: dict[str, list[_Holder]] = {}
    targets = Target.objects.using(using).order_by("pk").values_list("name", "pk").iterator()
    aliases = TargetName.objects.using(using).order_by("pk").values_list("name", "target_id", "pk").iterator()
    for name, target, *alias in (*targets, *aliases):
        holder = (target, alias[0] if alias else None)
        folded = key_of(name)
        if (first := wanted.setdefault(folded, holder)) != holder:
            shared.setdefault(folded, [first]).append(holder)
    if shared:
        raise SharedNames(shared)
    return wanted


def _described(holder: _Holder) -> str:
    target, alias = holder
    return f"target {target}" if alias is None else f"alias {alias} of target {target}"

"""The names table: the name and each alias of each target in folded form, each once on the site.

`Named` keeps it true: `save()`, `bulk_create()`, `bulk_update()` and `update()` of targets and aliases write it in the
same transaction, so that pages, the admin, alerts and programs all meet its unique constraint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, router, transaction

from heliostat.targets.folding import fold
from heliostat.text import validate_name

TAKEN_MEANWHILE = "Somebody has just saved a target with this name or alias."
LONGEST = 255  # characters; NFKC writes some characters as eighteen
_COLLATIONS = {"postgresql": "C", "mysql": "utf8mb4_bin"}
_NAME_FIELDS = frozenset({"name", "target", "target_id"})
_BATCH = 5_000


class NameTaken(IntegrityError):
    """Another target has this name or alias."""

    def __init__(self, names: Sequence[str]) -> None:
        listed = ", ".join(f"“{name}”" for name in names[:5]) + (" …" if len(names) > 5 else "")  # noqa: PLR2004
        super().__init__(
            f"A name is taken: {listed}. Another name or alias is the same, but for case, blanks and dashes. "
            "Find its target with heliostat.targets.search.find_named()."
        )


class BytewiseField(models.CharField):  # type: ignore[type-arg]
    """Text that the database compares by its characters' codes, so that an index finds prefixes too."""

    def db_parameters(self, connection: Any) -> Any:
        return {**super().db_parameters(connection), "collation": _COLLATIONS.get(connection.vendor)}


class FoldedName(models.Model):
    """A row of the names table: a folded name, its target, and its alias where it is not the target's own name."""

    heliostat_silent = True  # no events: targets and aliases have them

    folded = BytewiseField(max_length=LONGEST)
    target = models.ForeignKey("heliostat_targets.Target", models.CASCADE, related_name="folded_names")
    alias = models.OneToOneField(
        "heliostat_targets.TargetName", models.CASCADE, null=True, blank=True, related_name="folded_name"
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["folded"], name="heliostat_target_folded_name")]

    def __str__(self) -> str:
        return str(self.folded)


def key_of(name: str) -> str:
    """Return the folded name as the table holds it: of a very long one the beginning and a digest."""
    folded = fold(name)
    if len(folded) <= LONGEST:
        return folded
    return folded[: LONGEST - 64] + hashlib.sha256(folded.encode("utf-8", "surrogatepass")).hexdigest()


class NamedQuerySet(models.QuerySet[Any]):
    """Statements over many rows that keep the names table true."""

    def bulk_create(
        self,
        objs: Iterable[Any],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list[Any]:
        """Insert rows and their names. With `ignore_conflicts`, rows whose name is taken are left out."""
        given = list(objs)
        rows = self._free(given) if ignore_conflicts else given
        with transaction.atomic(using=self.db, savepoint=False):
            created = super().bulk_create(rows, batch_size, False, update_conflicts, update_fields, unique_fields)
            hold(created, self.db) if update_conflicts else _insert([row.folded_row() for row in created], self.db)
        return given if ignore_conflicts else created

    def _free(self, rows: list[Any]) -> list[Any]:
        first = {key_of(row.name): row for row in reversed(rows)}
        taken = set(FoldedName.objects.using(self.db).filter(folded__in=first).values_list("folded", flat=True))
        return [first[key] for key in reversed(first) if key not in taken]

    def update(self, **values: Any) -> int:
        if not _NAME_FIELDS.intersection(values):
            return super().update(**values)
        with transaction.atomic(using=self.db, savepoint=False):
            keys = list(self.values_list("pk", flat=True))
            count = super().update(**values)
            hold(self.model._base_manager.using(self.db).filter(pk__in=keys), self.db)
        return count

    update.alters_data = True  # type: ignore[attr-defined]


class Named(models.Model):
    """A row whose `name` no other target may have: a target, or an alias of one."""

    name = models.CharField(max_length=100, validators=[validate_name])

    objects = NamedQuerySet.as_manager()

    class Meta:
        abstract = True

    def folded_row(self) -> FoldedName:
        """Return this row's row of the names table, not saved."""
        raise NotImplementedError

    def save_base(self, using: str | None = None, update_fields: Any = None, **options: Any) -> None:  # type: ignore[override]
        """Save the row and its name, or neither. Raises `NameTaken`."""
        using = using or router.db_for_write(type(self), instance=self)
        if update_fields is not None and not _NAME_FIELDS.intersection(update_fields):
            super().save_base(using=using, update_fields=update_fields, **options)
            return
        with transaction.atomic(using=using, savepoint=False):
            is_new = self._state.adding
            super().save_base(using=using, update_fields=update_fields, **options)
            _insert([self.folded_row()], using) if is_new else _replace(self.folded_row(), using)

    def validate_unique(self, exclude: Any = None) -> None:
        """Raise a ValidationError at `name` where another target has it, under whatever spelling."""
        super().validate_unique(exclude)
        if exclude and "name" in exclude:
            return
        row = self.folded_row()
        holder = FoldedName.objects.filter(folded=row.folded).exclude(target_id=row.target_id).select_related("target")
        if taken := holder.first():
            raise ValidationError({"name": ValidationError(self.why_taken(taken.target), code="duplicate")})

    def why_taken(self, holder: Any) -> str:
        """Return a sentence that this target has the name already."""
        return f"There is already a target with this name or alias: {holder}."


def hold(rows: Iterable[Any], using: str) -> None:
    """Write the names of these rows of one model, which are in the database, in place of those that they had."""
    wanted = [row.folded_row() for row in rows]
    for start in range(0, len(wanted), _BATCH):
        _held(wanted[start : start + _BATCH], using).delete()
    _insert(wanted, using)


def hold_from_fixture(instance: Named, raw: bool, using: str, **_: Any) -> None:
    """After a row of a fixture is saved, which is not by `save()`: write its name, which the fixture may lack."""
    if raw:
        hold([instance], using)


def give_way_to_fixture(instance: FoldedName, raw: bool, using: str, **_: Any) -> None:
    """Before a row of the names table is saved that a fixture has: delete the one that its target has just written."""
    if raw:
        FoldedName.objects.using(using).filter(folded=instance.folded).exclude(pk=instance.pk).delete()


@contextmanager
def renaming(target: Any) -> Iterator[None]:
    """Release the names of a target inside the block, so that they may change places; hold them at its end."""
    release_names(target)
    yield
    hold_names(target)


def release_names(target: Any) -> None:
    """Delete the names of a target from the table, in a transaction that ends with `hold_names()`."""
    if target.pk is not None:
        using = router.db_for_write(type(target), instance=target)
        FoldedName.objects.using(using).filter(target_id=target.pk).delete()


def hold_names(target: Any) -> None:
    """Write the name and all aliases of a target. Raises `NameTaken`."""
    using = router.db_for_write(type(target), instance=target)
    hold([target], using)
    hold(target.aliases.using(using).all(), using)


def _held(rows: list[FoldedName], using: str) -> models.QuerySet[FoldedName]:
    """The rows that the table has for the same targets and aliases."""
    held = FoldedName.objects.using(using)
    if rows[0].alias_id is not None:
        return held.filter(alias_id__in=[row.alias_id for row in rows])
    return held.filter(alias_id=None, target_id__in=[row.target_id for row in rows])


def _replace(row: FoldedName, using: str) -> None:
    try:
        changed = _held([row], using).update(folded=row.folded, target_id=row.target_id)
    except IntegrityError as error:
        raise NameTaken([row.folded]) from error
    if not changed:
        _insert([row], using)


def _insert(rows: list[FoldedName], using: str) -> None:
    try:
        FoldedName.objects.using(using).bulk_create(rows, batch_size=_BATCH)
    except IntegrityError as error:
        raise NameTaken([row.folded for row in rows]) from error

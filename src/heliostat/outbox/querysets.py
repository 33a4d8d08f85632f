"""Rows of our own are read where they are written: a replica may not know yet what was just published."""

from __future__ import annotations

from typing import TypeVar

from django.db import models, router

M = TypeVar("M", bound=models.Model)


class OwnQuerySet(models.QuerySet[M]):
    """A query set that reads from the database that the routers name for writing, unless an alias is given."""

    @property
    def db(self) -> str:
        """Return the database of the next query."""
        chosen: str | None = self._db  # type: ignore[attr-defined]
        return chosen or router.db_for_write(self.model, **self._hints)  # type: ignore[attr-defined]

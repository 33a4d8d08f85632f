"""Partial indexes, also for databases that do not support them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import models


class PartialIndex(models.Index):
    """An index on the rows for which `where` holds. On MariaDB, which has none, it is on all rows, over `otherwise`.

    `where` is not Django's `condition`, which would make Django warn that MariaDB ignores it.
    """

    def __init__(
        self, *, fields: Sequence[str], where: models.Q, otherwise: Sequence[str], name: str, **options: Any
    ) -> None:
        super().__init__(fields=fields, name=name, **options)
        self.where = where
        self.otherwise = list(otherwise)

    def create_sql(self, model: Any, schema_editor: Any, using: str = "", **kwargs: Any) -> Any:
        partial = schema_editor.connection.features.supports_partial_indexes
        fields, where = (self.fields, self.where) if partial else (self.otherwise, None)
        plain = models.Index(fields=fields, condition=where, name=self.name)
        return plain.create_sql(model, schema_editor, using, **kwargs)

    def deconstruct(self) -> Any:
        path, expressions, kwargs = super().deconstruct()
        return path, expressions, {**kwargs, "where": self.where, "otherwise": self.otherwise}

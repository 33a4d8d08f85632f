from __future__ import annotations

from typing import Any


class QueryParameters(dict[str, Any]):
    """The parameters of a query, by the names of the form's fields.

    A field that the form calls `target_name` is also found as `name`, where only one can be meant: the tutorial's
    own example declares the first and reads the second.
    """

    def __missing__(self, key: str) -> Any:
        meant = [name for name in self if name.endswith(f"_{key}")]
        if len(meant) == 1:
            return self[meant[0]]
        known = ", ".join(sorted(self)) or "none"
        problem = f"could be {' or '.join(meant)}" if meant else "is no field of the form"
        raise KeyError(f"{key!r} {problem}; the fields are: {known}")

"""The settings of this app. A project may leave them all out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from heliostat.conf import Setting, Settings
from heliostat.suggestions import did_you_mean

TYPES = ("number", "text", "date", "boolean", "choice")
KEYS = ("name", "type", "label", "help_text", "choices")
BETWEEN = " > "
"""Stands between the levels of a classification."""
STATUSES: dict[str, list[str]] = {
    "new": ["following", "rejected"],
    "following": ["finished", "rejected"],
    "finished": ["following"],
    "rejected": ["following"],
}
TAXONOMY: dict[str, Any] = {
    "Supernova": {
        "Ia": {"91T": {}, "91bg": {}, "Iax": {}},
        "Ib": {},
        "Ic": {"Ic-BL": {}},
        "Ibn": {},
        "II": {"IIP": {}, "IIL": {}, "IIb": {}, "IIn": {}},
        "Superluminous": {},
    },
    "Tidal disruption": {},
    "Kilonova": {},
    "Gamma-ray burst": {},
    "Nova": {},
    "Variable star": {"Cataclysmic": {}, "Cepheid": {}, "Eclipsing": {}, "Flare star": {}, "RR Lyrae": {}},
    "Active galaxy": {"Blazar": {}, "Quasar": {}, "Seyfert": {}},
    "Microlensing": {},
    "Exoplanet host": {},
    "Solar System": {"Asteroid": {}, "Comet": {}, "Planet": {}, "Interstellar": {}},
}
_NAME = re.compile(r"[^\W\d_]\w{0,49}")
_LONGEST_STATE = 50
_LONGEST_PATH = 200


def extra_fields_problem(value: Any) -> str | None:
    """Return what is wrong with the declarations of extra fields, or None."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(one, dict) for one in value):
        return f"must be a list of dicts such as {{'name': 'redshift', 'type': 'number'}}, not {value!r}"
    if problem := next((problem for one in value if (problem := _field_problem(one))), None):
        return problem
    names = [one["name"].casefold() for one in value]
    double = next((name for name in names if names.count(name) > 1), None)
    return f"declares {double!r} twice" if double else None


def _field_problem(one: Mapping[Any, Any]) -> str | None:
    name, kind, choices = one.get("name"), one.get("type"), one.get("choices")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return f"has a name that is no word of letters, digits and _ (at most 50, a letter first): {name!r}"
    if unknown := [key for key in one if key not in KEYS]:
        return f"has an unknown key {unknown[0]!r} at {name!r}.{did_you_mean(str(unknown[0]), KEYS)}"
    if kind not in TYPES:
        return f"has the type {kind!r} at {name!r}; types are {', '.join(TYPES)}.{did_you_mean(str(kind), TYPES)}"
    if not all(isinstance(one.get(key, ""), str) for key in ("label", "help_text")):
        return f"has a label or help_text at {name!r} that is no string"
    if (kind == "choice") != (choices is not None):
        return f"needs choices at {name!r}" if kind == "choice" else f"has choices at {name!r}, whose type is {kind!r}"
    return _choices_problem(name, choices) if kind == "choice" else None


def _choices_problem(name: str, choices: Any) -> str | None:
    is_list = isinstance(choices, (list, tuple)) and all(isinstance(one, str) and one.strip() for one in choices)
    if not is_list or not choices:
        return f"must have a list of strings as choices at {name!r}"
    return f"has a choice twice at {name!r}" if len(set(choices)) < len(choices) else None


def statuses_problem(value: Any) -> str | None:
    """Return what is wrong with a workflow, or None."""
    if not isinstance(value, dict):
        return f"must be a dict of states, each with the list of states that may follow it, not {value!r}"
    for state, following in value.items():
        if not isinstance(state, str) or not 0 < len(state.strip()) <= _LONGEST_STATE:
            return f"must have strings of at most {_LONGEST_STATE} characters as states, not {state!r}"
        if not isinstance(following, (list, tuple)):
            return f"must have a list of states behind {state!r}, not {following!r}"
        if unknown := [one for one in following if one not in value]:
            hint = did_you_mean(str(unknown[0]), value)
            return f"lets {unknown[0]!r} follow {state!r}, which is no state of it.{hint}"
    return None


def taxonomy_problem(value: Any) -> str | None:
    """Return what is wrong with a taxonomy, or None."""
    if not isinstance(value, dict):
        return f"must be a dict of names, each with a dict of what is below it, not {value!r}"
    for path, below in _levels(value, ()):
        name = path[-1]
        if not isinstance(name, str) or not name.strip() or BETWEEN.strip() in name:
            return f"must have names without {BETWEEN.strip()!r}, not {name!r}"
        if not isinstance(below, dict):
            return f"must have a dict behind {name!r} ({{}} where nothing is below it), not {below!r}"
        if len(BETWEEN.join(path)) > _LONGEST_PATH:
            return f"is too deep at {name!r}: a classification has at most {_LONGEST_PATH} characters"
    return None


def _levels(tree: Mapping[Any, Any], above: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield each place of a taxonomy as a path, and what is below; nothing below what is no name."""
    for name, below in tree.items():
        path = (*above, name)
        yield path, below
        if isinstance(below, Mapping) and isinstance(name, str):
            yield from _levels(below, path)


class TargetSettings(Settings):
    """What a team adds to targets."""

    extra_fields = Setting[Sequence[Mapping[str, Any]]](
        [],
        "Typed extra fields of targets: [{'name': 'redshift', 'type': 'number'}].",
        extra_fields_problem,
        name="TOM_EXTRA_FIELDS",
    )
    statuses = Setting[Mapping[str, Sequence[str]]](
        STATUSES,
        "States of targets, each with those that may follow it; a new target is in the first.",
        statuses_problem,
        name="TOM_TARGET_STATUSES",
    )
    taxonomy = Setting[Mapping[str, Any]](
        TAXONOMY,
        "Classes of targets: {'Supernova': {'Ia': {}}}.",
        taxonomy_problem,
        name="TOM_TAXONOMY",
    )


target_settings = TargetSettings()


def classifications() -> list[tuple[str, ...]]:
    """Return the places of the taxonomy, each as the names from the top."""
    return [path for path, _below in _levels(target_settings.taxonomy, ())]

"""The settings of this app. A project may leave them all out."""

from __future__ import annotations

from typing import Any

from heliostat.conf import Setting, Settings

VISIBILITIES = ("private", "group", "public")


def _visibility(value: Any) -> str | None:
    return None if value in VISIBILITIES else f"must be 'private', 'group' or 'public', not {value!r}"


def _flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else f"must be True or False, not {value!r}"


class RightsSettings(Settings):
    """Who may view and add what."""

    new_targets = Setting(
        "group",
        "Visibility of a new target where nobody chooses it: 'private' (its owner), 'group' (its owner and the groups "
        "of its owner) or 'public'.",
        _visibility,
    )
    users_may_add = Setting(
        True,
        "True: every active user may add targets, observations and data; False: users with Django's permissions.",
        _flag,
    )
    open_read = Setting(
        False, "True: visitors who are not logged in may view what is public; False: they view nothing.", _flag
    )


rights_settings = RightsSettings()

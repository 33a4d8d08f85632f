"""System checks of settings, and of what can only be checked once the settings can work."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Sequence
from functools import cache, wraps
from typing import Any

from django.conf import global_settings, settings
from django.core.checks import CheckMessage, Error, Warning, register

from heliostat.conf import OTHERS, PREFIXES, Settings
from heliostat.suggestions import ALIKE, did_you_mean


def check_settings(**_: object) -> list[CheckMessage]:
    """System check: each setting with a name of Heliostat's, or nearly one, exists, and its value can work."""
    known = {setting.name: setting for setting in Settings.of_all_apps()}
    messages: list[CheckMessage] = []
    for name in sorted({name for name in dir(settings) if name.isupper()}):
        if name not in known:
            if _is_mistyped(name, {*known, *OTHERS}):
                text = f"There is no setting {name}.{did_you_mean(name, {*known, *OTHERS})}"
                hint = "Remove it, or correct its name; docs/reference lists all settings."
                messages.append(Warning(text, hint=hint, id="heliostat.W001"))
        elif complaint := known[name].problem(getattr(settings, name)):
            messages.append(Error(f"{name} {complaint}.", hint=known[name].meaning, id="heliostat.E001"))
    return messages


def _is_mistyped(name: str, known: Collection[str]) -> bool:
    if name in known or hasattr(global_settings, name):
        return False
    return name.startswith(PREFIXES) or bool(difflib.get_close_matches(name, known, n=1, cutoff=ALIKE))


def register_check(check: Callable[..., Sequence[CheckMessage]], *tags: str, **options: Any) -> None:
    """Register a system check that reads settings: it runs once each of them has a value that can work."""
    register(_once_settings_work(check), *tags, **options)


@cache
def _once_settings_work(check: Callable[..., Sequence[CheckMessage]]) -> Callable[..., Sequence[CheckMessage]]:
    """Return the same function at each call: apps are made ready again where a test changes INSTALLED_APPS."""

    @wraps(check)
    def checked(**arguments: Any) -> Sequence[CheckMessage]:
        values = ((one, getattr(settings, one.name, one.default)) for one in Settings.of_all_apps())
        return () if any(one.problem(value) for one, value in values) else check(**arguments)

    return checked

"""What a team knows of a target beside the sky: its status, with the moves that are permitted, and its class."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db.models import Q

from heliostat.targets.conf import BETWEEN, classifications, target_settings

Choices = list[tuple[str, str]]
_LAST = "\U0010ffff"


def first_status() -> str:
    """Return the status of a new target; an empty text where the team has no workflow."""
    return next(iter(target_settings.statuses), "")


def next_statuses(status: str) -> list[str]:
    """Return the states that may follow a state. From one that the setting does not have, each state may."""
    return list(target_settings.statuses.get(status, target_settings.statuses))


def check_move(before: str, after: str) -> None:
    """Raise a ValidationError where a target may not move from one state to another."""
    if after == before or after in next_statuses(before):
        return
    if after not in target_settings.statuses:
        raise ValidationError(f"There is no status “{after}”.", code="status")
    following = ", ".join(next_statuses(before)) or "nothing"
    raise ValidationError(f"A target that is {before} cannot become {after}. It may become: {following}.", code="move")


def status_choices(status: str) -> Choices:
    """Return a state, as it is now, and those that may follow it."""
    return [(one, one.capitalize()) for one in dict.fromkeys([status, *next_statuses(status)])]


def check_classification(before: str, after: str) -> None:
    """Raise a ValidationError where a class is not in the taxonomy."""
    if after and after != before and tuple(after.split(BETWEEN)) not in classifications():
        raise ValidationError(f"There is no class “{after}” in the taxonomy.", code="classification")


def classification_choices(now: str = "") -> Choices:
    """Return the classes, indented by their level; and the class of a target that is not in the taxonomy any longer."""
    known = [(BETWEEN.join(path), "\u2003" * (len(path) - 1) + path[-1]) for path in classifications()]
    return [("", "not classified"), *([(now, now)] if now and now not in dict(known) else []), *known]


def is_classified(path: str) -> Q:
    """Return the condition that a target is of a class, or of one below it."""
    below = path + BETWEEN
    return Q(classification=path) | Q(classification__gte=below, classification__lt=below + _LAST)

"""Making targets of alerts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError

from heliostat import batch, emit
from heliostat.alerts.alerts import BrokerError, GenericAlert
from heliostat.alerts.registry import get_broker
from heliostat.rights.visibility import may_view
from heliostat.targets.models import Target
from heliostat.targets.names import NameTaken, key_of
from heliostat.targets.rights import NOT_SHARED
from heliostat.targets.search import Duplicate, find_named, find_same
from heliostat.text import clean_name


@dataclass(frozen=True, slots=True)
class Ingested:
    """What came of an alert: a new target, or the one that was there already, and by what it was recognised."""

    target: Target
    duplicate_by: str = ""


def ingest(alert: GenericAlert, broker_name: str, owner: Any = None) -> Ingested:
    """Make a target of an alert, unless there is one of this name, alias or place.

    `owner` is the user who asks: what they may not view is not recognised by its place, and its names are refused.
    Raises `BrokerError` if the broker module fails or a name is not to be had, and `Refused` if a subscriber refused.
    """
    target = _target_of(alert, broker_name)
    names = _further_names(alert, target)
    if duplicate := find_same(target, names, owner):
        return _there(duplicate, owner)
    target.owner = target.owner or owner
    try:
        with batch():
            target.save()
            for name in names:
                target.aliases.create(name=name)
            for key, value in _facts(alert, broker_name).items():
                target.extras.create(key=key, value=value)
            emit("ingested", target, payload={"target": target.pk, "broker": broker_name, "alert": alert.id})
    except NameTaken:
        duplicate = find_named([target.name, *names])
        if duplicate is None:
            raise BrokerError("It could not be saved: one of its names is taken.") from None
        return _there(duplicate, owner)  # somebody made it at the same moment
    return Ingested(target)


def _there(duplicate: Duplicate, owner: Any) -> Ingested:
    if owner is not None and not may_view(owner, duplicate.target):
        raise BrokerError(NOT_SHARED)
    return Ingested(duplicate.target, duplicate.reason)


def _target_of(alert: GenericAlert, broker_name: str) -> Target:
    try:
        target = get_broker(broker_name)().to_target(alert)
    except BrokerError:
        raise
    except Exception as error:  # whatever a broker's code raises
        raise BrokerError(f"{broker_name} cannot make a target of {alert.name}: {error}") from error
    if not isinstance(target, Target):
        raise BrokerError(f"{broker_name} made no target of {alert.name}: to_target() must return one.")
    target.name = clean_name(str(target.name))
    try:
        target.clean_fields(exclude=["owner"])
    except ValidationError as error:
        problems = "; ".join(f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items())
        raise BrokerError(f"{broker_name} made no usable target of {alert.name}: {problems}") from error
    return target


def _further_names(alert: GenericAlert, target: Target) -> list[str]:
    """Return the alert's aliases, each once in whatever spelling, without the target's own name."""
    names = {key_of(target.name): ""}
    for alias in alert.aliases:
        names.setdefault(key_of(alias), alias)
    return [name for name in names.values() if name]


def _facts(alert: GenericAlert, broker_name: str) -> dict[str, str]:
    """What a target keeps of the alert that it was made of."""
    facts = {
        "broker": broker_name,
        "alert_id": str(alert.id),
        "alert_timestamp": str(alert.timestamp),
        "alert_url": alert.url,
        "classification": alert.classification,
        "magnitude": "" if alert.mag is None else f"{alert.mag:g}",
    }
    return {key: value for key, value in facts.items() if value}

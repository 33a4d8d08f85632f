"""Asking facilities what has become of observations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q

from heliostat.observations.facility import FacilityState, UnknownFacility, facilities, get_facility
from heliostat.observations.models import TERMINAL, ObservationRecord
from heliostat.suggestions import did_you_mean


@dataclass(frozen=True, slots=True)
class Update:
    """What came of asking about one observation. `problem` says why it failed."""

    observation: ObservationRecord
    previous_status: str
    problem: str = ""
    is_skipped: bool = False

    @property
    def is_changed(self) -> bool:
        return self.observation.status != self.previous_status


def unknown_facility(name: str | None) -> str | None:
    """Return a sentence that says so where no facility has this name, and none had it when something was observed."""
    known = facilities.all()
    if name is None or name in known or ObservationRecord.objects.filter(facility=name).exists():
        return None
    return f"There is no facility {name!r}.{did_you_mean(name, known)}"


def open_observations() -> Iterator[ObservationRecord]:
    """Those that something may still happen to; each facility knows its own terminal states."""
    classes = facilities.all()
    over = ~Q(facility__in=list(classes)) & Q(status__in=TERMINAL)
    for name, facility in classes.items():
        over |= Q(facility=name, status__in=facility.terminal_states)
    records = ObservationRecord.objects.select_related("target").exclude(over)
    return records.order_by("facility", "id").iterator(chunk_size=500)


def update_status(observation: ObservationRecord) -> Update:
    """Ask the observation's own facility, and save what it says. One that fails is reported, and the others go on."""
    previous = observation.status
    try:
        facility = get_facility(observation.facility)
    except UnknownFacility as error:
        return Update(observation, previous, str(error), is_skipped=True)
    try:
        _save(observation, previous, facility.status(observation))
    except Exception as error:  # whatever a facility's code or a subscriber raises
        observation.status = previous
        return Update(observation, previous, f"{type(error).__name__}: {error}")
    return Update(observation, previous)


def _save(observation: ObservationRecord, previous: str, state: FacilityState) -> None:
    """Write what the facility says to the row as it is now, but not over what somebody changed since we asked."""
    facts = {
        "status": str(state.status),
        "scheduled_start": state.scheduled_start,
        "scheduled_end": state.scheduled_end,
    }
    with transaction.atomic():
        row = ObservationRecord.objects.select_for_update().select_related("target").get(pk=observation.pk)
        if row.status != previous:
            return
        changed = [
            name
            for name, value in facts.items()
            if value is not None and getattr(row, name) == getattr(observation, name) != value
        ]
        for name in changed:
            setattr(row, name, facts[name])
        if changed:
            row.save(update_fields=[*changed, "modified"])
    for name in changed:
        setattr(observation, name, facts[name])

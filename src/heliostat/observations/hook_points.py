from __future__ import annotations

from heliostat.hooks import hook_point
from heliostat.observations.models import ObservationRecord


@hook_point(
    events=("observations.observationrecord.updated",),
    arguments=lambda event: (event.instance, event.changes["status"][0]),
    condition=lambda event: "status" in event.changes,
    default="heliostat.observations.hooks.observation_change_state",
)
def observation_change_state(observation: ObservationRecord, previous_status: str) -> None:
    """Runs whenever an observation's state is updated, wherever that is done."""

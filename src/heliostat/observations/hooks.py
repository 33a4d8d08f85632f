"""What runs at this app's hook points where `HOOKS` names nothing else."""

from __future__ import annotations

import logging

from heliostat.observations.models import ObservationRecord

logger = logging.getLogger(__name__)


def observation_change_state(observation: ObservationRecord, previous_status: str) -> None:
    logger.info("Observation %s changed state from %s to %s", observation, previous_status, observation.status)

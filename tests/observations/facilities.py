"""Facilities that fail, for the tests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from heliostat.observations.facilities.simulated import SimulatedFacility
from heliostat.observations.facility import FacilityFile, FacilityState
from heliostat.observations.models import ObservationRecord
from heliostat.targets.models import Target


class Strict(SimulatedFacility):
    """Knows one observation, and refuses to be asked for others."""

    name = "Strict"

    def status(self, observation: ObservationRecord) -> FacilityState:
        if observation.facility != self.name:
            raise AssertionError("asked for another facility's observation")
        return FacilityState("SCHEDULED")


class Broken(SimulatedFacility):
    """Down."""

    name = "Broken"

    def submit(self, target: Target, parameters: Mapping[str, Any]) -> str:
        raise ConnectionError("the <b>dome</b> is closed")

    def status(self, observation: ObservationRecord) -> FacilityState:
        raise ConnectionError("the line is dead")


class Torn(SimulatedFacility):
    """Hands out one file, then an empty one, until it is mended."""

    name = "Torn"
    is_mended = False

    def data_products(self, observation: ObservationRecord) -> Iterator[FacilityFile]:
        yield FacilityFile("1", "../../one.csv", b"1")
        yield FacilityFile("2", "two.csv", b"2" if self.is_mended else b"")

"""Facilities: where observations are made. Inherit from `GenericObservationFacility` and name your class in
`TOM_FACILITY_CLASSES`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.core.checks import CheckMessage

from heliostat.console.classes import NamedClasses
from heliostat.exceptions import HeliostatError
from heliostat.observations.models import TERMINAL, ObservationRecord
from heliostat.targets.models import Target

BUNDLED = ("heliostat.observations.facilities.simulated.SimulatedFacility",)


class FacilityError(HeliostatError):
    """The facility cannot do what was asked; the message is shown to users."""


class UnknownFacility(FacilityError):
    """No class in the settings is this facility."""


@dataclass(frozen=True, slots=True)
class FacilityState:
    """The state of an observation at its facility."""

    status: str
    scheduled_start: datetime | None = None
    scheduled_end: datetime | None = None


@dataclass(frozen=True, slots=True)
class FacilityFile:
    """A file of an observation. `product_id` is its id at the facility, the same each time."""

    product_id: str
    filename: str
    content: bytes
    data_product_type: str = ""


class GenericObservationFacility(ABC):
    """Base class of facilities. It has no state: the record identifies the observation."""

    name: ClassVar[str]
    form: ClassVar[type[forms.Form]]
    terminal_states: ClassVar[frozenset[str]] = TERMINAL

    @abstractmethod
    def submit(self, target: Target, parameters: Mapping[str, Any]) -> str:
        """Submit an observation. Return its id at the facility. Raise `FacilityError` if it is refused."""

    @abstractmethod
    def status(self, observation: ObservationRecord) -> FacilityState:
        """Return the state of an observation."""

    def data_products(self, observation: ObservationRecord) -> Iterable[FacilityFile]:  # noqa: ARG002
        """Return the files of a completed observation."""
        return ()


facilities: NamedClasses[GenericObservationFacility] = NamedClasses(
    "TOM_FACILITY_CLASSES", GenericObservationFacility, "heliostat.observations", BUNDLED
)


def check_facilities(**_: object) -> list[CheckMessage]:
    """System check: `TOM_FACILITY_CLASSES` names facilities."""
    return facilities.check()


def get_facility(name: str) -> GenericObservationFacility:
    """The facility of this name. Raises `UnknownFacility` where no class in the settings has it."""
    try:
        return facilities.all()[name]()
    except KeyError:
        raise UnknownFacility(f"No class in TOM_FACILITY_CLASSES is the facility {name}.") from None

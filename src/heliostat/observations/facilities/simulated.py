"""A facility that needs no telescope: an exposure takes as long as it says, then there is a light curve."""

from __future__ import annotations

import csv
import io
import math
import random
import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from heliostat.observations.facility import FacilityFile, FacilityState, GenericObservationFacility
from heliostat.observations.models import ObservationRecord, ObservationStatus
from heliostat.targets.models import Target

LONGEST = 86400.0
MJD_0 = datetime(1858, 11, 17, tzinfo=UTC)
LAST_DAY = 60  # of a light curve, from its peak on


class SimulatedForm(forms.Form):
    exposure_time = forms.FloatField(
        label="Exposure time", min_value=0, max_value=LONGEST, initial=30, help_text="Seconds."
    )
    exposure_count = forms.IntegerField(label="Number of exposures", min_value=1, max_value=100, initial=1)
    filter = forms.ChoiceField(choices=[(band, band) for band in "griz"], initial="r")


class SimulatedFacility(GenericObservationFacility):
    """State follows from what was submitted and when, so that every process gives the same answer."""

    name = "Simulated"
    form = SimulatedForm

    def submit(self, target: Target, parameters: Mapping[str, Any]) -> str:  # noqa: ARG002
        return f"SIM-{uuid.uuid4().hex[:12]}"

    def status(self, observation: ObservationRecord) -> FacilityState:
        start = observation.scheduled_start or observation.created
        end = start + timedelta(seconds=duration(observation.parameters))
        is_over = timezone.now() >= end
        return FacilityState(ObservationStatus.COMPLETED if is_over else ObservationStatus.PENDING, start, end)

    def data_products(self, observation: ObservationRecord) -> Iterable[FacilityFile]:
        name = observation.target.name
        yield FacilityFile(
            product_id=f"{observation.observation_id}-lightcurve",
            filename=f"{name}_lightcurve.csv",
            content=light_curve(
                name, str(observation.parameters.get("filter", "r")), observation.scheduled_start or observation.created
            ),
            data_product_type="photometry",
        )


def duration(parameters: Mapping[str, Any]) -> float:
    """Seconds that an observation takes; one without parameters is over at once."""
    try:
        seconds = float(parameters.get("exposure_time", 0)) * int(parameters.get("exposure_count", 1))
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), LONGEST * 100) if math.isfinite(seconds) else 0.0


def light_curve(name: str, band: str, end: datetime) -> bytes:
    """Return photometry of a made-up transient until `end`: quick rise, slow fall. The same for the same name.

    The columns are `mjd` (modified Julian date, UTC), `filter`, `magnitude` and `magnitude_error`.
    """
    dice = random.Random(name)  # noqa: S311  no secret
    peak, rise, fall = dice.uniform(12, 18), dice.uniform(3, 8), dice.uniform(15, 40)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["mjd", "filter", "magnitude", "magnitude_error"])
    last = ((end if timezone.is_aware(end) else timezone.make_aware(end)) - MJD_0) / timedelta(days=1)
    for day in range(-10, LAST_DAY + 1, 2):
        faded = (day / rise) ** 2 if day < 0 else day / fall
        error = 0.01 * (1 + faded)
        table.writerow(
            [f"{last - LAST_DAY + day:.5f}", band, f"{peak + faded + dice.gauss(0, error):.3f}", f"{error:.3f}"]
        )
    return text.getvalue().encode()

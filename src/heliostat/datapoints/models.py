from __future__ import annotations

from typing import Any, ClassVar

from django.db import models

from heliostat.datapoints.arrays import FloatArrayField
from heliostat.datapoints.visibility import DataPointQuerySet
from heliostat.dataproducts.models import DataProduct
from heliostat.targets.models import Target

_COLLATIONS = {"postgresql": "C", "mysql": "utf8mb4_bin"}


class KeyTextField(models.CharField):  # type: ignore[type-arg]
    """Text of a key: empty where it is not known, and compared by its characters' codes ("r" is not "R")."""

    def __init__(self, *args: Any, **options: Any) -> None:
        options.setdefault("default", "")
        options.setdefault("blank", True)
        super().__init__(*args, **options)

    def db_parameters(self, connection: Any) -> Any:
        return {**super().db_parameters(connection), "collation": _COLLATIONS.get(connection.vendor)}


def _time() -> models.FloatField[Any, Any]:
    return models.FloatField(help_text="Modified Julian date, UTC, rounded to 1e-8 days.")


def _number(help_text: str) -> models.FloatField[Any, Any]:
    return models.FloatField(null=True, blank=True, help_text=help_text)


class DataPoint(models.Model):
    """What the tables of data points have in common.

    A source may state the same band and time more than once: `ordinal` counts such rows from 0.
    """

    kind: ClassVar[str]  # the `data_product_type` of files that hold such points
    heliostat_silent = True  # one event for each request that stores points, not one for each point

    target = models.ForeignKey(Target, models.CASCADE, related_name="%(class)s_set")
    product = models.ForeignKey(
        DataProduct,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="%(class)s_set",
        help_text="The file that this was read from.",
    )
    source = KeyTextField(max_length=200, help_text="Where this comes from: a file, survey, broker or catalogue.")
    telescope = KeyTextField(max_length=100)
    instrument = KeyTextField(max_length=100)
    ordinal = models.PositiveIntegerField(default=0)
    version = models.CharField(max_length=50, blank=True, default="", help_text="Version of the reduction.")
    created = models.DateTimeField(auto_now_add=True)
    modified = models.DateTimeField(auto_now=True)

    objects = DataPointQuerySet.as_manager()

    class Meta:
        abstract = True


class PhotometryPoint(DataPoint):
    """A brightness of a target, or a limit that it was fainter than."""

    kind = "photometry"

    band = KeyTextField(max_length=50)
    time = _time()
    magnitude = _number("Magnitude.")
    flux = _number("Flux, in `unit` or relative to `zero_point`.")
    error = _number("Standard error of the magnitude; where there is no magnitude, of the flux.")
    flux_error = _number("Standard error of the flux, where there is a magnitude, too.")
    limit = _number("Limiting magnitude.")
    zero_point = _number("Magnitude of a flux of 1.")
    system = models.CharField(max_length=20, blank=True, default="", help_text="Magnitude system: AB, Vega, …")
    unit = models.CharField(max_length=40, blank=True, default="", help_text="Unit of the flux.")

    class Meta:
        ordering = ("time", "id")
        constraints = [
            models.UniqueConstraint(
                fields=["target", "source", "band", "time", "telescope", "instrument", "ordinal"],
                name="heliostat_photometry_key",
            )
        ]
        indexes = [models.Index(fields=["target", "time"], name="heliostat_photometry_time")]

    def __str__(self) -> str:
        return f"{self.band} at {self.time}"


class AstrometryPoint(DataPoint):
    """A measured position of a target."""

    kind = "astrometry"

    band = KeyTextField(max_length=50)
    time = _time()
    ra = models.FloatField("right ascension", help_text="Degrees, ICRS.")
    dec = models.FloatField("declination", help_text="Degrees, ICRS.")
    ra_error = _number("Standard error, arcseconds, with cos(dec).")
    dec_error = _number("Standard error, arcseconds.")
    magnitude = _number("Magnitude.")

    class Meta:
        ordering = ("time", "id")
        constraints = [
            models.UniqueConstraint(
                fields=["target", "source", "band", "time", "telescope", "instrument", "ordinal"],
                name="heliostat_astrometry_key",
            )
        ]
        indexes = [models.Index(fields=["target", "time"], name="heliostat_astrometry_time")]

    def __str__(self) -> str:
        return f"{self.ra} {self.dec} at {self.time}"


UNKNOWN_TIME = -(10**15)
"""The `moment` of a spectrum whose time is not known. No time is so early."""


class Spectrum(DataPoint):
    """Fluxes of a target at wavelengths. The arrays have the same length."""

    kind = "spectroscopy"

    time = models.FloatField(
        null=True, blank=True, help_text="Modified Julian date, UTC, rounded to 1e-8 days; empty where not known."
    )
    moment = models.BigIntegerField(default=UNKNOWN_TIME, editable=False)  # the time in a key that has no NULL
    wavelength = FloatArrayField()
    flux = FloatArrayField()
    error = FloatArrayField(null=True, blank=True, help_text="Standard errors of the fluxes.")
    wavelength_unit = models.CharField(max_length=40, blank=True, default="Angstrom")
    flux_unit = models.CharField(max_length=60, blank=True, default="", help_text="Empty where not known.")

    class Meta:
        ordering = ("time", "id")
        verbose_name_plural = "spectra"
        constraints = [
            models.UniqueConstraint(
                fields=["target", "source", "moment", "telescope", "instrument", "ordinal"],
                name="heliostat_spectrum_key",
            )
        ]
        indexes = [models.Index(fields=["target", "time"], name="heliostat_spectrum_time")]

    def __str__(self) -> str:
        return f"Spectrum of {self.target} at {'an unknown time' if self.time is None else self.time}"

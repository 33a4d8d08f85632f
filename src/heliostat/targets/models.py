from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.urls import reverse

from heliostat.permissions import has_permission
from heliostat.targets.conf import target_settings
from heliostat.targets.coordinates import Position
from heliostat.targets.extras import TypedValue, declared_fields
from heliostat.targets.groupings import Tag, TargetList
from heliostat.targets.names import BytewiseField, FoldedName, Named, key_of
from heliostat.targets.rights import SharedTarget, TargetGroupRight, TargetUserRight
from heliostat.targets.workflow import check_classification, check_move, first_status
from heliostat.text import validate_name

__all__ = ["Tag", "Target", "TargetExtra", "TargetGroupRight", "TargetList", "TargetName", "TargetUserRight"]


def validate_finite(value: float) -> None:
    if not math.isfinite(value):
        raise ValidationError("This must be a finite number.", code="finite")


def validate_ra(value: float) -> None:
    if not 0 <= value < 360:  # noqa: PLR2004  a circle; NaN fails too
        raise ValidationError("Right ascension must be at least 0 and below 360 degrees.", code="ra")


def validate_dec(value: float) -> None:
    if not -90 <= value <= 90:  # noqa: PLR2004  pole to pole; NaN fails too
        raise ValidationError("Declination must be from -90 to 90 degrees.", code="dec")


def _number(
    verbose_name: str, help_text: str = "", *, low: float | None = None, high: float | None = None
) -> models.FloatField[Any, Any]:
    """A number that may be missing; `low` and `high` are the least and the greatest that it can be."""
    validators: list[Any] = [validate_finite]
    validators += [MinValueValidator(low)] if low is not None else []
    validators += [MaxValueValidator(high)] if high is not None else []
    return models.FloatField(verbose_name, null=True, blank=True, validators=validators, help_text=help_text)


def _angle(verbose_name: str, help_text: str = "Degrees.", high: float = 360) -> models.FloatField[Any, Any]:
    return _number(verbose_name, help_text, low=0, high=high)


def _date(verbose_name: str, help_text: str) -> models.FloatField[Any, Any]:
    """A modified Julian date. A Julian date, which is 2,400,000.5 days more, is out of its range."""
    return _number(verbose_name, help_text, low=-1_000_000, high=1_000_000)


ELEMENTS = ("scheme", "epoch_of_elements", "eccentricity", "inclination", "lng_asc_node", "arg_of_perihelion")
"""What each orbit needs."""
ELEMENTS_OF_SCHEME = {
    "MPC_MINOR_PLANET": ("semimajor_axis", "mean_anomaly"),
    "MPC_COMET": ("perihdist", "epoch_of_perihelion"),
    "JPL_MAJOR_PLANET": ("semimajor_axis", "mean_anomaly", "mean_daily_motion"),
}
"""What it needs beside, by scheme."""


class Target(SharedTarget):
    """An object in the sky: with a position, or with an orbit. No other target has its name, however it is written."""

    class Type(models.TextChoices):
        SIDEREAL = "SIDEREAL", "Sidereal"
        NON_SIDEREAL = "NON_SIDEREAL", "Non-sidereal"

    class Scheme(models.TextChoices):
        MPC_MINOR_PLANET = "MPC_MINOR_PLANET", "Minor planet (MPC)"
        MPC_COMET = "MPC_COMET", "Comet (MPC)"
        JPL_MAJOR_PLANET = "JPL_MAJOR_PLANET", "Major planet (JPL)"

    type = models.CharField(max_length=12, choices=Type, default=Type.SIDEREAL)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="targets")
    ra = models.FloatField(
        "right ascension", null=True, blank=True, validators=[validate_ra], help_text="Degrees, ICRS."
    )
    dec = models.FloatField("declination", null=True, blank=True, validators=[validate_dec], help_text="Degrees, ICRS.")
    epoch = _number("epoch", "Julian year of the position, up to 2100.", low=1000, high=2100)
    parallax = _number("parallax", "Milliarcseconds.", low=-1000, high=1000)
    pm_ra = _number(
        "proper motion in right ascension", "Milliarcseconds a year, with cos(dec).", low=-20_000, high=20_000
    )
    pm_dec = _number("proper motion in declination", "Milliarcseconds a year.", low=-20_000, high=20_000)
    distance = _number("distance", "Parsecs.", low=0)
    distance_err = _number("distance error", "Parsecs.", low=0)
    scheme = models.CharField("orbital element scheme", max_length=20, choices=Scheme, blank=True, default="")
    epoch_of_elements = _date("epoch of elements", "Modified Julian date.")
    eccentricity = _number("eccentricity", low=0, high=100)
    inclination = _angle("inclination", "Degrees, to the ecliptic of J2000.", high=180)
    lng_asc_node = _angle("longitude of the ascending node", "Degrees, J2000.")
    arg_of_perihelion = _angle("argument of perihelion", "Degrees, J2000.")
    semimajor_axis = _number(
        "semimajor axis", "Astronomical units; minor and major planets.", low=-1_000_000, high=1_000_000
    )
    mean_anomaly = _number("mean anomaly", "Degrees; minor and major planets.", low=-360, high=360)
    mean_daily_motion = _number("mean daily motion", "Degrees a day; major planets.", low=0, high=100)
    perihdist = _number("perihelion distance", "Astronomical units; comets.", low=0, high=1_000_000)
    epoch_of_perihelion = _date("epoch of perihelion", "Modified Julian date; comets.")
    abs_mag = _number("absolute magnitude", "Magnitude at 1 au from Sun and Earth: H, or M1.", low=-40, high=50)
    slope = _number("slope", "Parameter of the phase curve: G, or K1.", low=-10, high=100)
    ephemeris_period = _number("ephemeris period", "Days.", low=0)
    ephemeris_period_err = _number("ephemeris period error", "Days.", low=0)
    ephemeris_epoch = _number("ephemeris epoch", "Days.")
    ephemeris_epoch_err = _number("ephemeris epoch error", "Days.", low=0)
    status = models.CharField(max_length=50, blank=True, default=first_status)
    priority = models.PositiveSmallIntegerField(
        default=0, validators=[MaxValueValidator(10)], help_text="From 0 to 10; 10 is the most urgent."
    )
    classification = BytewiseField(max_length=200, blank=True, default="")
    tags = models.ManyToManyField(Tag, blank=True, related_name="targets")
    created = models.DateTimeField(auto_now_add=True)
    modified = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("-created", "-id")
        permissions = [("share_target", "Can share target")]
        indexes = [
            models.Index(fields=["dec", "ra"], name="heliostat_target_position"),
            models.Index(fields=["-created"], name="heliostat_target_created"),
            models.Index(fields=["name"], name="heliostat_target_name"),
            models.Index(fields=["status"], name="heliostat_target_status"),
            models.Index(fields=["priority"], name="heliostat_target_priority"),
            models.Index(fields=["classification"], name="heliostat_target_class"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ra__isnull=True) | models.Q(ra__gte=0, ra__lt=360),
                name="heliostat_target_ra",
            ),
            models.CheckConstraint(
                condition=models.Q(dec__isnull=True) | models.Q(dec__gte=-90, dec__lte=90),
                name="heliostat_target_dec",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("targets:detail", args=[self.pk])

    def folded_row(self) -> FoldedName:
        return FoldedName(folded=key_of(self.name), target_id=self.pk)

    def clean(self) -> None:
        """A target made by people has what its type needs; programs may fill it in later."""
        super().clean()
        missing = [name for name in self.required_fields() if getattr(self, name) in (None, "")]
        if missing:
            kind = self.get_type_display().lower()
            raise ValidationError(
                {name: ValidationError(f"A {kind} target needs this.", code="needed") for name in missing}
            )
        stored = type(self)._base_manager.filter(pk=self.pk).values_list("status", "classification").first()
        was = dict(zip(("status", "classification"), stored or (first_status(), ""), strict=True))
        _at("classification", check_classification, was["classification"], self.classification)
        if stored or self.status not in target_settings.statuses:
            _at("status", check_move, was["status"], self.status)

    def required_fields(self) -> tuple[str, ...]:
        """The fields that a target of this type, and orbital scheme, cannot be without."""
        if self.type != self.Type.NON_SIDEREAL:
            return ("ra", "dec")
        return (*ELEMENTS, *ELEMENTS_OF_SCHEME.get(self.scheme, ()))

    def editable_by(self, user: Any) -> bool:
        """Return whether a user may change it: see `heliostat.rights.backend`."""
        return has_permission(user, "change", Target, self)

    def deletable_by(self, user: Any) -> bool:
        """Return whether a user may delete it: see `heliostat.rights.backend`."""
        return has_permission(user, "delete", Target, self)

    @property
    def position(self) -> Position | None:
        """Its place on the sky, where it has one."""
        return None if self.ra is None or self.dec is None else Position(self.ra, self.dec)

    @property
    def sexagesimal(self) -> str:
        """`05:35:17.300 -05:23:28.00`, or nothing without a position."""
        return self.position.sexagesimal if self.position else ""


class TargetName(Named):
    """Another name of a target. No two targets share one, however it is written."""

    target = models.ForeignKey(Target, models.CASCADE, related_name="aliases")

    class Meta:
        ordering = ("id",)
        verbose_name = "alias"
        verbose_name_plural = "aliases"

    def __str__(self) -> str:
        return self.name

    def folded_row(self) -> FoldedName:
        return FoldedName(folded=key_of(self.name), target_id=self.target_id, alias_id=self.pk)

    def why_taken(self, holder: Any) -> str:
        return self.target.why_taken(holder)


class TargetExtra(TypedValue):
    """One more fact about a target, by key."""

    heliostat_expose = ("key",)  # the name of a value, no secret

    target = models.ForeignKey(Target, models.CASCADE, related_name="extras")
    key = models.CharField(max_length=100, validators=[validate_name])

    class Meta:
        ordering = ("id",)
        verbose_name = "extra"
        constraints = [models.UniqueConstraint(fields=["target", "key"], name="heliostat_target_extra_key")]
        indexes = [
            models.Index(fields=["key", "as_number", "target"], name="heliostat_extra_number"),
            models.Index(fields=["key", "as_date", "target"], name="heliostat_extra_date"),
            models.Index(fields=["key", "as_text", "target"], name="heliostat_extra_text"),
        ]

    def __str__(self) -> str:
        return f"{self.key}: {self.value}"

    def clean(self) -> None:
        """A field that the setting declares has a value of its type; programs may save another."""
        super().clean()
        if field := declared_fields().get(self.key):
            try:
                self.value = field.read(self.value)
            except ValidationError as error:
                raise ValidationError({"value": error}) from error


def _at(field: str, check: Callable[[str, str], None], before: str, after: str) -> None:
    """Let a check raise its error at a field."""
    try:
        check(before, after)
    except ValidationError as error:
        raise ValidationError({field: error}) from error

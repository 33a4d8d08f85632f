from __future__ import annotations

import math
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.urls import reverse

from heliostat.permissions import has_permission
from heliostat.targets.coordinates import Position
from heliostat.targets.names import FoldedName, Named, key_of
from heliostat.text import validate_name, validate_text


def validate_finite(value: float) -> None:
    if not math.isfinite(value):
        raise ValidationError("This must be a finite number.", code="finite")


def validate_ra(value: float) -> None:
    if not 0 <= value < 360:  # noqa: PLR2004  a circle; NaN fails too
        raise ValidationError("Right ascension must be at least 0 and below 360 degrees.", code="ra")


def validate_dec(value: float) -> None:
    if not -90 <= value <= 90:  # noqa: PLR2004  pole to pole; NaN fails too
        raise ValidationError("Declination must be from -90 to 90 degrees.", code="dec")


def _number(verbose_name: str, help_text: str = "") -> models.FloatField[Any, Any]:
    return models.FloatField(verbose_name, null=True, blank=True, validators=[validate_finite], help_text=help_text)


class Target(Named):
    """An object in the sky: with a position, or with an orbit. No other target has its name, however it is written."""

    class Type(models.TextChoices):
        SIDEREAL = "SIDEREAL", "Sidereal"
        NON_SIDEREAL = "NON_SIDEREAL", "Non-sidereal"

    class Scheme(models.TextChoices):
        MPC_MINOR_PLANET = "MPC_MINOR_PLANET", "Minor planet (MPC)"
        MPC_COMET = "MPC_COMET", "Comet (MPC)"

    type = models.CharField(max_length=12, choices=Type, default=Type.SIDEREAL)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="targets")
    ra = models.FloatField(
        "right ascension", null=True, blank=True, validators=[validate_ra], help_text="Degrees, ICRS."
    )
    dec = models.FloatField("declination", null=True, blank=True, validators=[validate_dec], help_text="Degrees, ICRS.")
    epoch = _number("epoch", "Julian year of the position.")
    parallax = _number("parallax", "Milliarcseconds.")
    pm_ra = _number("proper motion in right ascension", "Milliarcseconds a year, with cos(dec).")
    pm_dec = _number("proper motion in declination", "Milliarcseconds a year.")
    distance = _number("distance", "Parsecs.")
    scheme = models.CharField("orbital element scheme", max_length=20, choices=Scheme, blank=True, default="")
    epoch_of_elements = _number("epoch of elements", "Modified Julian date.")
    eccentricity = _number("eccentricity")
    inclination = _number("inclination", "Degrees.")
    lng_asc_node = _number("longitude of the ascending node", "Degrees.")
    arg_of_perihelion = _number("argument of perihelion", "Degrees.")
    semimajor_axis = _number("semimajor axis", "Astronomical units; minor planets.")
    mean_anomaly = _number("mean anomaly", "Degrees; minor planets.")
    perihdist = _number("perihelion distance", "Astronomical units; comets.")
    epoch_of_perihelion = _number("epoch of perihelion", "Modified Julian date; comets.")
    created = models.DateTimeField(auto_now_add=True)
    modified = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("-created", "-id")
        indexes = [
            models.Index(fields=["dec", "ra"], name="heliostat_target_position"),
            models.Index(fields=["-created"], name="heliostat_target_created"),
            models.Index(fields=["name"], name="heliostat_target_name"),
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

    def required_fields(self) -> tuple[str, ...]:
        """The fields that a target of this type, and orbital scheme, cannot be without."""
        if self.type != self.Type.NON_SIDEREAL:
            return ("ra", "dec")
        always = (
            "scheme",
            "epoch_of_elements",
            "eccentricity",
            "inclination",
            "lng_asc_node",
            "arg_of_perihelion",
        )
        if self.scheme == self.Scheme.MPC_COMET:
            return (*always, "perihdist", "epoch_of_perihelion")
        return (*always, "semimajor_axis", "mean_anomaly")

    def editable_by(self, user: Any) -> bool:
        """Return whether a user may change it: its owner, and users with the permission to change targets."""
        return self._is_owned_by(user) or has_permission(user, "change", Target, self)

    def deletable_by(self, user: Any) -> bool:
        """Return whether a user may delete it: its owner, and users with the permission to delete targets."""
        return self._is_owned_by(user) or has_permission(user, "delete", Target, self)

    def _is_owned_by(self, user: Any) -> bool:
        return self.owner_id is not None and self.owner_id == user.pk

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


class TargetExtra(models.Model):
    """One more fact about a target, by key."""

    heliostat_expose = ("key",)  # the name of a value, no secret

    target = models.ForeignKey(Target, models.CASCADE, related_name="extras")
    key = models.CharField(max_length=100, validators=[validate_name])
    value = models.TextField(blank=True, validators=[validate_text])

    class Meta:
        ordering = ("id",)
        verbose_name = "extra"
        constraints = [models.UniqueConstraint(fields=["target", "key"], name="heliostat_target_extra_key")]

    def __str__(self) -> str:
        return f"{self.key}: {self.value}"

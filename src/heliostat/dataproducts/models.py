from __future__ import annotations

import hashlib
from pathlib import PurePath
from typing import Any

from django.conf import settings
from django.core.exceptions import SuspiciousFileOperation
from django.db import models, transaction
from django.db.models import Q
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.urls import reverse
from django.utils.text import get_valid_filename

from heliostat.dataproducts.rights import DataProductGroupRight, DataProductUserRight
from heliostat.observations.models import ObservationRecord
from heliostat.rights.models import FOLLOWS, Guarded, Visibility
from heliostat.rights.visibility import VisibleQuerySet, is_own, own
from heliostat.targets.models import Target
from heliostat.text import clean_name, validate_name

__all__ = ["DataProduct", "DataProductGroupRight", "DataProductUserRight"]

LONGEST_NAME = 240  # bytes; file systems take 255, of which the storage uses a few to make a name unique
LONGEST_SUFFIX = 20  # bytes


def place_of(product: DataProduct, filename: str) -> str:
    """Where a file is kept: under its target, by a name that every file system takes. The storage makes it unique."""
    return f"dataproducts/{product.target_id}/{file_name(filename)}"


def file_name(filename: str) -> str:
    """Return the name of an uploaded or retrieved file without folders and hidden characters, cut to `LONGEST_NAME`."""
    try:
        name = get_valid_filename(clean_name(filename.replace("\\", "/").rpartition("/")[2]))
    except SuspiciousFileOperation:  # nothing is left of it
        return "data"
    suffix = PurePath(name).suffix
    if len(suffix.encode()) > LONGEST_SUFFIX:
        suffix = ""
    stem = name.removesuffix(suffix).encode()[: LONGEST_NAME - len(suffix.encode())]
    return stem.decode(errors="ignore") + suffix


def is_stored(file: Any) -> bool:
    """Return whether the storage has this file of a row, or it will get it when the row is saved."""
    return bool(file._committed)


def digest(file: Any) -> tuple[str, int | None]:
    """Return the SHA-256 of a file in hexadecimal digits, and its size in bytes; nothing where it is not there."""
    try:
        was_stored = is_stored(file)
        file.open("rb")
        found = hashlib.sha256()
        for chunk in file.chunks():
            found.update(chunk)
        size: int = file.size
        if was_stored:
            file.close()
        else:
            file.seek(0)
    except (OSError, ValueError):
        return "", None
    return found.hexdigest(), size


class DataProductGroup(models.Model):
    """Products that belong together, of any targets: a paper's, a night's."""

    name = models.CharField(max_length=200, unique=True, validators=[validate_name])
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class DataProduct(Guarded):
    """A file about a target: uploaded, or retrieved from the facility that observed it."""

    class Type(models.TextChoices):
        PHOTOMETRY = "photometry", "Photometry"
        SPECTROSCOPY = "spectroscopy", "Spectroscopy"
        ASTROMETRY = "astrometry", "Astrometry"
        FITS_FILE = "fits_file", "FITS file"
        IMAGE_FILE = "image_file", "Image"
        OTHER = "other", "Other"

        @classmethod
        def holding_points(cls) -> frozenset[str]:
            """Return the types whose files are read into tables of data points."""
            return frozenset({cls.PHOTOMETRY.value, cls.SPECTROSCOPY.value, cls.ASTROMETRY.value})

    target = models.ForeignKey(Target, models.CASCADE, related_name="data_products")
    observation_record = models.ForeignKey(
        ObservationRecord, models.SET_NULL, null=True, blank=True, related_name="data_products"
    )
    product_id = models.CharField(
        max_length=255, blank=True, default="", validators=[validate_name], help_text="The facility's id."
    )
    data = models.FileField(upload_to=place_of, max_length=400)
    data_product_type = models.CharField("type", max_length=50, choices=Type, blank=True, default="")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="data_products"
    )
    visibility = models.CharField(
        max_length=10,
        choices=Visibility,
        blank=True,
        default=FOLLOWS,
        help_text="Empty: as its observation, or its target.",
    )
    source = models.CharField(
        max_length=200,
        blank=True,
        default="",
        validators=[validate_name],
        help_text="Where the data comes from. A file with the same source corrects the points that are there.",
    )
    product_groups = models.ManyToManyField(DataProductGroup, blank=True, related_name="products")
    featured = models.BooleanField(default=False, help_text="Shown first among the target's products of this type.")
    checksum = models.CharField(max_length=64, blank=True, default="", editable=False, help_text="SHA-256 of the file.")
    size = models.BigIntegerField(null=True, blank=True, editable=False, help_text="Bytes.")
    problem = models.TextField(
        blank=True, default="", editable=False, help_text="Why the data in this file was not read."
    )
    created = models.DateTimeField(auto_now_add=True)
    modified = models.DateTimeField(auto_now=True)

    objects = VisibleQuerySet.as_manager()

    class Meta:
        permissions = [("share_dataproduct", "Can share data product")]
        ordering = ("-created", "-id")
        indexes = [models.Index(fields=["-created"], name="heliostat_product_created")]
        constraints = [
            models.UniqueConstraint(
                fields=["observation_record", "product_id"],
                condition=~models.Q(product_id=""),
                name="heliostat_product_once",
            )
        ]

    def __str__(self) -> str:
        return self.filename or self.product_id

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save it, with the checksum and the size of a file that it has not been saved with."""
        if self.data and (not self.checksum or not is_stored(self.data)):
            self.checksum, self.size = digest(self.data)
            if kwargs.get("update_fields") is not None:
                kwargs["update_fields"] = {*kwargs["update_fields"], "checksum", "size"}
        super().save(*args, **kwargs)

    @property
    def governing(self) -> Guarded:
        if self.visibility:
            return self
        return self.observation_record.governing if self.observation_record else self.target.governing

    @classmethod
    def visible(cls, user: Any, prefix: str = "") -> Q:
        """Return the condition that a user may view it: its target too, and where it has no visibility of its own, the
        observation that it comes from."""
        of_observation = own(ObservationRecord, user, f"{prefix}observation_record__", (FOLLOWS,))
        followed = Q(**{f"{prefix}observation_record__isnull": True}) | of_observation
        alone = own(cls, user, prefix) | (Q(**{f"{prefix}visibility": FOLLOWS}) & followed)
        return Target.visible(user, f"{prefix}target__") & alone

    def is_visible_to(self, user: Any) -> bool:
        if not self.target.is_visible_to(user):
            return False
        followed = self.observation_record is None or is_own(self.observation_record, user, (FOLLOWS,))
        return is_own(self, user, (FOLLOWS,) if followed else ())

    def get_absolute_url(self) -> str:
        return reverse("dataproducts:detail", args=[self.pk])

    @property
    def filename(self) -> str:
        return PurePath(self.data.name or "").name


@receiver(post_delete, sender=DataProduct, dispatch_uid="heliostat.dataproducts.delete_file")
def delete_file(instance: DataProduct, using: str, **_: Any) -> None:
    """A product's file goes with it, once that is committed."""
    if instance.data.name:
        storage, name = instance.data.storage, instance.data.name
        transaction.on_commit(lambda: storage.delete(name), using=using, robust=True)

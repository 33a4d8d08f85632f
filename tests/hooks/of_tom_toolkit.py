"""A module that was written for TOM Toolkit."""

from tom_targets.models import Target  # type: ignore[import-not-found]  # noqa: F401


def simple(vehicle, speed):
    pass

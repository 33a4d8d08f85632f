"""Hook points of a project's own."""

from typing import Any

from heliostat.hooks import hook_point


@hook_point
def vehicle_too_fast(vehicle: Any, speed: float) -> None:
    """Runs when a vehicle is measured above the limit."""


@hook_point
def vehicles_checked(vehicles: list[Any]) -> None:
    """Runs when several vehicles were checked."""


@hook_point(events=["example.vehicle.crashed"], arguments=lambda event: [event.instance])
def vehicle_crashed(vehicle: Any) -> None:
    """Runs when a vehicle crashed."""

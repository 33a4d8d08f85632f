"""What the benchmark saves: an ordinary object. Nothing of Heliostat here, for it is saved without Heliostat too."""

from __future__ import annotations

from django.db import models

PLAN = {"note": "x" * 580}  # makes the body of a webhook about 1 KiB


class Vehicle(models.Model):
    name = models.CharField(max_length=50)
    type = models.CharField(max_length=20, default="bus")
    speed = models.FloatField(default=0)
    seats = models.IntegerField(default=0)
    price = models.DecimalField(max_digits=10, decimal_places=2, null=True)
    plan = models.JSONField(default=dict)
    bought = models.DateTimeField(null=True)


def save_one(index: int) -> Vehicle:
    vehicle = Vehicle(name=f"bus {index}", plan=PLAN)
    vehicle.save()
    return vehicle

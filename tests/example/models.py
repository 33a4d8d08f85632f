"""Models of a project that uses Heliostat, as strange as real projects are."""

from __future__ import annotations

import uuid

from django.contrib.contenttypes.fields import GenericForeignKey
from django.db import models


class Depot(models.Model):
    name = models.CharField(max_length=50)


class Tag(models.Model):
    word = models.CharField(max_length=50, unique=True)


class Vehicle(models.Model):
    name = models.CharField(max_length=50)
    type = models.CharField(max_length=20, default="bus")
    speed = models.FloatField(default=0)
    seats = models.IntegerField(default=0)
    price = models.DecimalField(max_digits=10, decimal_places=2, null=True)
    plan = models.JSONField(default=dict)
    photo = models.FileField(blank=True)
    bought = models.DateTimeField(null=True)
    api_token = models.CharField(max_length=50, blank=True)
    depot = models.ForeignKey(Depot, models.CASCADE, null=True)
    tags = models.ManyToManyField(Tag, related_name="vehicles")

    def __str__(self) -> str:
        return self.name


class OldVehicle(Vehicle):
    class Meta:
        proxy = True


class Tram(Vehicle):
    line = models.IntegerField(default=1)


class Parcel(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    weight = models.IntegerField()


class Stop(models.Model):
    code = models.CharField(max_length=400, primary_key=True)
    name = models.CharField(max_length=50, blank=True)
    depot = models.ForeignKey(Depot, models.CASCADE, null=True)


class Door(models.Model):
    """A foreign key and a many-to-many relation to objects whose key is a secret."""

    name = models.CharField(max_length=50)
    opener = models.ForeignKey("authtoken.Token", models.SET_NULL, null=True, db_constraint=False)
    visitors = models.ManyToManyField("authtoken.Token", related_name="+", db_constraint=False)


class Badge(models.Model):
    """Its own key is a foreign key to such an object."""

    holder = models.OneToOneField("authtoken.Token", models.CASCADE, primary_key=True, db_constraint=False)
    colour = models.CharField(max_length=20)


class Note(models.Model):
    """A generic relation: to anything, to such an object too."""

    text = models.CharField(max_length=200)
    content_type = models.ForeignKey("contenttypes.ContentType", models.CASCADE, db_constraint=False)
    object_id = models.CharField(max_length=100)
    subject = GenericForeignKey("content_type", "object_id")

"""Models of a project that uses Heliostat, as strange as real projects are."""

from __future__ import annotations

import uuid

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.postgres.fields import ArrayField, DateTimeRangeField, IntegerRangeField
from django.contrib.postgres.functions import RandomUUID
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from tests.example.fields import (
    CodeField,
    ColourField,
    ExactDecoder,
    MoneyField,
    OwnUUIDField,
    ShoutedField,
    WrappingAutoField,
)


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


def _nobody() -> None:
    """Sets a reference when its object goes; a function, so Django sets it key by key."""


class Driver(models.Model):
    name = models.CharField(max_length=50)
    vehicle = models.ForeignKey(Vehicle, models.SET_NULL, null=True)
    spare = models.ForeignKey(Vehicle, models.SET(_nobody), null=True, related_name="spare_drivers")


class Status(models.TextChoices):
    NEW = "new", "new"
    OLD = "old", "old"


class Instrument(models.Model):
    colour = ColourField(max_length=50, null=True)
    cost = MoneyField(null=True)
    settings = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    count = models.IntegerField(default=0)
    serial = models.IntegerField(db_default=77)
    twice = models.GeneratedField(expression=models.F("count") * 2, output_field=models.IntegerField(), db_persist=True)


class Ticket(models.Model):
    id = models.IntegerField(primary_key=True, db_default=models.Value(4711))
    text = models.CharField(max_length=50)


class Narrow(models.Model):
    text = models.CharField(max_length=50)

    class Meta:
        managed = False
        db_table = "narrow"


class Line(models.Model):
    """Related by other columns than primary keys, through a model with columns of its own."""

    code = models.CharField(max_length=10, unique=True)
    stops: models.ManyToManyField[Crossing, Call] = models.ManyToManyField(
        "Crossing", through="Call", related_name="lines"
    )


class Crossing(models.Model):
    code = models.CharField(max_length=10, unique=True)
    lit = models.ManyToManyField(Tag, related_name="+")


class Call(models.Model):
    line = models.ForeignKey(Line, models.CASCADE, to_field="code")
    crossing = models.ForeignKey(Crossing, models.CASCADE, to_field="code")
    minute = models.IntegerField(default=0)


class Person(models.Model):
    name = models.CharField(max_length=50)
    friends = models.ManyToManyField("self")


class Seat(models.Model):
    pk = models.CompositePrimaryKey("row", "letter")
    row = models.IntegerField()
    letter = models.CharField(max_length=1)
    taken = models.BooleanField(default=False)


class Day(models.Model):
    date = models.DateField(primary_key=True)


class Fare(models.Model):
    amount = models.DecimalField(max_digits=6, decimal_places=2, primary_key=True)


class NightTram(Tram):
    """A grandchild."""

    bar = models.BooleanField(default=False)


class Conductor(models.Model):
    """A key that is another object's."""

    driver = models.OneToOneField(Driver, models.CASCADE, primary_key=True)


class Survey(models.Model):
    """Columns that only PostgreSQL has; a test makes the table."""

    bands = ArrayField(models.CharField(max_length=5), default=list)
    nights = ArrayField(models.DateField(), null=True)
    grid = ArrayField(ArrayField(models.IntegerField()), null=True)
    window = IntegerRangeField(null=True)
    season = DateTimeRangeField(null=True)

    class Meta:
        managed = False
        db_table = "example_survey"


class Odd(models.Model):
    """A key that its own field refuses."""

    id = WrappingAutoField(primary_key=True)
    name = models.CharField(max_length=50)


class Voucher(models.Model):
    """A key of a field that another package made of Django's."""

    id = OwnUUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=50)


class Coded(models.Model):
    """A key that accepts one spelling only."""

    code = CodeField(primary_key=True, max_length=10)
    name = models.CharField(max_length=50)


class Ledger(models.Model):
    amount = models.DecimalField(max_digits=30, decimal_places=2)
    entries = models.JSONField(default=list, decoder=ExactDecoder)
    label = ShoutedField(max_length=50, default="")


class Berth(models.Model):
    """Rows whose key is empty collide, too, where the database can; a test makes the table."""

    pier = models.CharField(max_length=5)
    number = models.IntegerField(null=True)
    ship = models.CharField(max_length=50, blank=True)

    class Meta:
        managed = False
        db_table = "example_berth"
        constraints = [models.UniqueConstraint(fields=["pier", "number"], nulls_distinct=False, name="one_berth")]


class Sighting(models.Model):
    """A key that PostgreSQL makes, in no order; a test makes the table."""

    id = models.UUIDField(primary_key=True, db_default=RandomUUID())
    text = models.CharField(max_length=50)

    class Meta:
        managed = False
        db_table = "example_sighting"

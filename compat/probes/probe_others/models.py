"""Models that use django-model-utils, django-simple-history, django-guardian and django-phonenumber-field together.

Their own tests are run by `make compat`; this is the part of them that `make test` runs.
"""

from __future__ import annotations

from django.db import models
from model_utils import Choices, FieldTracker
from model_utils.fields import MonitorField, StatusField
from model_utils.managers import InheritanceManager
from model_utils.models import SoftDeletableModel, StatusModel, TimeStampedModel, UUIDModel
from phonenumber_field.modelfields import PhoneNumberField
from simple_history.models import HistoricalRecords


class Person(TimeStampedModel):
    name = models.CharField(max_length=50)
    phone = PhoneNumberField(blank=True, region="NZ")
    tracker = FieldTracker()
    history = HistoricalRecords()

    class Meta:
        permissions = [("call_person", "Can call a person")]


class Employee(Person):
    number = models.IntegerField(default=0)
    tracker = FieldTracker()
    objects = InheritanceManager()


class Task(StatusModel):
    STATUS = Choices("new", "done")
    title = models.CharField(max_length=50)
    done_at = MonitorField(monitor="status", when=["done"], null=True, default=None)


class Team(models.Model):
    title = models.CharField(max_length=50)
    people = models.ManyToManyField(Person)
    history = HistoricalRecords(m2m_fields=["people"])


class Ticket(UUIDModel, SoftDeletableModel):
    state = StatusField(choices_name="STATES")
    STATES = Choices("open", "closed")

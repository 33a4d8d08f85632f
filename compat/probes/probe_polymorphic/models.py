"""Each kind of model that django-polymorphic offers."""

from __future__ import annotations

import uuid

from django.db import models
from polymorphic.managers import PolymorphicManager
from polymorphic.models import PolymorphicModel
from polymorphic.query import PolymorphicQuerySet


class Project(PolymorphicModel):
    topic = models.CharField(max_length=50)
    partners = models.ManyToManyField("Partner", related_name="projects")


class Partner(models.Model):
    name = models.CharField(max_length=50)
    lead = models.ForeignKey(Project, null=True, on_delete=models.SET_NULL, related_name="+")


class ArtProject(Project):
    artist = models.CharField(max_length=50)


class ResearchProject(Project):
    supervisor = models.CharField(max_length=50)


class DeepProject(ResearchProject):
    depth = models.IntegerField(default=0)


class ProxyProject(ArtProject):
    class Meta:
        proxy = True


class Note(models.Model):
    """Goes with the project, whatever kind it is."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="notes")
    text = models.CharField(max_length=50)


class NamedQuerySet(PolymorphicQuerySet):
    def named(self, name):
        return self.filter(name=name)


class Animal(PolymorphicModel):
    """With a UUID as key, and a manager of its own."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=50)
    objects = PolymorphicManager.from_queryset(NamedQuerySet)()


class Dog(Animal):
    barks = models.BooleanField(default=True)


class Plain(models.Model):
    """An abstract parent that is not polymorphic."""

    note = models.CharField(max_length=50, default="")

    class Meta:
        abstract = True


class Cat(Plain, Animal):
    lives = models.IntegerField(default=9)

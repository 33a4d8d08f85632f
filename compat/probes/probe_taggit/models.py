"""Each way in which django-taggit lets a model have tags."""

from __future__ import annotations

import uuid

from django.db import models
from taggit.managers import TaggableManager
from taggit.models import CommonGenericTaggedItemBase, GenericUUIDTaggedItemBase, ItemBase, TagBase, TaggedItemBase
from taggit.models import GenericTaggedItemBase as GenericBase


class Article(models.Model):
    """The manager as the documentation shows it."""

    title = models.CharField(max_length=50)
    tags = TaggableManager(blank=True)


class Photo(models.Model):
    """Shares its through model, taggit's own, with `Article`."""

    title = models.CharField(max_length=50)
    tags = TaggableManager()


class Report(Article):
    """Inherits the manager, with a table of its own."""

    pages = models.IntegerField(default=0)


class Draft(Article):
    """Inherits the manager, as a proxy."""

    class Meta:
        proxy = True


class TaggedFood(TaggedItemBase):
    """A through model of one model, with a foreign key to it."""

    content_object = models.ForeignKey("Food", on_delete=models.CASCADE)


class Food(models.Model):
    name = models.CharField(max_length=50)
    tags = TaggableManager(through=TaggedFood)


class Genre(TagBase):
    """A tag with a field of its own."""

    note = models.CharField(max_length=50, default="", blank=True)


class TaggedGenre(ItemBase):
    tag = models.ForeignKey(Genre, on_delete=models.CASCADE, related_name="items")
    content_object = models.ForeignKey("Film", on_delete=models.CASCADE)


class GenericGenre(GenericBase):
    """A generic through model with tags of another model, shared by two."""

    tag = models.ForeignKey(Genre, on_delete=models.CASCADE, related_name="generic_items")


class Film(models.Model):
    """Two managers on one model."""

    name = models.CharField(max_length=50)
    genres = TaggableManager(through=TaggedGenre, related_name="films")
    moods = TaggableManager(through=GenericGenre, related_name="mood_films")


class Book(models.Model):
    name = models.CharField(max_length=50)
    moods = TaggableManager(through=GenericGenre, related_name="mood_books")


class TaggedByUUID(GenericUUIDTaggedItemBase, TaggedItemBase):
    class Meta:
        pass


class Parcel(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    tags = TaggableManager(through=TaggedByUUID)


class TaggedByText(CommonGenericTaggedItemBase, TaggedItemBase):
    """A key of text."""

    object_id = models.CharField(max_length=50, db_index=True)


class Country(models.Model):
    code = models.CharField(max_length=2, primary_key=True)
    tags = TaggableManager(through=TaggedByText)

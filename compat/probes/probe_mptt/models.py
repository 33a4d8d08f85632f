"""Each kind of tree that django-mptt offers."""

from __future__ import annotations

import uuid

from django.db import models
from mptt.fields import TreeForeignKey, TreeManyToManyField, TreeOneToOneField
from mptt.managers import TreeManager
from mptt.models import MPTTModel


class Category(MPTTModel):
    name = models.CharField(max_length=50)
    parent = TreeForeignKey("self", null=True, blank=True, related_name="children", on_delete=models.CASCADE)

    def __str__(self):
        return self.name


class Ordered(MPTTModel):
    """Kept in the order of its names."""

    name = models.CharField(max_length=50)
    parent = TreeForeignKey("self", null=True, blank=True, related_name="children", on_delete=models.CASCADE)

    class MPTTMeta:
        order_insertion_by = ["name"]


class Renamed(MPTTModel):
    """With other names for the fields that mptt adds, and a UUID as key."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    title = models.CharField(max_length=50)
    above = TreeForeignKey("self", null=True, related_name="below", on_delete=models.CASCADE)

    class MPTTMeta:
        parent_attr = "above"
        left_attr, right_attr, tree_id_attr, level_attr = "l", "r", "t", "depth"


class Special(Category):
    """A child with a table of its own."""

    extra = models.CharField(max_length=50, default="")


class Alias(Category):
    class Meta:
        proxy = True


class CustomManager(TreeManager):
    def named(self, name):
        return self.get(name=name)


class Managed(MPTTModel):
    name = models.CharField(max_length=50)
    parent = TreeForeignKey("self", null=True, related_name="children", on_delete=models.SET_NULL)
    objects = CustomManager()


class Product(models.Model):
    """Points into trees by each field that mptt has."""

    name = models.CharField(max_length=50)
    category = TreeForeignKey(Category, null=True, on_delete=models.SET_NULL, related_name="products")
    others = TreeManyToManyField(Category, related_name="other_products")
    only = TreeOneToOneField(Ordered, null=True, on_delete=models.CASCADE)

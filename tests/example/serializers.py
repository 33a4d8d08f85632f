"""Serializers of a project, by Django REST framework, as careless as they are in the wild."""

from django.contrib.auth import get_user_model
from rest_framework import serializers

from tests.example.models import Parcel, Vehicle


class VehicleSerializer(serializers.ModelSerializer):
    loud_name = serializers.SerializerMethodField()

    class Meta:
        model = Vehicle
        fields = ("id", "name", "price", "depot", "loud_name")
        depth = 1

    def get_loud_name(self, vehicle):
        return vehicle.name.upper()


class UserSerializer(serializers.ModelSerializer):
    class Meta:
        model = get_user_model()
        fields = "__all__"


class BrokenSerializer(serializers.ModelSerializer):
    class Meta:
        model = Parcel
        fields = "__all__"

    def to_representation(self, instance):
        raise ZeroDivisionError("broken on purpose")


class NeedsArguments:
    def __init__(self, needed):
        self.needed = needed

    def to_representation(self, instance):
        return {}


NOT_A_CLASS = object()

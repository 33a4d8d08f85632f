"""A script that somebody left in an app: to import it is to run it."""

import os

from django.dispatch import Signal

os.environ["HELIOSTAT_TEST_SCRIPT_RAN"] = "yes"

signal = Signal()


class Serializer:
    def to_representation(self, instance):
        return {}

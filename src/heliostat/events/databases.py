"""In which database something is written. The routers are asked, never a constant: an alias that somebody read from may
be a replica, and `default` may be empty.
"""

from __future__ import annotations

from django.apps import apps
from django.db import models, router


def home() -> str:
    """Return the alias of the database that the routers name for the outbox: for what happens to no object."""
    # Not get_model(): a test may leave our apps out of INSTALLED_APPS, and we are still called.
    return router.db_for_write(apps.all_models["heliostat_outbox"]["event"])


def database_of(instance: models.Model) -> str:
    """Return the alias of the database where this object is written, wherever it was read."""
    return router.db_for_write(type(instance), instance=instance)

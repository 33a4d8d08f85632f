"""In which database something is written. The routers decide, never a constant: an alias that was read from may
be a replica, and `default` may be empty.
"""

from __future__ import annotations

import logging

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, models, router

logger = logging.getLogger("heliostat.events")

_answers: dict[type[models.Model], str] = {}
_raising: set[type[models.Model]] = set()


def home() -> str:
    """Return the alias of the database that the routers name for the outbox: for what happens to no object."""
    # Not get_model(): a test may leave our apps out of INSTALLED_APPS, and we are still called.
    return written_in(apps.all_models["heliostat_outbox"]["event"])


def written_in(model: type[models.Model]) -> str:
    """Return the alias of the database that the routers name for a model of Heliostat.

    The host's saves ask for it, which would not ask the routers about this model. So where a router raises, its last
    answer counts, or the default database; a system check (`heliostat.E036`) and the log say so.
    """
    try:
        answer = router.db_for_write(model)
    except Exception as error:
        if model not in _raising:
            _raising.add(model)
            logger.error(
                "a router raised %r when it was asked where to write %s; the database %r is used",
                error,
                model._meta.label,
                _answers.get(model, DEFAULT_DB_ALIAS),
            )
        return _answers.get(model, DEFAULT_DB_ALIAS)
    _answers[model] = answer
    return answer


def database_of(instance: models.Model) -> str:
    """Return the alias of the database where this object is written, wherever it was read."""
    return router.db_for_write(type(instance), instance=instance)

"""Work of capture in somebody's save, which calls code of fields: their errors cost the event, not the save."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from django.db import DatabaseError, InterfaceError, models
from django.db.transaction import TransactionManagementError

from heliostat.exceptions import HeliostatError

logger = logging.getLogger("heliostat.events")

T = TypeVar("T")
OF_THE_HOST = (DatabaseError, InterfaceError, HeliostatError)
"""Errors that end the change: the transaction is broken, or a subscriber refused."""


def attempt(model: type[models.Model], work: Callable[[], T], otherwise: T, but: tuple[type[Exception], ...] = ()) -> T:
    """Return what `work` returns, or `otherwise` where it raises: a field whose own code fails on a value of its own
    (a key that it cannot look up, for example). The error is logged; the change stands, without its event.

    Errors of the database and of subscribers, and those that `but` names, are raised. In a transaction that is broken
    already nothing can be read, and nothing will be committed: there is no event, and what is raised is the host's.
    """
    try:
        return work()
    except TransactionManagementError:
        return otherwise
    except Exception as error:
        if isinstance(error, (*OF_THE_HOST, *but)):
            raise
        logger.exception("A change of %s has no event: its row could not be read; see the error.", model._meta.label)
        return otherwise

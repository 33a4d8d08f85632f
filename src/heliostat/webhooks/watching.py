"""A thread of this process that looks for what other processes changed."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

from django.db import connections

from heliostat.conf import conf
from heliostat.delivery.worker import release_pooled
from heliostat.outbox.dialect import dialect_for

logger = logging.getLogger("heliostat.webhooks")

LONGEST_WAIT = 10.0  # seconds, while the database cannot be read

_watching: int | None = None
_at_start: dict[str, object] = {}
_guard = threading.Lock()


def _after_fork() -> None:
    """Threads do not come along into a child; another thread of the parent may have held the lock."""
    global _guard, _watching
    _guard, _watching = threading.Lock(), None


os.register_at_fork(after_in_child=_after_fork)


def remember_databases() -> None:
    """Note which databases the settings name when the project starts; not when its apps are ready again in a test."""
    for using in connections:
        _at_start.setdefault(using, connections.settings[using].get("NAME"))


def watch(look: Callable[[str], None], using: str) -> None:
    """Call `look(using)` every HELIOSTAT_HOOKS_REFRESH seconds in a thread of this process's own (once a process)."""
    global _watching  # noqa: PLW0603  a process is watched by one thread
    if _watching == os.getpid() or not _has_company(using):
        return
    with _guard:
        if _watching != os.getpid():
            _watching = os.getpid()
            threading.Thread(target=_watch, args=(look, using), name="heliostat-hooks", daemon=True).start()


def _has_company(using: str) -> bool:
    """Whether other processes may use the database: not one in memory, and not one that this process was switched to
    after it started, as test runners do, which drop it at the end."""
    if conf.hooks_refresh <= 0 or connections[using].settings_dict.get("NAME") != _at_start.get(using):
        return False
    return not dialect_for(using).is_in_memory


def _watch(look: Callable[[str], None], using: str) -> None:
    wait, failures = threading.Event(), 0
    while not wait.wait(min(conf.hooks_refresh * 2**failures, LONGEST_WAIT) if conf.hooks_refresh else 1.0):
        try:
            if not _has_company(using):  # a test runner has just given the process another database
                connections[using].close()
                continue
            look(using)
            failures = 0
            _release(using)
        except Exception as error:  # the database is away for a while; look again
            logger.debug("changed hooks cannot be read now: %s", error)
            failures = min(failures + 1, 10)
            connections[using].close()


def _release(using: str) -> None:
    """Keep no connection of a pool between two looks, and any other as long as a request would."""
    release_pooled()
    if connections[using].settings_dict.get("CONN_MAX_AGE"):
        connections[using].close_if_unusable_or_obsolete()

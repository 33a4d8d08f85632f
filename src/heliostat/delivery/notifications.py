"""Being woken by another process: PostgreSQL's LISTEN/NOTIFY, or a doorbell on the same machine."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from django.db import Error as DatabaseError
from django.db import connections

from heliostat.outbox.dialect import dialect_for
from heliostat.outbox.dialect.postgresql import CHANNEL
from heliostat.outbox.doorbell import Doorbell

logger = logging.getLogger("heliostat.delivery")

LOOK_UP = 0.5  # seconds between looks at whether to stop
RECONNECT = 1.0

Wake = Callable[[], None]


def listen_for_notifications(using: str, wake: Wake) -> Callable[[], None]:
    """Call `wake` whenever another process commits something; returns the function that ends it."""
    dialect = dialect_for(using)
    if dialect.has_notify:
        return _start(_listen, _own_connection(using), wake)
    if dialect.door is not None:
        try:
            return _start(_answer, Doorbell(dialect.door), wake)
        except OSError as error:
            logger.info("no doorbell (%s); polling", error)
    return lambda: None


def _own_connection(using: str) -> Any:
    """Return a connection that is kept for as long as the worker lives: never one of a pool, which has few."""
    connection = connections[using].copy()
    connection.settings_dict["OPTIONS"].pop("pool", None)
    return connection


def _start(work: Callable[[Any, Wake, threading.Event], None], what: Any, wake: Wake) -> Callable[[], None]:
    stopping = threading.Event()
    thread = threading.Thread(target=work, args=(what, wake, stopping), name="heliostat-listen", daemon=True)
    thread.start()

    def stop() -> None:
        stopping.set()
        thread.join()

    return stop


def _answer(bell: Doorbell, wake: Wake, stopping: threading.Event) -> None:
    try:
        while not stopping.is_set():
            if bell.wait(LOOK_UP):
                wake()
    finally:
        bell.close()


def _listen(connection: Any, wake: Wake, stopping: threading.Event) -> None:
    connection.inc_thread_sharing()
    while not stopping.is_set():
        try:
            _listen_once(connection, wake, stopping)
        except (DatabaseError, OSError, connection.Database.Error) as error:
            logger.info("not listening to PostgreSQL (%s); polling until it is back", str(error).strip())
            stopping.wait(RECONNECT)
        finally:
            connection.close()


def _listen_once(connection: Any, wake: Wake, stopping: threading.Event) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"LISTEN {CHANNEL}")
    wake()  # something may have been committed before anybody listened
    while not stopping.is_set():
        for _ in connection.connection.notifies(timeout=LOOK_UP):
            wake()

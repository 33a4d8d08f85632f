"""On a few threads of this process: the thread that makes the change does not wait.

What several threads commit while these are busy goes out together with the next callbacks. A process that ends finishes
what it has begun, and leaves the rest to a worker.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from django.db import close_old_connections

from heliostat.delivery.send_now import send_now
from heliostat.outbox.dispatch import AT_ONCE
from heliostat.webhooks.deliverers.base import HooksDeliverer

logger = logging.getLogger("heliostat.webhooks")

THREADS = 4  # each with a connection to the database


class BackgroundHooksDeliverer(HooksDeliverer):
    """Send all callbacks at once from threads of this process, without the element deliverer."""

    def deliver_hooks(self, callbacks: Sequence[int], using: str) -> None:
        global _sender  # noqa: PLW0603  one for each process: threads do not survive a fork
        with _guard:
            if _sender is None or _sender.process != os.getpid():
                _sender = _Sender()
        _sender.send_soon(callbacks, using)


class _Sender:
    """The threads of one process, and the callbacks that wait for them."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self._waiting: dict[str, list[int]] = {}
        self._free = THREADS
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="heliostat-send")

    def send_soon(self, callbacks: Sequence[int], using: str) -> None:
        """Send these soon. May be called from any thread."""
        with self._lock:
            self._waiting.setdefault(using, []).extend(callbacks)
            if self._free:
                self._begin(using)

    def _begin(self, using: str) -> None:
        with contextlib.suppress(RuntimeError):  # the process ends, and the pool takes nothing more
            self._pool.submit(self._send, using)
            self._free -= 1

    def _send(self, using: str) -> None:
        with self._lock:
            waiting = self._waiting[using]
            callbacks, self._waiting[using] = waiting[:AT_ONCE], waiting[AT_ONCE:]
        if callbacks:  # else they went out together with earlier ones
            close_old_connections()
            try:
                send_now(callbacks, using)
            except Exception:
                logger.exception("%d callbacks could not be sent; a worker sends them", len(callbacks))
            finally:
                close_old_connections()
        with self._lock:
            self._free += 1
            for alias in [alias for alias, more in self._waiting.items() if more][: self._free]:
                self._begin(alias)


_sender: _Sender | None = None
_guard = threading.Lock()

deliver_hooks_using_asyncio = BackgroundHooksDeliverer.deliver

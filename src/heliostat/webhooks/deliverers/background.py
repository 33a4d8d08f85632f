"""On an asyncio loop in the background of this process: whoever makes the change does not wait.

What several threads commit while an errand is on its way goes out together with the next one. A process that ends
finishes the errands that it has begun; what it had not begun is left to a worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from django.db import close_old_connections

from heliostat.delivery import courier
from heliostat.outbox.handover import AT_ONCE
from heliostat.webhooks.deliverers.base import HooksDeliverer

logger = logging.getLogger("heliostat.webhooks")

ERRANDS = 4  # at once, each with a thread and a connection to the database


class AsyncioHooksDeliverer(HooksDeliverer):
    """Sends from a loop of its own, all hooks at once; the element's deliverer is not asked."""

    def deliver_hooks(self, callbacks: Sequence[int], using: str) -> None:
        _dispatcher().hand_in(callbacks, using)


class Dispatcher:
    """The loop of one process, on a thread of its own: no other loop is touched, wherever the change is made."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self._handed_in: dict[str, list[int]] = {}
        self._free = asyncio.Semaphore(ERRANDS)
        self._pool = ThreadPoolExecutor(ERRANDS, thread_name_prefix="heliostat-errand")
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="heliostat-asyncio", daemon=True).start()

    def hand_in(self, callbacks: Sequence[int], using: str) -> None:
        """Send these soon. May be called from any thread, also from one that runs a loop."""
        asyncio.run_coroutine_threadsafe(self._send(list(callbacks), using), self._loop)

    async def _send(self, callbacks: list[int], using: str) -> None:
        self._handed_in.setdefault(using, []).extend(callbacks)
        async with self._free:
            waiting = self._handed_in[using]
            together, self._handed_in[using] = waiting[:AT_ONCE], waiting[AT_ONCE:]
            if together:  # else an earlier errand took them along
                with contextlib.suppress(RuntimeError):  # the process ends: a worker will tell them
                    await self._loop.run_in_executor(self._pool, _run_errand, together, using)


def _run_errand(callbacks: list[int], using: str) -> None:
    close_old_connections()
    try:
        courier.send(callbacks, using)
    except Exception:
        logger.exception("%d callbacks could not be sent; a worker will tell them", len(callbacks))
    finally:
        close_old_connections()


_known: Dispatcher | None = None
_guard = threading.Lock()


def _dispatcher() -> Dispatcher:
    """This process's own: a loop does not survive a fork."""
    global _known  # noqa: PLW0603  one for each process
    with _guard:
        if _known is None or _known.process != os.getpid():
            _known = Dispatcher()
        return _known


deliver_hooks_using_asyncio = AsyncioHooksDeliverer.deliver

"""What wakes a sleeping thread."""

from __future__ import annotations

from contextlib import suppress
from queue import Empty, SimpleQueue


class Bell:
    """Rung from any thread, and from a signal handler of the very thread that waits.

    `threading.Event` takes a lock for either: a signal that comes in between would wait for itself, and for ever.
    """

    def __init__(self) -> None:
        self._rings: SimpleQueue[None] = SimpleQueue()

    def ring(self) -> None:
        if self._rings.empty():  # one is as good as many
            self._rings.put(None)

    def wait(self, seconds: float) -> None:
        """Until somebody rings, or has rung since the last time; at most so long."""
        with suppress(Empty):
            self._rings.get(timeout=seconds)
            while True:
                self._rings.get_nowait()

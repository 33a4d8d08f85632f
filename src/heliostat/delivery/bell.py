"""What wakes a sleeping thread."""

from __future__ import annotations

from contextlib import suppress
from threading import Lock


class Bell:
    """Rung from any thread, and from a signal handler of the very thread that waits.

    `threading.Event` takes a lock for either: a signal that comes in between would wait for itself, and for ever. Here
    is the lock alone: held while nobody rang, let go by whoever rings, and taken by whoever waited.
    """

    def __init__(self) -> None:
        self._silence = Lock()
        self._silence.acquire()

    def ring(self) -> None:
        with suppress(RuntimeError):  # somebody rang already: one is as good as many
            self._silence.release()

    def wait(self, seconds: float) -> None:
        """Until somebody rings, or has rung since the last time; at most so long."""
        self._silence.acquire(timeout=seconds)

"""How long to wait before the next attempt."""

from __future__ import annotations

import random

from heliostat.conf import conf


def wait_before_next(attempts: int, asked: float | None = None) -> float:
    """Seconds until the attempt after `attempts` failed ones: exponential, with jitter of ±20 %.

    `asked` is what a receiver's `Retry-After` said; it is obeyed between our own wait and the longest one, because
    a receiver may slow us down but not stop us.
    """
    longest = float(conf.retry_longest)
    try:
        wait = min(longest, conf.retry_first * conf.retry_factor ** max(0, attempts - 1))
    except OverflowError:
        wait = longest
    if asked is not None:
        return max(wait, min(asked, longest))
    return wait * random.uniform(0.8, 1.2)  # noqa: S311  spreads load; no secret

"""From a section of `EVENT_LISTENERS`, or an entry of `HELIOSTAT_QUEUES`, to a queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from heliostat.queues.base import Queue
from heliostat.queues.kind import register
from heliostat.queues.options import Options


def loader(queue: Callable[[Options], Queue]) -> Callable[..., Queue]:
    """Return the `load_from_config(config, prefix)` of a module with this class of queues."""

    def load_from_config(config: Any, prefix: str = "") -> Queue:
        """Return the queue with these settings. Raise `ConfigurationError` where one is not valid."""
        register()
        options = Options.of_section(config.get_settings(), prefix)
        made = queue(options)
        options.check_all_read()
        return made

    return load_from_config

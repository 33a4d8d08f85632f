"""A log line for each event. Use it as `heliostat.listeners.log`.

Settings: `logger` (default: `heliostat.listeners.log`), `level` (default: INFO), `text` (a template, see
`heliostat.listeners.texts`).
"""

from __future__ import annotations

import logging

from heliostat.exceptions import ConfigurationError
from heliostat.listeners.base import ListenerBase, ListenerEvent
from heliostat.listeners.config import Config
from heliostat.listeners.texts import check_template, facts_of, fill
from heliostat.suggestions import did_you_mean

TEXT = "{action} {uri} ({objects}) by {user_id} {changes}"


class LogListener(ListenerBase):
    """Writes one line, in which no object's name adds another."""

    def __init__(self, logger: logging.Logger, level: int, text: str) -> None:
        self.logger = logger
        self.level = level
        self.text = text

    def __call__(self, event: ListenerEvent) -> None:
        if self.logger.isEnabledFor(self.level):
            line = fill(self.text, facts_of(event)).strip()
            self.logger.log(self.level, "%s", line, extra={"event_id": str(event.event.id)})


def load_from_config(config: Config, prefix: str = "") -> LogListener:
    """Return the log listener with these settings. Raise `ConfigurationError` if they are not valid."""
    settings = config.get_settings()
    name = str(settings.get(prefix + "level", "INFO")).upper()
    levels = logging.getLevelNamesMapping()
    if name not in levels:
        raise ConfigurationError(f"`level` is {name!r}; it can be {', '.join(levels)}.{did_you_mean(name, levels)}")
    logger = logging.getLogger(str(settings.get(prefix + "logger", __name__)))
    return LogListener(logger, levels[name], check_template(settings.get(prefix + "text", TEXT), settings, prefix))

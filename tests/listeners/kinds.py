"""A module as a package of another kind of subscribers has it: what it builds is delivered to, not called."""

from __future__ import annotations

from typing import Any


class Mailbox:
    """A subscriber of the kind `mailbox`."""

    subscriber_kind = "mailbox"

    def __init__(self, address: str) -> None:
        self.address = address


def load_from_config(config: Any, prefix: str = "") -> Mailbox:
    return Mailbox(config.get_settings()[prefix + "address"])

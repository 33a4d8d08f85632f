"""A listener as a document would teach it."""

from __future__ import annotations

from typing import Any

from heliostat.listeners import ListenerBase, aslist

heard: list[Any] = []


class Listener(ListenerBase):
    def __init__(self, words: list[str]) -> None:
        self.words = words

    def __call__(self, event: Any) -> None:
        heard.append((self.words, event))


def load_from_config(config: Any, prefix: str = "") -> Listener:
    settings = config.get_settings()
    return Listener(aslist(settings[prefix + "words"]))

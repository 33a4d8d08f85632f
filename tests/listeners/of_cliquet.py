"""A listener as the document has it, whose import root was not changed yet."""

from cliquet.listeners import ListenerBase  # type: ignore[import-not-found]  # noqa: F401


def load_from_config(config, prefix=""):
    raise NotImplementedError

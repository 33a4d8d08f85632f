"""astropy, which is imported when a file first needs it, and never asks the network."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from heliostat.dataproducts.problems import InvalidData


def astropy_module(name: str) -> Any:
    """Return a module of astropy. Raise `InvalidData` where the extra `data` is not installed.

    astropy's table of the Earth's rotation is bundled. It is never downloaded, and its age is no error: without this,
    astropy raises of each table that is older than 30 days.
    """
    try:
        iers = import_module("astropy.utils.iers")
        module = import_module(name)
    except ImportError as error:
        raise InvalidData(f"Files of this format need astropy: pip install 'heliostat[data]' ({error}).") from error
    iers.conf.auto_download = False
    iers.conf.auto_max_age = None
    return module

"""Code hooks: Python functions that subscribe to events."""

from heliostat.hooks.points import hook_point
from heliostat.hooks.run import run_hook

__all__ = ["hook_point", "run_hook"]

from __future__ import annotations

from heliostat.hooks import hook_point
from heliostat.targets.models import Target


@hook_point(
    events=("targets.target.created", "targets.target.updated"),
    arguments=lambda event: (event.instance, event.action == "created"),
    default="heliostat.targets.hooks.target_post_save",
)
def target_post_save(target: Target, created: bool) -> None:
    """Runs after a target is created or updated, once for each save, by a page or by a program.

    Aliases and extras that were saved in the same `batch()` are there.
    """

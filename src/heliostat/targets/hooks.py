"""What runs at this app's hook points where `HOOKS` names nothing else."""

from __future__ import annotations

import logging

from heliostat.targets.models import Target

logger = logging.getLogger(__name__)


def target_post_save(target: Target, created: bool) -> None:
    """Log that a target was created or updated: the default of this hook point."""
    logger.info("Target %s was %s", target, "created" if created else "updated")

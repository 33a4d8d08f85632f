"""Nobody imports this, and to import it runs nothing but definitions; a hook may name its signal."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from django.dispatch import Signal

if TYPE_CHECKING:
    from tests.example.models import Vehicle

logger = logging.getLogger(__name__)
LIMIT: int = 3
departed: Signal = Signal()


def depart(vehicle: Vehicle) -> None:
    departed.send(sender=type(vehicle), instance=vehicle)


if __name__ == "__main__":
    raise SystemExit("this is no script")

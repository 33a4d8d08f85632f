from __future__ import annotations

from heliostat.alerts.brokers.alerce.broker import ALeRCEBroker

__all__ = ["ALeRCEBroker"]

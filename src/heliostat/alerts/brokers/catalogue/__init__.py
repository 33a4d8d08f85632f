from __future__ import annotations

from heliostat.alerts.brokers.catalogue.broker import CatalogueBroker

__all__ = ["CatalogueBroker"]

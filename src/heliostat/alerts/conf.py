"""The settings of this app, in one place. A project may leave them all out."""

from __future__ import annotations

from django.conf import settings

BUNDLED_BROKERS = (
    "heliostat.alerts.brokers.catalogue.CatalogueBroker",
    "heliostat.alerts.brokers.alerce.ALeRCEBroker",
)


def alert_limit() -> int:
    """How many alerts of a query are taken at most (`TOM_ALERT_LIMIT`); a broker may send without end."""
    return int(getattr(settings, "TOM_ALERT_LIMIT", 100))


def alert_deadline() -> float:
    """Seconds that a query may take (`TOM_ALERT_DEADLINE`)."""
    return float(getattr(settings, "TOM_ALERT_DEADLINE", 15.0))


def alerce_url() -> str:
    """Where ALeRCE answers (`TOM_ALERCE_URL`)."""
    return str(getattr(settings, "TOM_ALERCE_URL", "https://api.alerce.online/ztf/v1")).rstrip("/")

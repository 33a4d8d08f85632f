"""The settings of this app. A project may leave them all out."""

from __future__ import annotations

from heliostat.conf import Setting, Settings, address, number

BUNDLED_BROKERS = (
    "heliostat.alerts.brokers.catalogue.CatalogueBroker",
    "heliostat.alerts.brokers.alerce.ALeRCEBroker",
)


class AlertSettings(Settings):
    """Times are in seconds."""

    limit = Setting(100, "Alerts that are taken of a query, at most.", number(1, int), name="TOM_ALERT_LIMIT")
    deadline = Setting(15.0, "Time that a query may take.", number(0), name="TOM_ALERT_DEADLINE")
    alerce_url = Setting(
        "https://api.alerce.online/ztf/v1", "Address of the API of ALeRCE.", address, name="TOM_ALERCE_URL"
    )


alert_settings = AlertSettings()

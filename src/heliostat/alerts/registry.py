"""The brokers of this project: the classes that `TOM_ALERT_CLASSES` names."""

from __future__ import annotations

from django.core.checks import CheckMessage

from heliostat.alerts.alerts import BrokerError, GenericBroker
from heliostat.alerts.conf import BUNDLED_BROKERS
from heliostat.console.classes import NamedClasses

brokers: NamedClasses[GenericBroker] = NamedClasses(
    "TOM_ALERT_CLASSES", GenericBroker, "heliostat.alerts", BUNDLED_BROKERS
)


def check_brokers(**_: object) -> list[CheckMessage]:
    """System check: `TOM_ALERT_CLASSES` names brokers."""
    return brokers.check()


def get_broker(name: str) -> type[GenericBroker]:
    """Return the class of the broker of this name. Raises `BrokerError` where the settings name none."""
    try:
        return brokers.all()[name]
    except KeyError:
        raise BrokerError(
            f"There is no broker {name} (any more): no class in TOM_ALERT_CLASSES has this name."
        ) from None

"""System checks of what webhooks may reach."""

from __future__ import annotations

from ipaddress import ip_network

from django.conf import settings
from django.core.checks import CheckMessage, Warning

from heliostat.conf import conf

LOOPBACK = tuple(map(ip_network, ("127.0.0.0/8", "0.0.0.0/8", "::1/128", "::/128", "::ffff:127.0.0.0/104")))


def check_loopback(**_: object) -> list[CheckMessage]:
    """System check for deployment: without DEBUG, webhooks do not reach services of this machine."""
    if settings.DEBUG:
        return []
    open_ones = [text for text in conf.allow_networks if _reaches_loopback(text)]
    if not open_ones:
        return []
    return [
        Warning(
            f"HELIOSTAT_ALLOW_NETWORKS lets webhooks reach services of this machine itself: {', '.join(open_ones)}.",
            hint="Remove what holds a loopback address. Those who may create webhooks could talk to databases and "
            "admin ports here.",
            id="heliostat.W062",
        )
    ]


def _reaches_loopback(text: str) -> bool:
    try:
        network = ip_network(text)
    except ValueError:  # heliostat.E001 says so
        return False
    return any(network.version == one.version and network.overlaps(one) for one in LOOPBACK)

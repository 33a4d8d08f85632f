"""The network guard: which addresses webhooks may reach.

It is asked where a socket is opened, so it sees the concrete address that is dialled, whatever spelling, DNS answer
or redirect led there. The table is our own: `ipaddress.is_global` calls several of these addresses global.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from django.conf import settings
from django.core.checks import CheckMessage, Warning

from heliostat.conf import conf

Network = IPv4Network | IPv6Network

FORBIDDEN: dict[str, str] = {
    "0.0.0.0/8": "this network, RFC 791",
    "10.0.0.0/8": "private, RFC 1918",
    "100.64.0.0/10": "carrier-grade NAT, RFC 6598",
    "127.0.0.0/8": "loopback, RFC 1122",
    "169.254.0.0/16": "link-local and cloud metadata, RFC 3927",
    "172.16.0.0/12": "private, RFC 1918",
    "192.0.0.0/24": "protocol assignments, RFC 6890",
    "192.0.2.0/24": "documentation, RFC 5737",
    "192.31.196.0/24": "AS112, RFC 7535",
    "192.52.193.0/24": "AMT, RFC 7450",
    "192.88.99.0/24": "6to4 relays, RFC 7526",
    "192.168.0.0/16": "private, RFC 1918",
    "192.175.48.0/24": "AS112, RFC 7534",
    "198.18.0.0/15": "benchmarking, RFC 2544",
    "198.51.100.0/24": "documentation, RFC 5737",
    "203.0.113.0/24": "documentation, RFC 5737",
    "224.0.0.0/4": "multicast, RFC 5771",
    "240.0.0.0/4": "reserved and broadcast, RFC 1112",
    "168.63.129.16/32": "a cloud's host services",
    "::/128": "unspecified, RFC 4291",
    "::1/128": "loopback, RFC 4291",
    "::/96": "IPv4-compatible, RFC 4291",
    "::ffff:0:0/96": "IPv4-mapped, RFC 4291",
    "::ffff:0:0:0/96": "SIIT, RFC 2765",
    "64:ff9b::/96": "NAT64, RFC 6052",
    "64:ff9b:1::/48": "local NAT64, RFC 8215",
    "100::/64": "discard, RFC 6666",
    "100:0:0:1::/64": "dummy prefix, RFC 9780",
    "2001::/23": "protocol assignments with Teredo and ORCHID, RFC 2928, 4380, 7343",
    "2001:db8::/32": "documentation, RFC 3849",
    "2002::/16": "6to4, RFC 3056",
    "2620:4f:8000::/48": "AS112, RFC 7534",
    "3fff::/20": "documentation, RFC 9637",
    "5f00::/16": "segment routing, RFC 9602",
    "fc00::/7": "unique local, RFC 4193",
    "fe80::/10": "link-local, RFC 4291",
    "fec0::/10": "site-local, RFC 3879",
    "ff00::/8": "multicast, RFC 4291",
}
LOOPBACK = tuple(map(ip_network, ("127.0.0.0/8", "0.0.0.0/8", "::1/128", "::/128", "::ffff:127.0.0.0/104")))
ISATAP = (0x00005EFE, 0x02005EFE)  # RFC 5214: these 32 bits, then an IPv4 address, end an IPv6 address

_TABLE: tuple[tuple[Network, str], ...] = tuple((ip_network(key), why) for key, why in FORBIDDEN.items())


def why_forbidden(address: str) -> str | None:
    """Return why this address must not be reached; None where it may."""
    try:
        concrete = ip_address(address.partition("%")[0])
    except ValueError:
        return "not an address"
    if any(concrete in network for network in _allowed(tuple(conf.allow_networks))):
        return None
    for network, why in _TABLE:
        if concrete in network:
            return why
    if isinstance(concrete, IPv6Address) and (int(concrete) >> 32) & 0xFFFFFFFF in ISATAP:
        return "ISATAP, RFC 5214"
    return None


@cache
def _allowed(networks: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(map(ip_network, networks))


def check_loopback(**_: object) -> list[CheckMessage]:
    """System check for deployment: without DEBUG, webhooks do not reach services of this machine."""
    allowed = []
    for text in () if settings.DEBUG else conf.allow_networks:
        with suppress(ValueError):  # heliostat.E001 says so
            network = ip_network(text)
            if any(network.version == one.version and network.overlaps(one) for one in LOOPBACK):
                allowed.append(text)
    if not allowed:
        return []
    return [
        Warning(
            f"HELIOSTAT_ALLOW_NETWORKS lets webhooks reach services of this machine itself: {', '.join(allowed)}.",
            hint="Remove what holds a loopback address. Those who may create webhooks could talk to databases and "
            "admin ports here.",
            id="heliostat.W062",
        )
    ]

"""The network guard: no private or reserved address is reached, however it is written."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError

from heliostat.delivery.guard import FORBIDDEN, why_forbidden
from heliostat.outbox.models import Attempt, Callback
from heliostat.testing import Receiver, drain_outbox
from heliostat.webhooks.models import Hook
from tests.example.models import Vehicle


@pytest.fixture(autouse=True)
def nothing_allowed(settings: Any) -> None:
    settings.HELIOSTAT_ALLOW_NETWORKS = []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0", "224.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "::1", "::", "::ffff:127.0.0.1",
        "::ffff:8.8.8.8", "::ffff:0:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::",
        "2001::1", "2001:0:53aa:64c::1", "fe80::1", "fe80::1%eth0", "fec0::1", "fc00::1", "fd12::1", "ff02::1",
        "2001:db8::1", "100::1", "2a00:1450::5efe:7f00:1", "2a00:1450::200:5efe:7f00:1", "nonsense",
    ],
)  # fmt: skip
def test_private_and_reserved_addresses_are_forbidden(address: str) -> None:
    assert why_forbidden(address) is not None


@pytest.mark.parametrize(
    ("first", "last", "why"),
    [
        ("0.0.0.0", "0.255.255.255", "this network"),
        ("10.0.0.0", "10.255.255.255", "private, RFC 1918"),
        ("100.64.0.0", "100.127.255.255", "carrier-grade NAT"),
        ("127.0.0.0", "127.255.255.255", "loopback"),
        ("169.254.0.0", "169.254.255.255", "link-local and cloud metadata"),
        ("172.16.0.0", "172.31.255.255", "private, RFC 1918"),
        ("192.0.0.0", "192.0.0.255", "protocol assignments"),
        ("192.0.2.0", "192.0.2.255", "documentation"),
        ("192.31.196.0", "192.31.196.255", "AS112, RFC 7535"),
        ("192.52.193.0", "192.52.193.255", "AMT"),
        ("192.88.99.0", "192.88.99.255", "6to4 relays"),
        ("192.168.0.0", "192.168.255.255", "private, RFC 1918"),
        ("192.175.48.0", "192.175.48.255", "AS112, RFC 7534"),
        ("198.18.0.0", "198.19.255.255", "benchmarking"),
        ("198.51.100.0", "198.51.100.255", "documentation"),
        ("203.0.113.0", "203.0.113.255", "documentation"),
        ("224.0.0.0", "239.255.255.255", "multicast"),
        ("240.0.0.0", "255.255.255.255", "reserved and broadcast"),
        ("168.63.129.16", "168.63.129.16", "a cloud's host services"),
        ("::", "::", "unspecified"),
        ("::1", "::1", "loopback"),
        ("::2", "::ffff:ffff", "IPv4-compatible"),
        ("::ffff:0:0", "::ffff:ffff:ffff", "IPv4-mapped"),
        ("::ffff:0:0:0", "::ffff:0:ffff:ffff", "SIIT"),
        ("64:ff9b::", "64:ff9b::ffff:ffff", "NAT64, RFC 6052"),
        ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "local NAT64"),
        ("100::", "100::ffff:ffff:ffff:ffff", "discard"),
        ("100:0:0:1::", "100::1:ffff:ffff:ffff:ffff", "dummy prefix"),
        ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "Teredo and ORCHID"),
        ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "documentation"),
        ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "6to4, RFC 3056"),
        ("2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff", "AS112, RFC 7534"),
        ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "documentation"),
        ("5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "segment routing"),
        ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "unique local"),
        ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "link-local"),
        ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "site-local"),
        ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast"),
    ],
)
def test_a_range_is_forbidden_from_its_first_address_to_its_last_for_its_own_reason(
    first: str, last: str, why: str
) -> None:
    for address in (first, last):
        assert why in (why_forbidden(address) or "allowed"), address
    assert len(FORBIDDEN) == 38, "a new row has a line here"


@pytest.mark.parametrize(
    "address",
    [
        "1.0.0.0", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
        "169.253.255.255", "169.255.0.0", "172.15.255.255", "191.255.255.255", "192.0.1.0", "192.0.3.0",
        "192.31.195.255", "192.31.197.0", "192.52.192.255", "192.52.194.0", "192.88.98.255", "192.88.100.0",
        "192.167.255.255", "192.169.0.0", "192.175.47.255", "192.175.49.0", "198.17.255.255", "198.20.0.0",
        "198.51.99.255", "198.51.101.0", "203.0.112.255", "203.0.114.0", "223.255.255.255", "168.63.129.15",
        "168.63.129.17", "64:ff9a::1", "64:ff9b::1:0:0", "64:ff9b:2::", "100:0:0:2::", "2001:200::", "2001:db9::",
        "2003::", "2620:4f:8001::", "3fff:1000::", "5f01::", "fbff::", "fe7f::",
    ],
)  # fmt: skip
def test_what_lies_beside_a_range_is_reached(address: str) -> None:
    assert why_forbidden(address) is None


@pytest.mark.parametrize("address", ["8.8.8.8", "172.32.0.1", "93.184.216.34", "2a00:1450:4001::1", "2606:4700::1111"])
def test_public_addresses_are_reached(address: str) -> None:
    assert why_forbidden(address) is None


def test_each_row_of_the_table_says_where_it_is_written() -> None:
    assert all("RFC" in why or "cloud" in why for why in FORBIDDEN.values())


def test_a_setting_allows_a_network_of_one_s_own(settings: Any) -> None:
    settings.HELIOSTAT_ALLOW_NETWORKS = ["10.1.0.0/16"]
    assert why_forbidden("10.1.2.3") is None
    assert why_forbidden("10.2.2.3") is not None


def hook(url: str) -> Hook:
    return Hook.objects.create(model=ContentType.objects.get_for_model(Vehicle), target=url)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://2130706433/", "http://0x7f.1/", "http://127.1/", "http://017700000001/",
        "http://[::1]/", "http://[::ffff:127.0.0.1]/", "http://localhost:8000/", "http://a.localhost/",
        "http://user:pass@example.com/", "http://user@example.com/", "ftp://example.com/", "file:///etc/passwd",
        "gopher://example.com/", "//example.com/", "example.com", "http://", "http:///path", "http://example.com:port/",
        "http://exa mple.com/", "http://example.com/\n", "http://" + "a" * 256 + ".com/", "http://[::1/", "",
    ],
)  # fmt: skip
def test_a_hook_cannot_be_saved_with_an_address_that_must_not_be_called(url: str) -> None:
    with pytest.raises(ValidationError):
        hook(url)


@pytest.mark.django_db(transaction=True)
def test_a_name_that_leads_to_a_private_address_is_refused_at_the_dial(receiver: Receiver, settings: Any) -> None:
    settings.HELIOSTAT_ALLOW_NETWORKS = ["127.0.0.0/8"]
    hook(receiver.url)
    settings.HELIOSTAT_ALLOW_NETWORKS = []  # as if DNS had been changed since it was saved
    Vehicle.objects.create(name="55")
    assert drain_outbox() == {"retry": 1}
    assert receiver.deliveries == []
    assert "address refused: loopback" in Callback.objects.get().status_details
    assert "127.0.0.1" not in Attempt.objects.get().response


@pytest.mark.django_db(transaction=True)
def test_a_proxy_of_the_environment_is_not_used(receiver: Receiver, settings: Any, monkeypatch: Any) -> None:
    settings.HELIOSTAT_ALLOW_NETWORKS = ["127.0.0.0/8"]
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9/")
    hook(receiver.url)
    Vehicle.objects.create(name="55")
    assert drain_outbox() == {"sent": 1}


@pytest.mark.django_db(transaction=True)
def test_redirects_are_not_followed(receiver: Receiver, settings: Any) -> None:
    from heliostat.testing import Answer

    settings.HELIOSTAT_ALLOW_NETWORKS = ["127.0.0.0/8"]
    receiver.answers = [Answer(302, {"Location": "http://169.254.169.254/latest/meta-data/"})]
    hook(receiver.url)
    Vehicle.objects.create(name="55")
    assert drain_outbox() == {"retry": 1}
    assert Callback.objects.get().status_details == "302 Found"

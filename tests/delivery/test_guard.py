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

"""Addresses that are not what they seem: refused when a hook is saved, and when one is dialled all the same."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from heliostat.outbox.models import Attempt, Callback
from heliostat.testing import Receiver, drain_outbox
from heliostat.webhooks.models import Hook
from heliostat.webhooks.targets import check_target
from tests.example.models import Vehicle
from tests.faults.servers import OK, RawServer, hook_to, saying
from tests.faults.steering import Steering, steered_names

HERE = [
    "http://127.0.0.1:{port}/", "http://2130706433:{port}/", "http://0x7f.1:{port}/", "http://127.1:{port}/",
    "http://0177.0.0.1:{port}/", "http://017700000001:{port}/", "http://0x7f000001:{port}/", "http://127.0.0.1.:{port}/",
    "http://0:{port}/", "http://0.0.0.0:{port}/", "http://[::]:{port}/", "http://[::1]:{port}/", "http://[0::0:1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/", "http://[::ffff:7f00:1]:{port}/", "http://[::127.0.0.1]:{port}/",
    "http://[::1%25lo]:{port}/", "http://[::1%lo]:{port}/", "http://localhost:{port}/", "http://a.localhost:{port}/",
    "http://localhost.:{port}/", "http://LOCALHOST:{port}/", "http://%31%32%37.0.0.1:{port}/",
    "http://127.0.0.1%00.tom.example:{port}/", "http://127。0。0。1:{port}/", "http://①②⑦.⓪.⓪.①:{port}/",
    "http://user@127.0.0.1:{port}/", "http://tom.example@127.0.0.1:{port}/", "http://tom.example\\@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\@tom.example/", "http://tom.example#@127.0.0.1:{port}/", "http:/127.0.0.1:{port}/",
    "http:///127.0.0.1:{port}/", "http:127.0.0.1:{port}/", "//127.0.0.1:{port}/", "127.0.0.1:{port}",
    "ftp://127.0.0.1:{port}/", "gopher://127.0.0.1:{port}/_POST", "dict://127.0.0.1:{port}/", "ws://127.0.0.1:{port}/",
    "telnet://127.0.0.1:{port}/", "file://127.0.0.1/etc/passwd", "file:///etc/passwd", "http://127.0.0.1:{port}0/",
    "http://127.0.0.1:99999/", "http://127.0.0.1:-1/", "http://127.0.0.1: {port}/", "http://127.0.0.1:{port}/\r\nX: y",
    "http://{long}:{port}/", "http://{label}.example:{port}/", "http://.:{port}/", "http://a..b:{port}/", "\x00", "",
]  # fmt: skip
OWN_BUSINESS = {"http://tom.example#@127.0.0.1:{port}/"}  # this one is tom.example's, for who reads it


def spelled(url: str, port: int) -> str:
    return url.format(port=port, long="a" * 256, label="a" * 64)


@pytest.fixture
def dns() -> Iterator[Steering]:
    with steered_names() as steering:
        for name in ("localhost", "a.localhost", "localhost.", "tom.example"):
            steering.lead(name, "127.0.0.1")
        yield steering


@pytest.mark.parametrize("url", [url for url in HERE if url not in OWN_BUSINESS])
def test_it_is_refused_when_a_hook_is_saved(url: str, settings: Any) -> None:
    settings.HELIOSTAT_ALLOW_NETWORKS = []
    with pytest.raises(ValidationError):
        check_target(spelled(url, 8000))


@pytest.mark.django_db(transaction=True)
def test_it_is_refused_when_it_is_dialled(dns: Steering, settings: Any) -> None:
    settings.HELIOSTAT_ALLOW_NETWORKS = []
    server = RawServer(
        saying(OK), listening=socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    )
    hooks = [hook_as_another_program_writes_it(spelled(url, server.port)) for url in HERE]
    Vehicle.objects.create(name="55")
    drain_outbox()
    server.close()
    attempts = {one.callback.subscriber: one for one in Attempt.objects.select_related("callback")}
    notified = {hook.target_url: attempts[hook.subscriber] for hook in hooks}
    assert {url: one.outcome for url, one in notified.items() if one.outcome not in ("retry", "give_up")} == {}
    assert {url: one.response for url, one in notified.items() if one.response} == {}
    assert all(one.error for one in notified.values())
    assert server.connections == 0


def hook_as_another_program_writes_it(url: str) -> Hook:
    """Nobody has looked at it."""
    hook = hook_to("https://8.8.8.8/")
    QuerySet(Hook).filter(pk=hook.pk).update(target_url=url)
    hook.refresh_from_db()
    return hook


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/", "http://example.com", "HTTPS://Example.COM:8443/a/b?c=d#e", "https://example.com./",
        "https://xn--bcher-kva.example/", "https://under_score.example/", "https://8.8.8.8/", "https://3com.example/",
        "https://[2606:4700::1111]:443/", "https://example.com/%C3%BC?q=%20", f"https://{'a' * 63}.example/",
    ],
)  # fmt: skip
def test_a_public_address_may_be_saved(url: str, settings: Any) -> None:
    settings.HELIOSTAT_ALLOW_NETWORKS = []
    check_target(url)


def test_a_name_that_is_not_ascii_is_refused_with_its_ascii_form() -> None:
    with pytest.raises(ValidationError, match=r"xn--bcher-kva\.example"):
        check_target("https://bücher.example/")


def test_a_path_that_is_not_ascii_is_refused_with_what_to_do() -> None:
    with pytest.raises(ValidationError, match="percent"):
        check_target("https://example.com/bücher")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"])
def test_a_proxy_of_the_environment_is_not_used(receiver: Receiver, monkeypatch: Any, variable: str) -> None:
    with Receiver() as proxy:
        monkeypatch.setenv(variable, proxy.url)
        hook_to(receiver.url)
        Vehicle.objects.create(name="55")
        assert drain_outbox() == {"sent": 1}
        assert proxy.deliveries == []


@pytest.mark.django_db(transaction=True)
def test_a_netrc_of_the_user_is_not_read(receiver: Receiver, monkeypatch: Any, tmp_path: Any) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login ada password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    hook_to(receiver.url)
    Vehicle.objects.create(name="55")
    drain_outbox()
    assert "Authorization" not in receiver.deliveries[0].headers
    assert Callback.objects.get().status == "sent"

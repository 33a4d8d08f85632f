"""`heliostat serve` towards clients: large, slow, and from elsewhere; and a project that goes into production."""

from __future__ import annotations

import re
import socket
import time
from pathlib import Path

import pytest
import requests
from tests.cli.running import Running, manage, run, running

from heliostat.cli import limits

pytestmark = pytest.mark.slow

QUICK = "\nfrom heliostat.cli import limits\nlimits.GRACE, limits.IDLE, limits.CONNECTIONS = 1.0, 2, 12\n"


def port_of(server: Running) -> int:
    return int(server.wait_for(r"http://127\.0\.0\.1:(\d+)/ ")[1])


def with_settings(project: Path, text: str) -> None:
    settings = project / "mytom/settings.py"
    settings.write_text(settings.read_text("utf-8") + text, "utf-8")


def ended_after(connection: socket.socket, *, every: float, send: bytes, at_most: float) -> float:
    """Send a byte now and then until the server closes the connection; give the seconds that it took."""
    begin = time.monotonic()
    connection.settimeout(every)
    while time.monotonic() - begin < at_most:
        try:
            if not connection.recv(1000):
                break
        except TimeoutError:
            try:
                connection.sendall(send)
            except OSError:
                break
        except OSError:
            break
    return time.monotonic() - begin


def test_a_request_that_drips_is_ended_while_others_are_answered(mytom: Path) -> None:
    with_settings(mytom, QUICK)
    with running("serve", "--port", "0", "--no-worker", cwd=mytom) as server:
        port = port_of(server)
        heads = (b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        for head in heads:
            with socket.create_connection(("127.0.0.1", port)) as slow:
                slow.sendall(head)
                assert requests.get(f"http://127.0.0.1:{port}/", timeout=10).status_code == 200
                assert ended_after(slow, every=0.2, send=b"a", at_most=20) < 15
        assert server.stop() == 0


def test_many_slow_clients_do_not_keep_others_out_for_long(mytom: Path) -> None:
    with_settings(mytom, QUICK)
    with running("serve", "--port", "0", "--no-worker", cwd=mytom) as server:
        port = port_of(server)
        slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(30)]
        for connection in slow:
            connection.sendall(b"GET / HTTP/1.1\r\nX: ")
        assert requests.get(f"http://127.0.0.1:{port}/", timeout=30).status_code == 200
        for connection in slow:
            connection.close()
        assert server.stop() == 0


def test_an_upload_at_an_ordinary_rate_is_not_slow() -> None:
    class Request:
        header_bytes_received, body_bytes_received = 200, 0

    class Channel:
        request, will_close = Request(), False

    channel, slow = Channel(), limits.SlowClients()
    slow.close([channel])
    slow._began[channel.request] -= 3600
    Request.body_bytes_received = 100 * 1024 * 1024  # an hour for 100 MiB
    slow.close([channel])
    assert not channel.will_close
    Request.body_bytes_received = 100_000
    slow.close([channel])
    assert channel.will_close


def test_a_body_that_is_too_large_is_refused_unread(mytom: Path) -> None:
    with running("serve", "--port", "0", "--no-worker", "--max-body", "1", cwd=mytom) as server:
        port = port_of(server)
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(b"POST /accounts/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 413 ")
        chunks = (b"x" * 100_000 for _ in range(20))
        try:
            status = requests.post(f"http://127.0.0.1:{port}/accounts/login/", data=chunks, timeout=20).status_code
        except requests.ConnectionError:  # closed while we went on sending
            status = 413
        assert status == 413
        assert (
            requests.post(f"http://127.0.0.1:{port}/accounts/login/", data=b"x" * 1000, timeout=10).status_code == 403
        )
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("host", "debug", "warned"), [("0.0.0.0", "1", True), ("127.0.0.1", "1", False), ("0.0.0.0", "0", False)]
)
def test_serve_warns_where_others_reach_a_site_with_debug(mytom: Path, host: str, debug: str, warned: bool) -> None:
    environment = {"HELIOSTAT_DEBUG": debug, "HELIOSTAT_HTTPS": "0"}
    with running("serve", "--host", host, "--port", "0", "--no-worker", cwd=mytom, env=environment) as server:
        port_of(server)
        assert server.stop() == 0
    assert ("warning: DEBUG is on" in server.output) is warned


def test_serve_says_that_pages_redirect_to_https_and_works_behind_a_proxy(mytom: Path) -> None:
    with running("serve", "--port", "0", "--no-worker", cwd=mytom, env={"HELIOSTAT_DEBUG": "0"}) as server:
        address = f"http://127.0.0.1:{port_of(server)}/"
        forged = {"X-Forwarded-Proto": "https"}
        assert requests.get(address, headers=forged, allow_redirects=False, timeout=10).status_code == 301
        assert server.stop() == 0
    assert "every page redirects" in server.output
    options = ("--port", "0", "--no-worker", "--proxy", "127.0.0.1")
    with running("serve", *options, cwd=mytom, env={"HELIOSTAT_DEBUG": "0"}) as server:
        address = f"http://127.0.0.1:{port_of(server)}/"
        assert requests.get(address, headers=forged, allow_redirects=False, timeout=10).status_code == 200
        assert server.stop() == 0
    assert "every page redirects" not in server.output


def test_a_new_project_is_ready_for_production_once_debug_is_off(mytom: Path) -> None:
    for options in (
        {"HELIOSTAT_DEBUG": "0"},
        {"HELIOSTAT_DEBUG": "false", "HELIOSTAT_ALLOWED_HOSTS": "tom.example.org"},
    ):
        checked = run("check", "--deploy", "--fail-level", "DEBUG", cwd=mytom, env=options)
        assert (checked.returncode, checked.stderr) == (0, ""), checked.stderr
    assert manage("check", "--fail-level", "DEBUG", cwd=mytom).returncode == 0
    code = "from django.conf import settings as s; print(s.DEBUG, s.SECURE_SSL_REDIRECT, s.HELIOSTAT_ALLOW_NETWORKS)"
    shown = [run("shell", "-c", code, cwd=mytom, env={"HELIOSTAT_DEBUG": value}).stdout for value in ("1", "0")]
    assert "True False ['127.0.0.0/8', '::1/128']" in shown[0]
    assert "False True []" in shown[1]


def test_hosts_are_named_with_commas_and_any_blanks_between_them(mytom: Path) -> None:
    code = "from django.conf import settings as s; print(s.ALLOWED_HOSTS)"
    shown = run("shell", "-c", code, cwd=mytom, env={"HELIOSTAT_ALLOWED_HOSTS": "a.example.org, b.example.org,"}).stdout
    assert "['a.example.org', 'b.example.org']" in shown


def test_a_check_of_deployment_reminds_of_loopback(mytom: Path) -> None:
    with_settings(mytom, "\nHELIOSTAT_ALLOW_NETWORKS = ['10.0.0.0/8', '127.0.0.0/8', '::/0']\n")
    checked = run("check", "--deploy", "--fail-level", "WARNING", cwd=mytom, env={"HELIOSTAT_DEBUG": "0"})
    assert checked.returncode == 1
    (line,) = re.findall(r".*heliostat\.W062.*", checked.stderr)
    assert line.endswith("services of this machine itself: 127.0.0.0/8, ::/0.")
    assert run("check", "--deploy", cwd=mytom).stderr.count("W062") == 0
    assert run("check", cwd=mytom, env={"HELIOSTAT_DEBUG": "0"}).stderr == ""

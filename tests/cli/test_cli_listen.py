"""`heliostat listen`: what a developer sees of the webhooks that arrive."""

from __future__ import annotations

import json
import signal
import socket
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import requests
from standardwebhooks.webhooks import Webhook
from tests.cli.running import Running, run, running

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"type": "targets.target.created", "object": {"name": "M31"}}'


def address(listener: Running) -> str:
    return listener.wait_for(r"Listening on (\S+)")[1]


def send(url: str, identifier: str = "msg_1", secret: str = SECRET, body: str = BODY) -> requests.Response:
    now = datetime.now(UTC)
    headers = {
        "webhook-id": identifier,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret).sign(identifier, now, body),
    }
    return requests.post(url + "hooks/1", data=body, headers=headers, timeout=5)


def test_a_delivery_is_printed_with_its_signature_checked(tmp_path: Path) -> None:
    with running("listen", "--port", "0", "--secret", SECRET, "--count", "1", cwd=tmp_path) as listener:
        assert send(address(listener)).status_code == 200
        assert listener.process.wait(10) == 0
    for words in (
        "POST /hooks/1  answered: 200",
        "id         msg_1",
        "signature  verified",
        "event      targets.target.created",
        '"name": "M31"',
    ):
        assert words in listener.output
    assert "seen before" not in listener.output
    assert "\033[" not in listener.output  # not a terminal, no colour


def test_fail_and_times_show_a_retry_with_the_same_id(tmp_path: Path) -> None:
    options = ("--fail", "503", "--times", "2", "--retry-after", "1", "--count", "3")
    with running("listen", "--port", "0", "--secret", SECRET, *options, cwd=tmp_path) as listener:
        url = address(listener)
        answers = [send(url) for _ in range(3)]
        assert listener.process.wait(10) == 0
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert [answer.headers.get("Retry-After") for answer in answers] == ["1", "1", None]
    assert "(seen before, 2nd time)" in listener.output
    assert "(seen before, 3rd time)" in listener.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_drop_closes_without_an_answer(tmp_path: Path, number: int) -> None:
    with running("listen", "--port", "0", "--drop", "--times", "1", cwd=tmp_path) as listener:
        url = address(listener)
        with pytest.raises(requests.ConnectionError):
            send(url)
        assert send(url).status_code == 200
        listener.wait_for("answered: no answer")
        listener.wait_for("signature  not checked")
        assert listener.stop(number) == 0


def test_a_late_answer_leaves_before_the_command_ends(tmp_path: Path) -> None:
    with running("listen", "--port", "0", "--delay", "0.5", "--count", "1", cwd=tmp_path) as listener:
        url = address(listener)
        begin = time.monotonic()
        assert send(url).status_code == 200
        assert time.monotonic() - begin >= 0.5
        assert listener.process.wait(10) == 0


def test_a_wrong_signature_is_shown_and_makes_the_command_fail(tmp_path: Path) -> None:
    with running("listen", "--port", "0", "--secret", SECRET, "--count", "1", cwd=tmp_path) as listener:
        send(address(listener), secret="whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0")
        assert listener.process.wait(10) == 1
    assert "signature  WRONG" in listener.output


def test_json_gives_one_line_for_each_delivery(tmp_path: Path) -> None:
    with running("listen", "--port", "0", "--json", "--count", "2", cwd=tmp_path) as listener:
        url = address(listener)
        for body in (BODY, "no JSON"):
            send(url, body=body)
        assert listener.process.wait(10) == 0
    first, second = map(json.loads, listener.output.splitlines()[1:])  # the address went to stderr
    assert (first["id"], first["times_seen"], first["body"]["object"]) == ("msg_1", 1, {"name": "M31"})
    assert (second["times_seen"], second["body"], second["verified"]) == (2, "no JSON", None)


def test_a_long_body_is_cut(tmp_path: Path) -> None:
    with running("listen", "--port", "0", "--count", "1", cwd=tmp_path) as listener:
        send(address(listener), body=json.dumps(list(range(1000))))
        listener.process.wait(10)
    assert "lines more (--json shows all)" in listener.output
    assert len(listener.output.splitlines()) < 45


def test_until_idle_ends_by_itself(tmp_path: Path) -> None:
    result = run("listen", "--port", "0", "--until-idle", "0.3", cwd=tmp_path, timeout=10)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_port_in_use_and_a_wrong_status_are_explained(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = run("listen", "--port", str(taken.getsockname()[1]), cwd=tmp_path)
    assert result.returncode == 1
    assert "Address already in use" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    for option, value in (
        ("--fail", "no"),
        ("--fail", "1000"),
        ("--port", "65536"),
        ("--count", "0"),
        ("--delay", "-1"),
        ("--host", "a..b"),
    ):
        result = run("listen", option, value, cwd=tmp_path)
        assert result.returncode == 2
        assert f"argument {option}: '{value}' is no" in result.stderr
    assert run("listen", "--secret", "not a secret", "--port", "0", cwd=tmp_path).returncode == 2


def test_what_arrives_cannot_drive_the_terminal_or_forge_a_line(tmp_path: Path) -> None:
    bodies = (
        '{"type": "x\\u001b[2J\\n  signature  verified\\u202e", "name": "\\u009b31m\\ud800"}',
        "no JSON\x1b]0;title\x07\r  signature  verified\n  signature  verified\u2028",
        "[" * 100_000,
    )
    with running("listen", "--port", "0", "--secret", SECRET, "--count", "3", cwd=tmp_path) as listener:
        url = address(listener)
        for body in bodies:
            headers = {"webhook-id": "msg\x1b[1A\x9b"}
            requests.post(f"{url}%1b\x9b?\u202e", data=body.encode(), headers=headers, timeout=5)
        with socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2].strip("/")))) as raw:
            raw.sendall(b"POST /\x1b[2J\xe2\x80\xae HTTP/1.1\r\nwebhook-id: a\x1bc\r\nContent-Length: 0\r\n\r\n")
            raw.settimeout(5)
            raw.recv(100)
        listener.process.wait(10)
    assert not set(listener.output) & {"\x1b", "\x9b", "\x07", "\r", "\u202e", "\u2028"}
    assert "\n  signature  verified" not in listener.output
    assert r"event      x\u001b[2J\n  signature  verified\u202e" in listener.output

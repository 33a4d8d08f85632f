"""`heliostat demo`: the main job in one command, as a process."""

from __future__ import annotations

import re
import signal
import stat
import sys
import time
from pathlib import Path

import pytest
from tests.cli.browser import Browser
from tests.cli.running import free_port, run, running


def test_once_notifies_everybody_and_leaves_nothing_behind(tmp_path: Path) -> None:
    begin = time.monotonic()
    result = run("demo", "--once", cwd=tmp_path, env={"TMPDIR": str(tmp_path)})
    assert result.returncode == 0, result.stdout + result.stderr
    assert time.monotonic() - begin < 60
    notified = re.findall(
        r"^(\S+)  .+\n +code hook +called\n +e-mail +written\n +webhook +received, signature verified$",
        result.stdout,
        re.MULTILINE,
    )
    assert notified == [
        "alerts.brokerquery.created",
        *["targets.target.created"] * 3,
        "observations.observationrecord.updated",
    ]
    assert "PENDING -> COMPLETED" in result.stdout
    assert "/api/ lists 1 hook" in result.stdout
    assert "Sending email, observation" in result.stderr  # the hook of document 000 logs
    assert "MISSING" not in result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_once_fails_when_somebody_was_not_notified(tmp_path: Path) -> None:
    """The demo must not say yes by itself: here the receiver checks with a secret that nobody signs with."""
    code = """
import sys
from heliostat.cli import main
from heliostat.cli.demo import project, walk

make_hook = project.make_webhook

def another_secret_afterwards(url, owner):
    hook = make_hook(url, owner)
    from heliostat.delivery.signing import new_secret
    hook.reveal_secret = new_secret
    return hook

project.make_webhook = another_secret_afterwards
walk.PATIENCE = 3.0
sys.exit(main(["demo", "--once"]))
"""
    result = run(sys.executable, "-c", code, cwd=tmp_path)
    assert result.returncode == 1, result.stdout
    assert "webhook    MISSING" in result.stdout
    assert "code hook  MISSING" not in result.stdout
    assert "Missing: webhook of alerts.brokerquery.created" in result.stdout
    assert "not every subscriber was notified" in result.stderr


@pytest.mark.slow
def test_the_demo_is_ready_to_click_and_is_there_again_when_started_again(tmp_path: Path) -> None:
    port = str(free_port())
    passwords = []
    for round_ in ("first", "second"):
        log = tmp_path / f"{round_}.log"
        with running("demo", "--port", port, cwd=tmp_path, log=log) as demo:
            password = demo.wait_for(r"log in as astronomer with the password (\S+)")[1]
            if round_ == "first":
                demo.wait_for(r"webhook received: targets\.target\.created, signature verified")
            browser = Browser(f"http://127.0.0.1:{port}")
            browser.log_in("astronomer", password)
            assert "Bright supernovae" in browser.open("/alerts/query/list/")
            assert browser.open("/targets/").count("SN ") >= 3
            assert " @ Simulated" in browser.open("/observations/")
            assert demo.stop(signal.SIGINT) == 0
        assert "Traceback" not in demo.output
        passwords.append(password)
    assert passwords[0] == passwords[1]
    assert "found the project" in demo.output
    assert "submitted the observation" not in demo.output  # it has one already
    assert stat.S_IMODE((tmp_path / "demo/password.txt").stat().st_mode) == 0o600
    assert list((tmp_path / "demo/mail").iterdir())
    assert "targets.target.created SN" in (tmp_path / "demo/events.txt").read_text("utf-8")


@pytest.mark.slow
def test_reset_removes_what_a_demo_makes_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo/thesis.tex").write_text("mine")
    port = str(free_port())
    passwords = []
    for arguments in ((), ("--reset",)):
        with running("demo", "--port", port, *arguments, cwd=tmp_path) as demo:
            passwords.append(demo.wait_for(r"log in as astronomer with the password (\S+)")[1])
            assert "made the project" in demo.output
            assert demo.stop() == 0
    assert passwords[0] != passwords[1]
    assert (tmp_path / "demo/thesis.tex").read_text() == "mine"


def test_a_port_in_use_is_explained(tmp_path: Path) -> None:
    with running("listen", "--port", "0", cwd=tmp_path) as listener:
        port = int(listener.wait_for(r"http://127\.0\.0\.1:(\d+)/")[1])
        result = run("demo", "--port", str(port), cwd=tmp_path)
    assert result.returncode == 1
    assert f"heliostat demo --port {port + 1}" in result.stderr
    assert not (tmp_path / "demo").exists()

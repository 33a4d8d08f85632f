"""Document 001, "How to run custom code on notifications", to the end that it leaves open: docs/tutorial-queues.md.

The document's listener sends an e-mail; its "Setup Redis queue" and "Consume events" are followed with real Redis and
programs in two languages. Only the name of the stream is this test's own.
"""

from __future__ import annotations

import re
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from tests.cli.running import run, running
from tests.queues.servers import need_port
from tests.queues.streams import until
from tests.queues.test_consumers_of_the_documents import npm_modules

pytestmark = pytest.mark.slow

__all__ = ["npm_modules"]

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "tutorial-queues.md").read_text()
FILES = dict(re.findall(r"^```\w+\n(?:#|//) (\S+)\n(.*?)^```", DOCUMENT, flags=re.MULTILINE | re.DOTALL))
(SETTING,) = re.findall(r"^```\n(EVENT_LISTENERS = .*\n)```", DOCUMENT, flags=re.MULTILINE)
(CREATE,) = re.findall(r'^heliostat shell -c "(.*)"$', DOCUMENT, flags=re.MULTILINE)


@pytest.fixture
def stream() -> Iterator[str]:
    """A stream that no other run of the tests uses."""
    need_port(6379, "Redis")
    name = f"test-{uuid.uuid4().hex}"
    yield name
    with redis.Redis() as client:
        for key in client.keys(f"{name}*"):
            client.delete(key)


@pytest.fixture
def followed(mytom: Path, stream: str) -> Path:
    """The project, with the listener and the queue of the tutorial."""
    (mytom / "target_email.py").write_text(FILES["target_email.py"])
    (mytom / "listeners.ini").write_text(FILES["listeners.ini"].replace(".stream = mytom", f".stream = {stream}"))
    settings = mytom / "mytom" / "settings.py"
    settings.write_text(settings.read_text() + SETTING)
    result = run("check", cwd=mytom)
    assert (result.returncode, result.stderr) == (0, ""), result.stderr
    return mytom


@pytest.fixture
def published(followed: Path, stream: str) -> Path:
    result = run("shell", "-c", CREATE, cwd=followed)
    for line in ("Subject: target created", "From: mytom@example.org", "To: observers@example.org", "User id: "):
        assert line in result.stdout, result.stdout + result.stderr
    assert "1 in the outbox wait for it" in run("queues", cwd=followed).stdout
    result = run("worker", "--batch", cwd=followed)
    assert result.returncode == 0, result.stderr
    result = run("queues", cwd=followed)
    assert "0 in the outbox wait for it" in result.stdout
    assert f"stream {stream}: 1 entries of 1 that were added" in result.stdout
    return followed


def test_a_mail_is_sent_and_python_consumes_the_event_without_the_project(
    published: Path, stream: str, tmp_path: Path
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "archive.py").write_text(FILES["archive.py"])
    archive = folder / "archive.txt"
    where = ("redis://127.0.0.1:6379/0", "--stream", stream, "--group", "archive", "--call", "archive.keep")
    with running("consume", *where, cwd=folder) as consumer:
        until(archive.exists, lambda: consumer.output)
        until(lambda: archive.read_text().endswith(" targets.target.created M51\n"), lambda: consumer.output)
        assert consumer.stop() == 0
    run("shell", "-c", CREATE.replace("M51", "M31"), cwd=published)
    run("worker", "--batch", cwd=published)
    result = run("consume", *where, "--exit-when-idle", "0", cwd=folder)
    assert result.returncode == 0, result.stderr
    assert [line.split()[2] for line in archive.read_text().splitlines()] == ["M51", "M31"]


@pytest.mark.slow
def test_javascript_consumes_the_same_event(published: Path, stream: str, tmp_path: Path, npm_modules: Path) -> None:
    folder = tmp_path / "javascript"
    folder.mkdir()
    (folder / "consume.mjs").write_text(FILES["consume.mjs"].replace('"mytom"', f'"{stream}"'))
    (folder / "node_modules").symlink_to(npm_modules)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["node", "consume.mjs"], cwd=folder, stdout=log, stderr=log)
    try:
        until(lambda: "targets.target.created M51" in (folder / "log").read_text(), (folder / "log").read_text)
    finally:
        process.kill()
        process.wait(10)


@pytest.mark.slow
def test_a_listener_can_be_in_a_folder_of_its_own_on_the_python_path(followed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "listeners"
    folder.mkdir()
    (followed / "target_email.py").rename(folder / "target_email.py")
    assert "target_email" in run("check", cwd=followed).stderr
    result = run("check", cwd=followed, env={"PYTHONPATH": str(folder)})
    assert result.returncode == 0, result.stderr

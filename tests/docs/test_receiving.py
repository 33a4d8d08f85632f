"""docs/receiving.md: each of its programs receives what the real sender sends, and nothing else."""

from __future__ import annotations

import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from heliostat.delivery.signing import new_secret
from heliostat.outbox.models import Callback
from heliostat.outbox.resending import resend
from heliostat.testing import Receiver, drain_outbox
from heliostat.testing.receiver import Delivery
from heliostat.webhooks.api import create_hook
from heliostat.webhooks.models import Hook
from heliostat.webhooks.operations import ping
from tests.cli.running import free_port
from tests.docs.programs import needs
from tests.example.models import Vehicle

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```\w+\n(?:#|//) (\S+)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
PROGRAMS = dict(BLOCK.findall((ROOT / "docs" / "receiving.md").read_text()))
PYTHON = sys.executable

DJANGO = """
import os, sys
from wsgiref.simple_server import make_server
import django
from django.conf import settings
from django.urls import path
settings.configure(
    SECRET_KEY="x", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], INSTALLED_APPS=["inbox"],
    MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "inbox.sqlite3"}},
)
django.setup()
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from inbox.views import receive
urlpatterns = [path("", receive)]
if __name__ == "__main__":
    call_command("migrate", run_syncdb=True, verbosity=0)
    make_server("127.0.0.1", int(os.environ["PORT"]), get_wsgi_application()).serve_forever()
"""


@pytest.fixture(scope="session")
def npm_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The JavaScript library of Standard Webhooks, from npm."""
    needs("node", "npm")
    folder = tmp_path_factory.mktemp("npm")
    done = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--prefix", folder, "standardwebhooks@1"],
        check=False,
        capture_output=True,
        text=True,
        timeout=110,
    )
    if done.returncode:
        pytest.skip(f"npm has no standardwebhooks for us: {done.stderr[-300:]}")
    return folder / "node_modules"


@contextmanager
def running(command: list[str], folder: Path, **environment: str) -> Iterator[str]:
    """The address of a program that listens."""
    port = str(free_port())
    (folder / "__init__.py").touch()
    names = {**os.environ, **environment, "PORT": port, "PYTHONUNBUFFERED": "1"}
    names.pop("DJANGO_SETTINGS_MODULE", None)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=names, stdout=log, stderr=log)
        try:
            wait_for(int(port), process, folder / "log")
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
            process.wait(30)


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(log.read_text())


def check_receiving(hook: Hook, url: str) -> None:
    """It takes what the hook sends, a repeat too, but nothing that another signs."""
    Hook.objects.filter(pk=hook.pk).update(target_url=url)
    Vehicle.objects.create(name="O'B ☀")
    assert drain_outbox() == {"sent": 1}
    resend([Callback.objects.get().pk])
    assert drain_outbox() == {"sent": 1}
    stranger = create_hook(signals=["example.vehicle.created"], target_url=url, signature=hook.signature)
    ping(stranger)
    assert drain_outbox() == {"retry": 1}
    assert Callback.objects.get(subscriber=stranger.subscriber).log.get().status_code == 401


def hook_with(signature: str = "v1") -> Hook:
    return create_hook(model=Vehicle, target_url="http://127.0.0.1:9/", signature=signature)


def rows(inbox: Path, table: str) -> list[tuple[str, bytes]]:
    return sqlite3.connect(inbox).execute(f"SELECT id, body FROM {table}").fetchall()


def test_django_receives(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "__init__.py").touch()
    for name in ("inbox/models.py", "inbox/views.py"):
        (tmp_path / name).write_text(PROGRAMS[name])
    (tmp_path / "site_of_the_receiver.py").write_text(DJANGO)
    hook = hook_with()
    with running([PYTHON, "site_of_the_receiver.py"], tmp_path, WEBHOOK_SECRET=hook.reveal_secret()) as url:
        check_receiving(hook, url)
    ((message_id, body),) = rows(tmp_path / "inbox.sqlite3", "inbox_delivery")
    assert message_id.startswith("msg_")
    assert json.loads(body)["object_serialization"]["name"] == "O'B ☀"


@pytest.mark.parametrize("signature", ["v1", "v1a"])
def test_a_plain_wsgi_application_receives(tmp_path: Path, signature: str) -> None:
    (tmp_path / "receive_wsgi.py").write_text(PROGRAMS["receive_wsgi.py"])
    hook = hook_with(signature)
    with running([PYTHON, "receive_wsgi.py"], tmp_path, WEBHOOK_SECRET=hook.public_key or hook.reveal_secret()) as url:
        check_receiving(hook, url)
    assert len(rows(tmp_path / "inbox.sqlite3", "delivery")) == 1


def test_node_receives_with_the_library_of_standard_webhooks(tmp_path: Path, npm_modules: Path) -> None:
    (tmp_path / "receive.mjs").write_text(PROGRAMS["receive.mjs"])
    (tmp_path / "node_modules").symlink_to(npm_modules)
    hook = hook_with()
    with running(["node", "receive.mjs"], tmp_path, WEBHOOK_SECRET=hook.reveal_secret()) as url:
        check_receiving(hook, url)


def test_node_receives_with_a_public_key(tmp_path: Path) -> None:
    needs("node")
    name = "receive-with-public-key.mjs"
    (tmp_path / name).write_text(PROGRAMS[name])
    hook = hook_with("v1a")
    with running(["node", name], tmp_path, WEBHOOK_PUBLIC_KEY=hook.public_key) as url:
        check_receiving(hook, url)


def delivered(signature: str, receiver: Receiver) -> tuple[Hook, Delivery]:
    hook = create_hook(model=Vehicle, target_url=receiver.url, signature=signature)
    Vehicle.objects.create(name="O'B ☀")
    drain_outbox()
    return hook, receiver.deliveries[-1]


def test_the_python_library_of_standard_webhooks_verifies(receiver: Receiver) -> None:
    names: dict[str, object] = {}
    exec(PROGRAMS["verify_with_the_library.py"], names)
    is_genuine = names["is_genuine"]
    assert callable(is_genuine)
    hook, delivery = delivered("v1", receiver)
    assert is_genuine(dict(delivery.headers.items()), delivery.body, hook.reveal_secret())
    assert not is_genuine(dict(delivery.headers.items()), delivery.body, new_secret())


@pytest.mark.parametrize(("script", "signature"), [("verify.sh", "v1"), ("verify-with-public-key.sh", "v1a")])
def test_a_shell_verifies(script: str, signature: str, receiver: Receiver, tmp_path: Path) -> None:
    needs("openssl", "base64", "od")
    (tmp_path / script).write_text(PROGRAMS[script])
    hook, delivery = delivered(signature, receiver)

    def said(body: bytes = delivery.body, **changed: str) -> tuple[int, str]:
        (tmp_path / "body").write_bytes(body)
        names = {
            "PATH": os.environ["PATH"],
            "WEBHOOK_SECRET": hook.reveal_secret(),
            "WEBHOOK_PUBLIC_KEY": hook.public_key,
            "ID": delivery.id,
            "TIMESTAMP": delivery.headers["webhook-timestamp"],
            "SIGNATURE": "v9,x " + delivery.headers["webhook-signature"],
            **changed,
        }
        done = subprocess.run(
            ["sh", script], check=False, cwd=tmp_path, env=names, capture_output=True, text=True, timeout=60
        )
        return done.returncode, done.stdout.strip()

    assert said() == (0, "genuine")
    assert said(body=delivery.body + b" ") == (1, "not genuine")
    assert said(ID="msg_other") == (1, "not genuine")
    assert said(TIMESTAMP="1614265330") == (1, "too old")

"""Document 001, "How to run custom code on notifications?", followed step by step in a project of `heliostat new`.

Only import roots differ from the document, and what Python does not allow: a parameter with the name `from`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.running import manage
from tests.settings import IN_CI, reachable
from tests.tutorials.mail_server import mail_server

pytestmark = pytest.mark.slow

SCAFFOLD = """
from heliostat.listeners import ListenerBase

class Listener(ListenerBase):
    def __call__(self, event):
        print(event.payload)

def load_from_config(config, prefix=''):
    return Listener()
"""

AS_WRITTEN = """
import smtplib
from urllib.parse import urlparse

from heliostat.listeners import ListenerBase
from heliostat.listeners import aslist

class Listener(ListenerBase):
    def __init__(self, server, from, recipients):
        self.server_url = urlparse(server)
        self.from = from
        self.recipients = recipients

    def __call__(self, event):
        recipients = ", ".join(self.recipients)
        subject = "%s %sd" % (event.payload['resource_name'],
                              event.payload['action'])
        text = "User id: %s" % event.request.prefixed_userid
        message = ("\\n"
                   "From: %s \\n"
                   "To: %s \\n"
                   "Subject: %s \\n"
                   "%s \\n") % (self.from, recipients, subject, text)

        server = smtplib.SMTP(self.server_url.netloc)
        server.starttls()
        server.login('username', 'password')
        server.sendmail(self.from, self.recipients, message)
        server.quit()

def load_from_config(config, prefix=''):
    settings = config.get_settings()

    server = settings[prefix + 'server']
    from = settings[prefix + 'from']
    recipients = aslist(settings[prefix + 'recipients'])

    return Listener(server, from, recipients)
"""

CONFIGURATION = """
    cliquet.event_listeners = send_email

    cliquet.event_listeners.send_email.use = kinto_email
    cliquet.event_listeners.send_email.server = {server}
    cliquet.event_listeners.send_email.from = postmaster@localhost
    cliquet.event_listeners.send_email.recipients = kinto@yopmail.com
"""

QUEUE = """
    cliquet.event_listeners = redis

    cliquet.event_listeners.redis.use = heliostat.queues.redis
    cliquet.event_listeners.redis.url = redis://127.0.0.1:6379/0
    cliquet.event_listeners.redis.stream = {stream}
    cliquet.event_listeners.redis.resources = target
"""

CREATE = "from heliostat.targets.models import Target; print('pk', Target.objects.create(name='M51').pk)"


def enable(mytom: Path, configuration: str, listener: str = "") -> None:
    """Do the three steps: the module beside manage.py, the configuration, and its name in the settings."""
    (mytom / "kinto_email.py").write_text(listener, "utf-8")
    (mytom / "listeners.ini").write_text(configuration, "utf-8")
    settings = mytom / "mytom/settings.py"
    settings.write_text(settings.read_text("utf-8") + 'EVENT_LISTENERS = "listeners.ini"\n', "utf-8")


def create_target(mytom: Path) -> str:
    result = manage("shell", "-c", CREATE, cwd=mytom)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture
def stream() -> Iterator[str]:
    if not IN_CI and (shutil.which("redis-cli") is None or not reachable(6379)):
        pytest.skip("no redis-cli, or no Redis at 127.0.0.1:6379")
    name = f"heliostat-tests-{uuid.uuid4()}"
    yield name
    subprocess.run(["redis-cli", "DEL", name], capture_output=True, check=False)


def test_the_scaffold_prints_the_payload(mytom: Path) -> None:
    enable(mytom, CONFIGURATION.format(server="user:password@mail.server.com"), SCAFFOLD)
    assert manage("check", cwd=mytom).returncode == 0
    output = create_target(mytom)
    assert "'action': 'create'" in output
    assert "'resource_name': 'target'" in output
    assert "'user_id': None" in output


def test_the_listener_sends_an_email_for_what_is_created(mytom: Path, tmp_path: Path) -> None:
    with mail_server(tmp_path) as (address, messages):
        listener = re.sub(r"(?<=[ .])from\b", "sender", AS_WRITTEN)
        enable(mytom, CONFIGURATION.format(server=f"smtp://{address}"), listener)
        create_target(mytom)
    ((login, message),) = messages
    assert login == "username password"
    assert "Subject: target created" in message
    assert "From: postmaster@localhost" in message
    assert "To: kinto@yopmail.com" in message
    assert "User id: None" in message


def test_the_listener_as_it_is_written_is_reported_with_the_line_that_python_refuses(mytom: Path) -> None:
    enable(mytom, CONFIGURATION.format(server="user:password@mail.server.com"), AS_WRITTEN)
    result = manage("check", cwd=mytom)
    assert result.returncode != 0
    assert "SyntaxError" in result.stderr
    assert "kinto_email.py, line 9" in result.stderr


def test_a_mail_server_that_is_away_does_not_undo_the_change(mytom: Path) -> None:
    listener = SCAFFOLD.replace("print(event.payload)", "import smtplib; smtplib.SMTP('127.0.0.1', 1)")
    enable(mytom, CONFIGURATION.format(server="x"), listener)
    assert "pk 1" in create_target(mytom)


def test_asynchronous_code_reads_the_event_from_redis_in_another_language(mytom: Path, stream: str) -> None:
    enable(mytom, QUEUE.format(stream=stream))
    create_target(mytom)
    sent = manage("send_callbacks", cwd=mytom)
    assert sent.returncode == 0, sent.stdout + sent.stderr
    entries = subprocess.run(["redis-cli", "XRANGE", stream, "-", "+"], capture_output=True, text=True, check=True)
    assert '"type":"targets.target.created"' in entries.stdout

"""The demo's project: made like any other by `heliostat new`, with three subscribers added."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heliostat.cli import project
from heliostat.cli.say import CommandFailed

NAME = "demotom"
USERNAME = "astronomer"
HOOK_NAME = "Demo receiver"
QUERY, TARGET, OBSERVATION = (
    "alerts.brokerquery.created",
    "targets.target.created",
    "observations.observationrecord.updated",
)

SETTINGS = f'''
# --- Added by `heliostat demo` -----------------------------------------------------------------------
# Two code hooks at one hook point; the second one is durable: the worker calls it, and retries it until it succeeds.
HOOKS["observation_change_state"] = [
    "{NAME}.hooks.observation_change_state",
    {{"call": "{NAME}.hooks.record_observation", "when": "durable"}},
]

# A listener: an e-mail for each of these, written into the folder mail beside the project.
EVENT_LISTENERS = {{
    "mail": {{
        "use": "heliostat.listeners.email",
        "actions": ["create", "update"],
        "resources": ["alerts.brokerquery", "targets.target", "observations.observationrecord"],
        "recipients": ["{USERNAME}@example.com"],
        "when": "durable",
    }},
}}
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = BASE_DIR.parent / "mail"
'''

HOOKS = f'''

# --- Added by `heliostat demo`: code hooks that write down each event ------------------------------
from django.conf import settings
from heliostat import on


def record(line):
    with open(settings.BASE_DIR.parent / "events.txt", "a", encoding="utf-8") as file:
        file.write(line + "\\n")


def record_observation(observation, previous_status):
    record(f"{OBSERVATION} {{observation}}: {{previous_status}} -> {{observation.status}}")


@on("{QUERY}", "{TARGET}", when="durable")
def record_creation(event):
    record(f"{{event.type}} {{event.snapshot['name']}}")
'''


@dataclass(frozen=True)
class Demo:
    """Where things are in the demo's folder."""

    folder: Path

    @property
    def project(self) -> Path:
        return self.folder / NAME

    @property
    def mail(self) -> Path:
        return self.folder / "mail"

    @property
    def lines(self) -> Path:
        """What the code hooks wrote down."""
        return self.folder / "events.txt"

    @property
    def password_file(self) -> Path:
        return self.folder / "password.txt"

    def remove(self) -> None:
        """Remove what a demo makes, and nothing else."""
        shutil.rmtree(self.project, ignore_errors=True)
        shutil.rmtree(self.mail, ignore_errors=True)
        self.lines.unlink(missing_ok=True)
        self.password_file.unlink(missing_ok=True)

    def make(self) -> bool:
        """Make the project, unless it is there already. Says whether it did."""
        if (self.project / "manage.py").exists():
            return False
        # A process of its own: making a project sets Django up without one.
        command = [sys.executable, "-m", "heliostat", "new", NAME, "--directory", str(self.folder)]
        result = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own
        if result.returncode:
            raise CommandFailed(f"the demo's project cannot be made. {result.stderr.strip()}")
        for name, text in (("settings", SETTINGS), ("hooks", HOOKS)):
            with (self.project / NAME / f"{name}.py").open("a", encoding="utf-8") as file:
                file.write(text)
        return True

    def load(self, site_url: str) -> None:
        """Set Django up with the demo's project."""
        os.environ["HELIOSTAT_SITE_URL"] = site_url
        os.environ[project.ENVIRONMENT] = f"{NAME}.settings"
        project.load(self.project)


def user(demo: Demo) -> tuple[Any, str]:
    """Return the demo's user and password; the same at every run."""
    from django.contrib.auth import get_user_model

    users: Any = get_user_model()._default_manager
    found = users.filter(username=USERNAME).first()
    if found and demo.password_file.exists():
        return found, demo.password_file.read_text("utf-8").strip()
    password = secrets.token_urlsafe(9)
    demo.password_file.touch(0o600)
    demo.password_file.write_text(password + "\n", "utf-8")
    if found is None:
        return users.create_superuser(USERNAME, f"{USERNAME}@example.com", password), password
    found.set_password(password)
    found.save()
    return found, password


def make_webhook(url: str, owner: Any) -> Any:
    """A webhook of the user that notifies the bundled receiver of the same events."""
    from heliostat.webhooks.models import Hook

    hook = Hook.objects.filter(name=HOOK_NAME).first() or Hook(name=HOOK_NAME)
    hook.user = owner
    hook.target_url = url
    hook.signals = [QUERY, TARGET, OBSERVATION]
    hook.save()
    return hook


def token(owner: Any) -> str:
    """What the user's programs ask the REST API with; the same at every run."""
    from rest_framework.authtoken.models import Token

    return str(Token.objects.get_or_create(user=owner)[0].key)

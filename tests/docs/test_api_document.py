"""The requests that docs/api.md shows are made, with curl, and answered as it shows."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from rest_framework.authtoken.models import Token

from heliostat.webhooks import operations
from heliostat.webhooks.models import Hook
from tests.api.conftest import user_who_may_view
from tests.docs.programs import needs

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text()
BLOCKS = re.findall(r"^```(sh|json)\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)


def curl(commands: str, environment: dict[str, str]) -> list[Any]:
    """The answers, decoded, to the requests of a block."""
    script = commands.replace("curl -s", r"curl -sS -w '\n'")
    done = subprocess.run(
        ["sh", "-ec", script], env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), commands
    return [json.loads(line) for line in done.stdout.splitlines()]


def shape(value: Any) -> Any:
    """Names and kinds, without what differs from one time to the next."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return re.sub(r"[0-9a-f]{8,}.*|[A-Za-z0-9+/=]{32,}|\d.*", "…", value) if isinstance(value, str) else type(value)


@pytest.mark.django_db(transaction=True)
def test_every_request_of_the_document_is_answered_as_it_shows(live_server: Any, settings: Any) -> None:
    needs("curl")
    settings.HOOK_ALLOWED_MODELS = ["targets.Target"]
    user = user_who_may_view("ada", "target")
    environment = {"API": f"{live_server.url}/api", "AUTH": f"Authorization: Token {Token.objects.create(user=user)}"}
    answers: list[Any] = []
    shown = 0
    for language, text in BLOCKS:
        if language == "json":
            assert shape(answers[-1]) == shape(json.loads(text)), text
            shown += 1
        elif "curl" in text:
            if "$DELIVERY" in text:
                environment["DELIVERY"] = str(operations.ping(Hook.objects.get()).pk)
            answers = curl(text, environment)
            assert answers
            if hook := Hook.objects.first():
                environment["HOOK"] = str(hook.pk)
    assert shown >= 5


def test_the_document_lists_every_address() -> None:
    from heliostat.api.urls import urlpatterns
    from tests.api.test_access import routes

    rows = "\n".join(re.findall(r"^\| `.*$", TEXT, flags=re.MULTILINE))
    for route in routes(urlpatterns):
        address = route.replace("{hook}", "{id}").replace("{delivery}", "{id}")
        assert address in rows or f"`{address.rpartition('{id}/')[2]}`" in rows, route

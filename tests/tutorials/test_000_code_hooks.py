"""Document 000, "Running Custom Code on Actions in your TOM", followed step by step in a project of `heliostat new`.

Only import roots differ from the document.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.browser import Browser
from tests.cli.projects import PASSWORD, USERNAME
from tests.cli.running import Running, free_port, manage, running

pytestmark = pytest.mark.slow

LOG_LINE = "Sending email, observation M42 @ LCO changed state from PENDING to COMPLETED"

HOOKS_SETTING = """
HOOKS = {
    'target_post_save': 'heliostat.targets.hooks.target_post_save',
    'observation_change_state': 'mytom.hooks.observation_change_state',
    'data_product_post_upload': 'heliostat.dataproducts.hooks.data_product_post_upload',
}
"""

STUB = """
import logging

logger = logging.getLogger(__name__)


def observation_change_state(observation, previous_status):
    logger.info(
        'Sending email, observation %s changed state from %s to %s',
        observation, previous_status, observation.status
    )
"""

WITH_EMAIL = """
import logging
from django.core.mail import send_mail

logger = logging.getLogger(__name__)


def observation_change_state(observation, previous_status):
    if observation.status == 'COMPLETED':
        logger.info(
            'Sending email, observation %s changed state from %s to %s',
            observation, previous_status, observation.status
        )
        send_mail(
            'Observation complete',
            'The observation {} has completed'.format(observation),
            'from@mytom.com',
            ['to@example.com'],
            fail_silently=False,
        )
"""

OBSERVATION = """
from django.contrib.auth.models import User
from heliostat.observations.models import ObservationRecord
from heliostat.targets.models import Target
target = Target.objects.create(name='M42', type='SIDEREAL', ra=83.82, dec=-5.39)
record = ObservationRecord.objects.create(
    target=target, user=User.objects.get(), facility='LCO', observation_id='1', status='PENDING', parameters={}
)
print('record', record.pk)
"""


def observation(mytom: Path) -> str:
    """An observation of M42 at LCO that is PENDING; its primary key."""
    result = manage("shell", "-c", OBSERVATION, cwd=mytom)
    match = re.search(r"record (\d+)", result.stdout)
    assert match, result.stdout + result.stderr
    return match[1]


def write_the_steps(mytom: Path, hooks: str) -> None:
    (mytom / "mytom/hooks.py").write_text(hooks, "utf-8")
    settings = mytom / "mytom/settings.py"
    settings.write_text(settings.read_text("utf-8") + HOOKS_SETTING, "utf-8")


@contextmanager
def served(mytom: Path) -> Iterator[tuple[Running, Browser]]:
    """The server of the documents: ./manage.py runserver, alone."""
    port = free_port()
    arguments = (sys.executable, "manage.py", "runserver", "--noreload", str(port))
    with running(*arguments, cwd=mytom, log=mytom.parent / "server.log") as server:
        server.wait_for("Quit the server")
        browser = Browser(f"http://127.0.0.1:{port}")
        browser.log_in(USERNAME, PASSWORD)
        yield server, browser


def change_in_the_admin(browser: Browser, record: str, status: str) -> None:
    browser.open(f"/admin/heliostat_observations/observationrecord/{record}/change/")
    browser.fill("status", status=status, _save="Save")
    assert "was changed successfully" in browser.text, re.findall(r"errorlist.*?</ul>", browser.text)


def test_the_log_line_of_the_document_appears_when_the_admin_completes_an_observation(mytom: Path) -> None:
    write_the_steps(mytom, STUB)
    record = observation(mytom)
    with served(mytom) as (server, browser):
        change_in_the_admin(browser, record, "COMPLETED")
        server.wait_for(re.escape(LOG_LINE), timeout=5)
        assert server.output.count("Sending email") == 1


def test_the_project_as_it_was_made_does_the_same(mytom: Path) -> None:
    record = observation(mytom)
    with served(mytom) as (server, browser):
        change_in_the_admin(browser, record, "COMPLETED")
        server.wait_for(re.escape(LOG_LINE), timeout=5)


def test_the_second_version_sends_the_email_for_completed_observations_only(mytom: Path) -> None:
    write_the_steps(mytom, WITH_EMAIL)
    record = observation(mytom)
    with served(mytom) as (server, browser):
        change_in_the_admin(browser, record, "FAILED")
        change_in_the_admin(browser, record, "PENDING")
        change_in_the_admin(browser, record, "COMPLETED")
        server.wait_for(re.escape(LOG_LINE), timeout=5)
        server.wait_for("Subject: Observation complete", timeout=5)
        server.wait_for("The observation M42 @ LCO has completed", timeout=5)
        assert server.output.count("Subject:") == 1
        assert "From: from@mytom.com" in server.output
        assert "To: to@example.com" in server.output


def test_the_note_of_the_document_is_lifted_a_programmatic_creation_runs_target_post_save_too(
    mytom: Path,
) -> None:
    (mytom / "mytom/hooks.py").write_text(
        "def target_post_save(target, created):\n    print(target.name, 'is saved:', created)\n", "utf-8"
    )
    settings = mytom / "mytom/settings.py"
    settings.write_text(
        settings.read_text("utf-8") + "HOOKS = {'target_post_save': 'mytom.hooks.target_post_save'}\n", "utf-8"
    )
    code = "from heliostat.targets.models import Target; Target.objects.create(name='m51')"
    result = manage("shell", "-c", code, cwd=mytom)
    assert "m51 is saved: True" in result.stdout, result.stderr

"""The e-mail listener: one e-mail for each event, or one for the events of some minutes, of which none is lost."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core import mail
from django.core.checks import run_checks
from django.utils import timezone

from heliostat import acting_as, batch
from heliostat.delivery.kinds import kind_of
from heliostat.delivery.worker import Worker
from heliostat.listeners import digest
from heliostat.outbox.models import Callback, Status
from heliostat.testing import drain_outbox
from heliostat.text import HIDDEN
from tests.example.models import Depot, Vehicle
from tests.settings import DATABASES

pytestmark = pytest.mark.django_db(transaction=True, databases=list(DATABASES))
MAIL = {"use": "heliostat.listeners.email", "recipients": "to@example.com", "resources": "vehicle"}
DIGEST = {**MAIL, "digest_minutes": 10}


def wait(minutes: float) -> None:
    """Let the callbacks have waited for so long, and the next worker look."""
    Callback.objects.update(created_at=timezone.now() - timedelta(minutes=minutes, seconds=1))
    look_again()


def look_again() -> None:
    kind = kind_of("digest:m")
    assert isinstance(kind, digest.DigestKind)
    kind._looked_at = -digest.LOOK


def test_templates_name_fields_of_the_object_before_and_after_the_change(settings: Any) -> None:
    subject = "{name} has {seats} seats, {new[seats]:.1f} after {old[seats]}"
    settings.EVENT_LISTENERS = {"m": {**MAIL, "actions": "update", "subject": subject, "text": "{changes} {user_id}"}}
    assert run_checks(databases=[]) == []
    bus = Vehicle.objects.create(name="55", seats=8)
    bus.seats = 9
    with acting_as(get_user_model().objects.create_user("ada")):
        bus.save()
    (message,) = mail.outbox
    assert message.subject == "55 has 9 seats, 9.0 after 8"
    assert message.body == "seats: 8 → 9 django:ada"


def test_an_event_of_nobody_says_so_and_a_missing_value_is_empty(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"m": {**MAIL, "text": "{user_id}|{price}|{depot_id}|", "actions": "create delete"}}
    Vehicle.objects.create(name="55").delete()
    assert [message.body for message in mail.outbox] == ["nobody|||", "nobody|||"]


def test_a_format_that_does_not_fit_a_value_keeps_no_e_mail_back(settings: Any) -> None:
    text = "{price:.2f}|{depot_id:d}|{seats:.1f}|{old[seats]:.1f}|{new[seats]:d}"
    settings.EVENT_LISTENERS = {
        "m": {**MAIL, "text": text, "subject": text, "actions": "create"},
        "digest": {**DIGEST, "subject": text, "actions": "create"},
        "log": {"use": "heliostat.listeners.log", "text": text, "resources": "vehicle"},
    }
    assert run_checks(databases=[]) == []
    Vehicle.objects.create(name="55", seats=8)
    Vehicle.objects.create(name="56", price=Decimal("3.456"))
    assert [message.body for message in mail.outbox] == ["||8.0||8", "3.46||0.0||0"]
    wait(10)
    assert drain_outbox() == {"sent": 2}
    assert mail.outbox[-1].body.splitlines()[::2] == ["||8.0||8", "3.46||0.0||0"]


def test_recipients_may_have_names(settings: Any) -> None:
    text = "Ada Lovelace <ada@example.com>, bob@example.com"
    settings.EVENT_LISTENERS = {
        "text": {**MAIL, "recipients": text},
        "list": {**MAIL, "recipients": ["Ada Lovelace <ada@example.com>"]},
    }
    Vehicle.objects.create(name="55")
    names = [message.to for message in mail.outbox]
    assert names == [["Ada Lovelace <ada@example.com>", "bob@example.com"], ["Ada Lovelace <ada@example.com>"]]


def test_a_batch_is_one_e_mail_with_the_names_of_its_objects(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"m": {**MAIL, "actions": "create"}}
    with batch():
        for number in range(12):
            Vehicle.objects.create(name=f"bus {number}")
    (message,) = mail.outbox
    assert message.subject == "vehicle 12 objects: create"
    assert "bus 0, bus 1, bus 2" in message.body
    assert "bus 9 and 2 more" in message.body


def test_hidden_characters_of_a_value_reach_no_header_and_no_line(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"m": {**MAIL, "subject": "{name}", "text": "{name}"}}
    Vehicle.objects.create(name="55\nBcc: all@example.com\u202e")
    assert mail.outbox[0].subject == mail.outbox[0].body == "55 Bcc: all@example.com"
    assert not HIDDEN.search(mail.outbox[0].body)


def test_the_active_users_of_a_group_get_it(settings: Any, caplog: Any) -> None:
    settings.EVENT_LISTENERS = {"m": {**MAIL, "recipients": "", "group": "observers"}}
    assert run_checks(databases=[]) == []
    Vehicle.objects.create(name="1")
    assert mail.outbox == []
    assert "the group 'observers' has no active user" in caplog.text
    group = Group.objects.create(name="observers")
    users = get_user_model().objects
    group.user_set.add(
        users.create_user("ada", "ada@example.com"),
        users.create_user("bob", "bob@example.com", is_active=False),
        users.create_user("eve", ""),
    )
    Vehicle.objects.create(name="2")
    assert [message.to for message in mail.outbox] == [["ada@example.com"]]


def test_two_sections_send_e_mails_of_their_own(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"one": MAIL, "two": {**MAIL, "recipients": "b@example.com", "subject": "{name}"}}
    Vehicle.objects.create(name="55")
    assert [(one.to, one.subject) for one in mail.outbox] == [
        (["to@example.com"], "vehicle 55: create"),
        (["b@example.com"], "55"),
    ]


def test_a_digest_waits_for_its_minutes_and_is_one_e_mail(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"m": DIGEST}
    assert run_checks(databases=[]) == []
    for number in range(450):  # more than a worker claims at once
        Vehicle.objects.create(name=f"bus {number}")
    assert drain_outbox() == {}
    assert mail.outbox == []
    wait(10)
    assert drain_outbox() == {"sent": 450}
    (message,) = mail.outbox
    assert message.subject == "450 changes"
    lines = message.body.splitlines()
    assert lines[0] == "vehicle bus 0: create"
    assert lines[1].startswith("  http://127.0.0.1:8000/example/vehicle/")
    assert lines[-1] == "… and 250 more."


def test_a_digest_is_due_in_the_database_of_its_events(settings: Any, using: str) -> None:
    settings.EVENT_LISTENERS = {"m": DIGEST}
    for number in range(3):
        Vehicle.objects.using(using).create(name=f"bus {number}")
    assert drain_outbox(using) == {}
    waited = timezone.now() - timedelta(minutes=11)
    Callback.objects.using(using).update(created_at=waited)
    look_again()
    assert drain_outbox(using) == {"sent": 3}
    assert [message.subject for message in mail.outbox] == ["3 changes"]


def test_what_happens_while_a_digest_waits_is_in_it_and_what_follows_is_in_the_next(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"m": DIGEST}
    Vehicle.objects.create(name="old")
    wait(10)
    Vehicle.objects.create(name="new")  # it waits for no time yet, and goes with the older one
    drain_outbox()
    Vehicle.objects.create(name="next")
    assert drain_outbox() == {}
    assert [message.subject for message in mail.outbox] == ["2 changes"]
    assert Callback.objects.get(status=Status.WAITING).subscriber == "digest:m"


def test_a_digest_that_fails_without_a_text_is_retried_like_others(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"m": {"use": "tests.listeners.uses.WordlessDigest", "resources": "vehicle"}}
    Vehicle.objects.create(name="55")
    wait(10)
    assert drain_outbox() == {"retry": 1}
    assert Callback.objects.get().status_details == "Wordless: <Wordless without a text>"


def test_a_digest_that_the_mail_server_refuses_is_sent_again_as_one(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"m": DIGEST}
    for number in range(3):
        Vehicle.objects.create(name=f"bus {number}")
    wait(10)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1  # nothing listens there
    assert drain_outbox() == {"retry": 3}
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    first, second, _ = Callback.objects.order_by("pk")
    Callback.objects.filter(pk__in=[first.pk, second.pk]).update(due_at=timezone.now())
    look_again()
    assert drain_outbox() == {}  # the last of them is not due yet
    Callback.objects.update(due_at=timezone.now())
    look_again()
    assert drain_outbox() == {"sent": 3}
    assert [message.subject for message in mail.outbox] == ["3 changes"]


def test_a_digest_of_a_worker_that_died_is_sent_by_the_next(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"m": DIGEST}
    Vehicle.objects.create(name="55")
    wait(10)
    gone = timezone.now() - timedelta(minutes=5)
    Callback.objects.update(status=Status.SENDING, claim_token=7, lease_until=gone, attempts=1)
    worker = Worker()
    worker.drain()  # it takes the callback from the dead one
    look_again()
    drain_outbox()
    assert [message.subject for message in mail.outbox] == ["1 changes"]


def test_a_digest_that_is_configured_no_longer_keeps_its_events(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"m": DIGEST}
    Vehicle.objects.create(name="55")
    settings.EVENT_LISTENERS = {}
    assert drain_outbox() == {"retry": 1}
    assert Callback.objects.get().status == Status.WAITING


def test_two_sections_have_digests_of_their_own(settings: Any) -> None:
    settings.EVENT_LISTENERS = {
        "m": DIGEST,
        "n": {**DIGEST, "resources": "depot", "digest_subject": "{count} depots", "recipients": "b@example.com"},
    }
    Vehicle.objects.create(name="55")
    Depot.objects.create(name="North")
    wait(10)
    drain_outbox()
    assert sorted((message.to[0], message.subject) for message in mail.outbox) == [
        ("b@example.com", "1 depots"),
        ("to@example.com", "1 changes"),
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"recipients": "ada"}, "`recipients` has 'ada', which is no e-mail address"),
        ({"recipients": 7}, "`recipients` is 7, not a list of addresses"),
        ({"text": "{name!z}"}, "after `!` there can be r, s or a"),
        ({"text": "{seats:%Y}"}, "'%Y' is no format of a number or a text"),
        ({"text": "{name:{seats}}"}, "'{seats}' is no format of a number or a text"),
        ({"recipients": []}, "`recipients` is empty, and there is no `group`"),
        ({"subject": "{nmae}"}, "names 'nmae', which no event has. Did you mean name"),
        ({"subject": "{line}"}, "names 'line', which no event has."),
        ({"text": "{new[seast]}"}, "there is no field 'seast' Did you mean seats?"),
        ({"text": "{name[0]}"}, "there is nothing inside 'name'"),
        ({"text": "{"}, "cannot be filled in"),
        ({"text": "{}"}, "names '', which no event has"),
        ({"text": 7}, "7 is no text"),
        ({"text": "{api_token}"}, "names 'api_token', which no event has"),
        ({"digest_minutes": "soon"}, "`digest_minutes` is 'soon'; give minutes"),
        ({"digest_minutes": 0}, "`digest_minutes` is 0"),
        ({"digest_minutes": 5, "digest_subject": "{name}"}, "may name {count} only"),
        ({"digest_minutes": 5, "when": "after_commit"}, "a digest is always durable"),
    ],
)
def test_settings_that_cannot_work_are_a_system_check(settings: Any, options: Any, words: str) -> None:
    settings.EVENT_LISTENERS = {"bad": {**MAIL, **options}}
    (message,) = run_checks(databases=[])
    assert message.id == "heliostat.E020"
    assert words in message.msg


def test_the_log_listener_writes_one_line(settings: Any, caplog: Any) -> None:
    settings.EVENT_LISTENERS = {
        "log": {"use": "heliostat.listeners.log", "logger": "tom.changes", "level": "warning", "resources": "vehicle"}
    }
    assert run_checks(databases=[]) == []
    bus = Vehicle.objects.create(name="55\nERROR forged")
    (record,) = [one for one in caplog.records if one.name == "tom.changes"]
    assert record.levelname == "WARNING"
    assert record.getMessage() == f"create /example/vehicle/{bus.pk} (55 ERROR forged) by nobody"


def test_a_level_that_there_is_not_is_a_system_check(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"log": {"use": "heliostat.listeners.log", "level": "loud"}}
    (message,) = run_checks(databases=[])
    assert "`level` is 'LOUD'; it can be" in message.msg

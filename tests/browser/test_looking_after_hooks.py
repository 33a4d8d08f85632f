"""Hooks in the admin, as a person uses it: make one, try it, see what came of it, pause it, send again."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from heliostat.outbox.models import Callback, WorkerSeen
from heliostat.targets.models import Target
from heliostat.testing import Receiver, drain_outbox
from heliostat.webhooks.models import Hook
from tests.browser.conftest import Window

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]
TEMPLATE = '{"name": "{{instance.name}}", "what": "{{event_type}}"}'


@pytest.fixture(autouse=True)
def root(django_user_model: type[User]) -> User:
    return django_user_model.objects.create_superuser("ada", password="stars and planets")


def log_in(window: Window) -> None:
    window.open("/admin/login/")
    window.page.get_by_label("Username").fill("ada")
    window.page.get_by_label("Password").fill("stars and planets")
    window.page.get_by_role("button", name="Log in").click()
    window.page.get_by_role("heading", name="Site administration").wait_for()


def make_hook(window: Window, url: str, pictures: str = "hook") -> Hook:
    page = window.page
    window.open("/admin/heliostat_webhooks/hook/add/")
    page.get_by_label("Name", exact=False).first.fill("Notify the telescope")
    page.get_by_label("Model").select_option(label="Targets | target")
    page.get_by_label("updated", exact=True).check()
    page.locator("#id_filters").fill('{"changed": ["name"]}')
    page.locator("#id_target_url").fill(url)
    page.locator("#id_headers").fill("X-Telescope: 1")
    page.locator("#id_payload_template").fill(TEMPLATE)
    window.looks_right(f"{pictures}-form")
    page.get_by_label("What changed").fill("name=M 50")
    page.get_by_role("button", name="Preview").click()
    page.get_by_text("would be notified").wait_for()
    assert '{"name": "M 51", "what": "updated"}' in page.locator(".heliostat-body").inner_text()
    window.looks_right(f"{pictures}-preview", ".heliostat-preview")
    assert not Hook.objects.exists()
    page.get_by_role("button", name="Save and continue editing").click()
    page.get_by_text("shown this once").wait_for()
    hook = Hook.objects.get()
    assert page.locator(".heliostat-secret").inner_text() == hook.reveal_secret()
    window.looks_right(f"{pictures}-secret")
    return hook


def looks_right_as_a_list(window: Window, name: str) -> None:
    """On a desk no column hides behind a scroll bar."""
    hidden = window.page.locator(".results").evaluate("shown => shown.scrollWidth - shown.clientWidth")
    assert hidden <= 0 or window.size == "phone", f"{hidden} pixels of {name} are hidden"
    window.looks_right(name)


def test_from_a_new_hook_to_its_deliveries(window: Window, receiver: Receiver) -> None:
    page = window.page
    target = Target.objects.create(name="M 51", ra=202.47, dec=47.19)
    log_in(window)
    hook = make_hook(window, receiver.url)
    receiver.answers = [200, 503]

    page.get_by_role("button", name="Send a test event").click()
    drain_outbox()
    page.get_by_role("link", name="see what came of it").click()
    page.get_by_text("200 OK").first.wait_for()
    assert receiver.deliveries[0].json["type"] == "heliostat.ping"
    window.looks_right("callback")

    target.name = "M 51a"
    target.save()
    drain_outbox()
    assert receiver.deliveries[1].json == {"name": "M 51a", "what": "updated"}
    window.open(f"/admin/heliostat_outbox/callback/?subscriber={hook.subscriber}")
    looks_right_as_a_list(window, "callbacks")
    page.get_by_role("link", name=str(Callback.objects.first().pk), exact=True).click()
    page.get_by_text("503").first.wait_for()
    page.get_by_role("button", name="Try now").click()
    page.get_by_text("as soon as a worker is free").wait_for()
    drain_outbox()
    page.reload()
    page.get_by_role("button", name="Send again").click()
    page.get_by_text("1 will be sent again").wait_for()
    drain_outbox()
    assert [one.id for one in receiver.wait_for(4)[1:]] == [receiver.deliveries[1].id] * 3
    page.reload()
    window.looks_right("callback-attempts", "#content")
    page.get_by_role("link", name="targets.target.updated").click()
    page.get_by_role("heading", name="Callbacks").wait_for()
    window.looks_right("event")
    window.open("/admin/heliostat_outbox/event/")
    looks_right_as_a_list(window, "events")
    WorkerSeen.objects.create(name="telescope:4711", started_at=timezone.now(), seen_at=timezone.now())
    window.open("/admin/heliostat_outbox/workerseen/")
    looks_right_as_a_list(window, "workers")


def test_all_that_failed_is_counted_and_then_sent_again(window: Window, receiver: Receiver) -> None:
    page = window.page
    log_in(window)
    Hook.objects.create(target_url=receiver.url, signals=["targets.target.*"])
    Target.objects.create(name="M 51", ra=202.47, dec=47.19)
    Callback.objects.update(status="error")
    other = Callback.objects.get()
    other.pk, other.status = None, "sent"
    other.subscriber = "code:observation_change_state:mytom.hooks.record_observation"
    other.save()
    window.open("/admin/heliostat_outbox/callback/")
    looks_right_as_a_list(window, "callbacks-of-all")
    page.get_by_role("link", name="Resend failed callbacks").click()
    page.get_by_role("button", name="Count them").click()
    page.get_by_text("would be sent again").wait_for()
    window.looks_right("send-failed")
    page.get_by_role("button", name="Send 1 again").click()
    page.get_by_text("1 will be sent again").wait_for()
    drain_outbox()
    assert len(receiver.deliveries) == 1


def test_a_hook_is_paused_and_resumed(window: Window, receiver: Receiver) -> None:
    page = window.page
    target = Target.objects.create(name="M 51", ra=202.47, dec=47.19)
    log_in(window)
    hook = make_hook(window, receiver.url)
    page.get_by_role("button", name="Pause").click()
    page.get_by_text("what happens waits").first.wait_for()
    target.name = "M 51a"
    target.save()
    drain_outbox()
    assert receiver.deliveries == []
    window.open("/admin/heliostat_webhooks/hook/")
    page.get_by_text("paused", exact=True).wait_for()
    looks_right_as_a_list(window, "hooks")
    page.get_by_role("link", name="Notify the telescope").click()
    page.get_by_role("button", name="Resume").click()
    page.get_by_text("beginning with what waited").wait_for()
    drain_outbox()
    assert len(receiver.deliveries) == 1
    assert not Hook.objects.get(pk=hook.pk).paused


@pytest.mark.parametrize("window", ["desktop"], indirect=True)
def test_without_a_script_the_preview_opens_on_a_page_of_its_own(window: Window) -> None:
    page = window.page
    Target.objects.create(name="M 51", ra=202.47, dec=47.19)
    log_in(window)
    window.page.route("**/heliostat_webhooks/admin.js", lambda route: route.fulfill(body=""))
    window.open("/admin/heliostat_webhooks/hook/add/")
    page.get_by_label("Model").select_option(label="Targets | target")
    page.locator("#id_target_url").fill("https://receiver.example.com/")
    with page.context.expect_page() as opened:
        page.get_by_role("button", name="Preview").click()
    opened.value.get_by_text("would be notified").wait_for()
    assert '"M 51"' in opened.value.locator("pre").inner_text()


def test_what_is_wrong_with_a_hook_is_said_beside_its_field(window: Window) -> None:
    page = window.page
    log_in(window)
    window.open("/admin/heliostat_webhooks/hook/add/")
    page.locator("#id_filters").fill("{")
    page.locator("#id_target_url").fill("ftp://x")
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator(".field-filters .errorlist").get_by_text(re.compile("no JSON")).wait_for()
    page.locator(".field-target_url .errorlist").get_by_text(re.compile("http")).wait_for()
    window.looks_right("hook-errors")


@pytest.mark.parametrize("window", ["desktop"], indirect=True)
def test_a_hook_is_made_with_the_keyboard_alone(window: Window) -> None:
    page = window.page
    log_in(window)
    window.open("/admin/heliostat_webhooks/hook/add/")
    page.locator("#id_signals_lines").focus()
    page.keyboard.type("weather.*")
    page.locator("#id_target_url").focus()
    page.keyboard.type("https://receiver.example.com/")
    page.keyboard.press("Enter")
    page.get_by_text("was added successfully").wait_for()
    assert Hook.objects.get().signals == ["weather.*"]


@pytest.mark.parametrize("window", ["desktop"], indirect=True)
def test_the_pages_of_hooks_are_dark_where_the_system_is(window: Window, receiver: Receiver) -> None:
    window.page.emulate_media(color_scheme="dark")
    Target.objects.create(name="M 51", ra=202.47, dec=47.19)
    log_in(window)
    make_hook(window, receiver.url, "hook-dark")
    window.open("/admin/heliostat_webhooks/hook/")
    window.looks_right("hooks-dark")
    window.page.get_by_role("link", name="Notify the telescope").click()
    window.looks_right("hook-dark")

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils.html import escape
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from heliostat.json_values import parse_json
from heliostat.webhooks.admin.forms import FILTER_EXAMPLES, HookForm
from heliostat.webhooks.api import create_hook
from heliostat.webhooks.filters import compiled
from heliostat.webhooks.models import Hook, Signal
from heliostat.webhooks.operations import disable, rotate_secret
from tests.example.models import Depot, Parcel, Vehicle
from tests.webhooks.admin.hook_form import ADD, URL, form, typed

pytestmark = pytest.mark.django_db


def test_what_is_ticked_and_what_is_written_come_together() -> None:
    filled = form(signals=["created", "weather.*\r\n crashed \n\ncreated"])
    assert filled.is_valid(), filled.errors
    assert filled.save().signals == ["created", "weather.*", "crashed"]


def test_a_json_list_is_understood_too() -> None:
    assert form(signals='["created", "updated"]').save().signals == ["created", "updated"]


def test_a_saved_hook_is_shown_as_it_would_be_typed() -> None:
    Signal.objects.create(name="tests.example.signals.broken_down")
    hook = form(signals=["created", "tests.example.signals.broken_down\ncrashed"]).save()
    page = HookForm(instance=hook).as_p()
    assert 'value="created" checked' in page
    assert 'value="tests.example.signals.broken_down" checked' in page
    assert ">\ncrashed</textarea>" in page
    unchanged = QueryDict(mutable=True)
    for name, value in typed().items():
        unchanged.appendlist(name, str(value))
    unchanged.setlist("signals", ["created", "tests.example.signals.broken_down", "crashed"])
    again = HookForm(unchanged, instance=hook)
    assert again.is_valid()
    assert again.changed_data == []


def test_only_models_that_may_be_hooked_are_offered(settings: Any) -> None:
    assert HookForm().fields["model"].queryset.filter(app_label="sessions").count() == 0
    settings.HOOK_ALLOWED_MODELS = ["example.Depot"]
    assert [str(model) for model in HookForm().fields["model"].queryset] == ["Example | depot"]


def test_a_model_that_was_allowed_once_stays_visible_and_is_refused_beside_its_field(settings: Any) -> None:
    hook = form().save()
    settings.HOOK_ALLOWED_MODELS = ["example.Depot"]
    data = QueryDict(mutable=True)
    data.update({name: str(value) for name, value in typed().items()})
    again = HookForm(data, instance=hook)
    assert "HOOK_ALLOWED_MODELS" in again.errors["model"][0]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("model", "", "needs a model"),
        ("model", "99999", "valid choice"),
        ("model", "99999999999999999999999999", "valid choice"),
        ("user", "99999999999999999999999999", "valid choice"),
        ("object_id", "12345", "There is no vehicle"),
        ("object_id", "9" * 200, "There is no vehicle"),
        ("object_id", "; DROP TABLE", "There is no vehicle"),
        ("object_id", "1\x00", "Null characters"),
        ("signals", "no.such.signals.path", "no.such"),
        ("signals", "[1]", "texts alone"),
        ("signals", '["a', "line 1, column 2"),
        ("signals", "[" * 100_000, "cannot be kept"),
        ("signals", '["a\\u0000"]', "NUL"),
        ("signals", "a\x00", "no name"),
        ("signals", "x" * 5000, "no name"),
        ("signals", "\n".join(f"action{number}" for number in range(500)), "at most"),
        ("filters", "{", "line 1, column 2"),
        ("filters", "1" * 5000, "cannot be kept"),
        ("filters", "[" * 100_000, "cannot be kept"),
        ("filters", '{"a": 1e999}', "cannot be kept"),
        ("filters", '{"a": "\\ud800"}', "cannot be kept"),
        ("target_url", "ftp://x", "http"),
        ("target_url", "http://10.0.0.1/", "must not be called"),
        ("target_url", "http://[", "no address"),
        ("target_url", "http://x/\x00", "Null characters"),
        ("http_method", "HEAD", "valid choice"),
        ("headers", "no colon", "no colon"),
        ("headers", "Host: x", "set by Heliostat"),
        ("headers", '{"a": [1]}', "no JSON object"),
        ("headers", "a: b\n" * 20_000, "longer than"),
        ("content_type", "json", "no content type"),
        ("payload_template", '{"a": }', "line 1, column 7"),
        ("payload_template", "x" * 100_000, "longer than"),
        ("payload_template", '"{{instance.api_token}}"', "secret"),
        ("serializer_class", "no.such.Serializer", "cannot be imported"),
        ("serializer_class", "..", "cannot be imported"),
        ("max_per_second", "-1", "greater than"),
        ("max_per_second", "nan", "number"),
        ("max_concurrent", "0", "greater than"),
        ("max_concurrent", "99999999999999999999", "less than"),
        ("signature", "v9", "valid choice"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(field: str, value: str, words: str) -> None:
    filled = form(**{field: value})
    assert set(filled.errors) - {"__all__"} == {field}
    assert words in " ".join(filled.errors[field])


def test_each_example_of_a_filter_is_one() -> None:
    for _, example in FILTER_EXAMPLES:
        compiled(parse_json(example), ["*.*"])
    assert str(escape(FILTER_EXAMPLES[0][1])) in form().as_p()


def test_an_object_is_found_whatever_its_key_is() -> None:
    depot, parcel = Depot.objects.create(name="North"), Parcel.objects.create(weight=1)
    for thing in (depot, parcel):
        model = ContentType.objects.get_for_model(thing).pk
        assert form(model=model, object_id=str(thing.pk)).is_valid()
    wrong = form(model=ContentType.objects.get_for_model(Parcel).pk, object_id="7")
    assert list(wrong.errors) == ["object_id"]


def test_a_hook_whose_object_is_gone_can_still_be_edited() -> None:
    bus = Vehicle.objects.create(name="55")
    hook = form(object_id=str(bus.pk)).save()
    bus_id = str(bus.pk)
    bus.delete()
    data = QueryDict(mutable=True)
    data.update({name: str(value) for name, value in typed(object_id=bus_id, name="new").items()})
    edited = HookForm(data, instance=hook)
    assert edited.is_valid(), edited.errors


def test_an_object_needs_its_model() -> None:
    assert "model" in form(model="", object_id="1", signals="weather.*").errors


anything = st.text() | st.sampled_from(
    [
        "\x00",
        "[",
        "{",
        "[]",
        "{}",
        "null",
        '{"changed": 1}',
        "1e999",
        "-1",
        "9" * 30,
        "created",
        URL,
        "a: b",
        "{{",
        "']",
    ]
)
FIELDS = sorted(HookForm.base_fields)


@pytest.mark.sweep
@pytest.mark.django_db(databases="__all__")
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.dictionaries(st.sampled_from(FIELDS), anything, max_size=6))
def test_nothing_that_is_typed_breaks_the_form(site_on: str, values: dict[str, str]) -> None:
    with contextlib.suppress(Rollback), transaction.atomic(using=site_on):
        filled = form(**values)
        if filled.is_valid():
            filled.save()
        else:
            assert filled.as_p()
        raise Rollback


class Rollback(Exception):
    pass


def test_the_page_shows_the_error_and_what_was_typed(admin_client: Any) -> None:
    page = admin_client.post(ADD, typed(signals="[<b>", filters="{<i>")).content.decode()
    assert "[&lt;b&gt;" in page
    assert "{&lt;i&gt;" in page
    assert "<b>" not in page
    assert page.count("This is no JSON") == 2
    assert not Hook.objects.exists()


def test_who_may_only_look_sees_the_hook(client: Any, django_user_model: Any) -> None:
    from django.contrib.auth.models import Permission

    hook = form(signals="created").save()
    viewer = django_user_model.objects.create_user("vera", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_hook"))
    client.force_login(viewer)
    page = client.get(reverse("admin:heliostat_webhooks_hook_change", args=[hook.pk]))
    assert page.status_code == 200
    assert "created" in page.content.decode()


def test_of_two_people_at_one_hook_the_second_undoes_nothing_unseen(admin_client: Client) -> None:
    hook = create_hook(model="vehicle", target_url=URL, name="one")
    page = f"/admin/heliostat_webhooks/hook/{hook.pk}/change/"
    seen = admin_client.get(page).context["adminform"].form.initial["seen"]
    assert f'name="seen" value="{seen}"' in admin_client.get(page).content.decode()
    assert admin_client.post(page, typed(name="two", seen=seen)).status_code == 302
    refused = admin_client.post(page, typed(name="one", max_concurrent="3", seen=seen))
    assert "was changed since you opened the page" in refused.content.decode()
    assert Hook.objects.values_list("name", "max_concurrent").get() == ("two", None)
    seen = admin_client.get(page).context["adminform"].form.initial["seen"]
    admin_client.post(page, typed(name="two", max_concurrent="3", seen=seen))
    assert Hook.objects.values_list("name", "max_concurrent").get() == ("two", 3)


def test_a_form_that_is_saved_brings_back_no_old_secret_and_enables_nothing(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = create_hook(model="vehicle", target_url=URL)
    secrets: list[str] = []
    clean = HookForm.clean

    def meanwhile(form: HookForm) -> Any:
        other = Hook.objects.get()
        secrets.append(rotate_secret(other))
        disable(other, "gone")
        return clean(form)

    monkeypatch.setattr(HookForm, "clean", meanwhile)
    page = f"/admin/heliostat_webhooks/hook/{hook.pk}/change/"
    assert admin_client.post(page, typed(name="two")).status_code == 302
    stored = Hook.objects.get()
    assert (stored.name, stored.reveal_secret(), stored.enabled) == ("two", secrets[0], False)
    assert stored.disabled_because == "gone"


def test_the_form_shows_the_event_types_that_the_site_declares(admin_client: Any, settings: Any) -> None:
    settings.HELIOSTAT_EVENT_TYPES = {"shop.order.paid": "Money <came>."}
    page = admin_client.get(ADD).content.decode()
    assert "<dt><code>shop.order.paid</code></dt><dd>Money &lt;came&gt;.</dd>" in page

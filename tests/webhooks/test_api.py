"""`create_hook` and `create_signal`: the validation of everywhere, all or nothing."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError

from heliostat.targets.models import Target
from heliostat.webhooks.api import create_hook, create_signal
from heliostat.webhooks.exceptions import (
    InvalidExpiryError,
    InvalidHeadersError,
    InvalidModelError,
    InvalidPayloadError,
    InvalidSignalError,
    InvalidTargetError,
)
from heliostat.webhooks.models import Hook, Signal
from tests.example.models import Vehicle
from tests.webhooks.payload_hooks import URL

pytestmark = pytest.mark.django_db

CUSTOM = "tests.example.signals.broken_down"


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("vehicle", Vehicle),
        ("example.Vehicle", Vehicle),
        (Vehicle, Vehicle),
        ("user", "auth.user"),
        ("heliostat_targets.target", Target),
        ("targets.target", Target),
    ],
)
def test_a_model_has_many_names(name: Any, model: Any) -> None:
    expected = get_user_model() if model == "auth.user" else model
    assert create_hook(model=name, target_url=URL).model == ContentType.objects.get_for_model(expected)


def test_a_content_type_will_do_and_no_model_where_events_are_named() -> None:
    content_type = ContentType.objects.get_for_model(Vehicle)
    assert create_hook(model=content_type, target_url=URL).model == content_type
    assert create_hook(signals=["weather.*"], target_url=URL).patterns == ("weather.*",)


def test_headers_may_be_a_dict() -> None:
    assert create_hook(model="vehicle", target_url=URL, headers={"a": "1"}).headers == '{"a": "1"}'


def test_signals_are_paths_or_rows_and_are_remembered_once() -> None:
    row = create_signal(signal=CUSTOM)
    made = create_hook(
        model="vehicle", signals=[row, "created", "django.db.models.signals.post_delete"], target_url=URL
    )
    assert made.signals == [CUSTOM, "created", "django.db.models.signals.post_delete"]
    assert create_signal(CUSTOM) == row
    assert set(map(str, Signal.objects.all())) == set(made.signals) - {"created"}


@pytest.mark.parametrize(
    ("wrong", "error", "words"),
    [
        ({"model": "vehicel"}, InvalidModelError, "Did you mean vehicle"),
        ({"model": "example.event"}, InvalidModelError, "no model"),
        ({"signals": ["tests.example.signals.missing"]}, InvalidSignalError, "missing"),
        ({"target_url": "ftp://x"}, InvalidTargetError, "http"),
        ({"headers": "no colon"}, InvalidHeadersError, "colon"),
        ({"headers": {"Host": "x"}}, InvalidHeadersError, "Host"),
        ({"payload_template": "{"}, InvalidPayloadError, "line 1"),
        ({"serializer_class": "a.B"}, InvalidPayloadError, "cannot be imported"),
        ({"http_method": "STEAL"}, ValidationError, "STEAL"),
        ({"target_url": ""}, InvalidTargetError, "blank"),
        ({"target_url": f"{URL}{'x' * 2000}"}, InvalidTargetError, "2000"),
        ({"content_type": None}, InvalidHeadersError, "content_type"),
        ({"name": "x" * 201}, ValidationError, "name.*200"),
        ({"serializer_class": "a.b" * 100}, InvalidPayloadError, "255"),
        ({"max_concurrent": 0}, ValidationError, "max_concurrent"),
        ({"max_per_second": -1}, ValidationError, "max_per_second"),
        ({"max_per_second": float("nan")}, ValidationError, "max_per_second"),
        ({"max_per_second": float("inf")}, ValidationError, "max_per_second"),
        ({"expires_at": "soon"}, InvalidExpiryError, "soon"),
        ({"paused": None}, ValidationError, "paused"),
        ({"ordered": "maybe"}, ValidationError, "ordered"),
        ({"signals": "created"}, InvalidSignalError, "list"),
    ],
)
def test_what_cannot_work_makes_nothing(wrong: dict[str, Any], error: type[Exception], words: str) -> None:
    right = {"model": "vehicle", "signals": [CUSTOM], "target_url": URL}
    with pytest.raises(error, match=words):
        create_hook(**{**right, **wrong})
    assert not Hook.objects.exists()
    assert not Signal.objects.exists()


def test_all_that_is_wrong_is_said_at_once_under_its_field_and_none_is_an_empty_text() -> None:
    with pytest.raises(InvalidTargetError) as raised:
        Hook.objects.create(
            target_url="ftp://x", signals=5, payload_template="{", headers="no colon", http_method="HEAD"
        )
    assert set(raised.value.error_dict) == {"target_url", "signals", "headers", "http_method"}
    assert create_hook(model="vehicle", target_url=URL, name=None, headers=None).headers == ""


def test_a_name_that_two_apps_have_needs_its_app(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.apps import apps

    monkeypatch.setattr(Target._meta, "model_name", "vehicle")
    assert {Target, Vehicle} <= set(apps.get_models())
    with pytest.raises(InvalidModelError, match=r"example\.vehicle"):
        create_hook(model="vehicle", target_url=URL)
    assert create_hook(model="example.vehicle", target_url=URL).pk


@pytest.mark.parametrize("path", ["nothing", "no.such.signals.thing", "heliostat.webhooks.models.Hook", "a.signals."])
def test_a_path_that_leads_to_no_signal_is_no_signal(path: str) -> None:
    with pytest.raises(InvalidSignalError):
        create_signal(path)
    with pytest.raises(InvalidSignalError):
        Signal.objects.create(name=path)
    assert not Signal.objects.exists()

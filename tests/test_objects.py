"""Keys that requests name: every spelling gives an object or none, and no database fails."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.http import Http404

from heliostat.alerts.models import AlertRun
from heliostat.objects import find_object, get_object, parse_key
from heliostat.outbox.models import WorkerSeen
from heliostat.targets.models import Target

ODD = (
    "", "9" * 5000, str(2**63), "-" + "9" * 19, "1.0", "+1", " 1", "1_0", "٣", "１", "²", "\x00", "1\x00", "\ud800",
    "x" * 300, None, True, 1.5, 2**70, [], ["1"], {}, object(),
)  # fmt: skip


@pytest.mark.django_db(databases="__all__")
@pytest.mark.parametrize("key", ODD, ids=lambda key: ascii(key)[:12])
@pytest.mark.parametrize("model", [Target, AlertRun, WorkerSeen], ids=["number", "uuid", "text"])
def test_an_odd_key_names_no_object(using: str, model: Any, key: object) -> None:
    assert find_object(model._base_manager.using(using), key) is None
    with pytest.raises(Http404):
        get_object(model._base_manager.using(using), key)


@pytest.mark.django_db(databases="__all__")
def test_a_key_is_found_as_text_and_as_number(using: str) -> None:
    target = Target.objects.using(using).create(name="M42")
    for key in (target.pk, str(target.pk), f"00{target.pk}"):
        assert find_object(Target.objects.using(using), key) == target


def test_a_key_has_the_type_that_its_model_gives_it() -> None:
    assert parse_key(User, "7") == 7
    assert parse_key(AlertRun, str(uuid.UUID(int=1))) == uuid.UUID(int=1)
    assert parse_key(WorkerSeen, "host-1") == "host-1"
    with pytest.raises(ValidationError, match="is not a key"):
        parse_key(User, "seven")

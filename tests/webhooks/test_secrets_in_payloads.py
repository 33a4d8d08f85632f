"""No payload holds a secret, from wherever it comes: emitted, serialized, said by a model, or pointed to by a value."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import Count, Exists, F, Subquery
from django.db.models.expressions import RawSQL
from django.db.models.functions import Upper
from django.dispatch import Signal
from django.forms.models import model_to_dict
from django.test import RequestFactory
from django.utils import timezone
from rest_framework import serializers
from rest_framework.authtoken.models import Token

import heliostat
from heliostat.events.event import Event
from heliostat.outbox.bodies import event_from
from heliostat.outbox.models import Callback
from heliostat.outbox.models import Event as EventRow
from heliostat.webhooks.models import Hook
from heliostat.webhooks.templates import compiled
from tests.example.models import Badge, Depot, Door, Vehicle
from tests.example.signals import broken_down
from tests.webhooks.payload_hooks import URL, callback_bodies, hook, problems

pytestmark = pytest.mark.django_db(databases="__all__")

SECRET = "s3cr3t"
SECRETS = {"password": SECRET, "items": [{"apiKey": SECRET, "n": 1}], "X-Api-Key": SECRET, "name": "a"}
PUBLIC = {"items": [{"n": 1}], "name": "a"}


@pytest.fixture
def token(using: str, settings: Any) -> Token:
    settings.HELIOSTAT_SILENT = []
    with heliostat.quiet():
        user = User.objects.db_manager(using).create_user("ada")
        return Token.objects.using(using).create(user=user, key=SECRET)


def everything(using: str) -> str:
    rows = EventRow.objects.using(using).values_list("object_id", "body", "context")
    callbacks = Callback.objects.using(using).values_list("body", "ordering_key", "status_details")
    return str([*rows, *callbacks])


@dataclass
class Account:
    owner: str
    signing_key: str


def test_a_payload_and_arguments_that_are_emitted(using: str) -> None:
    Hook.objects.create(target=URL, signals=["weather.*"])
    account = {"account": Account("ada", SECRET)}
    heliostat.emit("weather.station.storm", payload=SECRETS | account, arguments=SECRETS, using=using)
    assert json.loads(callback_bodies(using)[0] or "") == PUBLIC | {"account": {"owner": "ada"}}
    body = json.loads(EventRow.objects.using(using).get().body)
    assert (body["payload"], body["arguments"]) == (PUBLIC | {"account": {"owner": "ada"}}, PUBLIC)
    assert SECRET not in everything(using)


def test_what_is_exposed_of_a_payload_is_sent(settings: Any) -> None:
    settings.HELIOSTAT_EXPOSE = {"weather.station": ["payload.apiKey", "arguments.password"]}
    Hook.objects.create(target=URL, signals=["weather.*"])
    heliostat.emit("weather.station.storm", payload=SECRETS, arguments=SECRETS)
    assert json.loads(callback_bodies()[0] or "") == PUBLIC | {"items": [{"apiKey": SECRET, "n": 1}]}
    assert json.loads(EventRow.objects.get().body)["arguments"]["password"] == SECRET


class DoorSerializer(serializers.ModelSerializer):
    extra = serializers.SerializerMethodField()

    class Meta:
        model = Door
        fields = ("id", "name", "opener", "extra")

    def get_extra(self, door: Door) -> Any:
        return SECRETS


class DeepDoorSerializer(DoorSerializer):
    class Meta(DoorSerializer.Meta):
        depth = 1


@pytest.mark.parametrize("serializer", ["DoorSerializer", "DeepDoorSerializer"])
def test_a_serializer_writes_no_key_of_a_token(serializer: str, using: str, token: Token) -> None:
    hook(Door, serializer_class=f"{__name__}.{serializer}")
    Door(name="north", opener=token).save(using=using)
    sent = json.loads(callback_bodies(using)[0] or "")
    assert (sent["name"], sent["extra"]) == ("north", PUBLIC)
    assert SECRET not in everything(using)


@pytest.mark.parametrize("way", ["static", "dynamic"])
def test_a_model_s_own_payload_holds_no_key_of_a_token(
    way: str, using: str, token: Token, monkeypatch: pytest.MonkeyPatch
) -> None:
    def says(self: Any, *_: Any) -> dict[str, Any]:
        return {**model_to_dict(self), "opener_id": self.opener_id, "holder": token, "json": SECRETS, "otp": SECRET}

    monkeypatch.setattr(Door, f"get_{way}_payload", says, raising=False)
    hook(Door)
    Door(name="north", opener=token).save(using=using)
    assert json.loads(callback_bodies(using)[0] or "")["json"] == PUBLIC
    assert SECRET not in everything(using)


@pytest.mark.parametrize(
    "path", ["opener", "opener_id", "opener.pk", "opener.key", "pk", "id", "holder", "holder_id", "holder.pk"]
)
def test_a_template_gets_no_key_of_a_token(path: str, using: str, token: Token) -> None:
    one = Hook.objects.create(target=URL, signals=["example.*"], ordered=True)
    Hook.objects.update(payload_template='{"value": {{instance.%s}}, "object": {{object_id}}}' % path)  # noqa: UP031
    Badge(holder=token, colour="red").save(using=using)
    Door(name="north", opener=token).save(using=using)
    assert SECRET not in everything(using)
    assert [json.loads(body or "")["object"] is None for body in callback_bodies(using)] == [True, False]
    assert one.pk


def test_such_a_template_is_refused_where_the_model_is_known() -> None:
    for path in ("opener", "opener_id"):
        with pytest.raises(ValidationError, match="secret"):
            hook(Door, payload_template='{"value": {{instance.%s}}}' % path)  # noqa: UP031


def test_filters_are_no_oracle_of_secrets(using: str) -> None:
    for filters in (
        {"payload": "password", "startswith": "s3"},
        {"payload": "items", "contains": {"apiKey": SECRET, "n": 1}},
        {"argument": "password", "eq": SECRET},
    ):
        Hook.objects.create(target=URL, signals=["weather.*"], filters=filters)
    heliostat.emit("weather.station.storm", payload=SECRETS, arguments=SECRETS, using=using)
    assert callback_bodies(using) == []


def test_an_argument_of_a_signal_that_is_no_data_is_the_name_of_its_type(using: str) -> None:
    hook(signals=["tests.example.signals.broken_down"])
    request = RequestFactory().get("/reset/?code=" + SECRET)
    bus = Vehicle.objects.using(using).create(name="55")
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5)
    assert isinstance(broken_down, Signal)
    broken_down.send(
        sender=Vehicle,
        instance=bus,
        request=request,
        many=[request, 7],
        sets={3},
        when=moment,
        depots=Depot.objects.none(),
    )
    assert problems(using) == []
    (row,) = EventRow.objects.using(using).all()
    arguments = json.loads(row.body)["arguments"]
    assert arguments == {
        "request": "<WSGIRequest>", "many": ["<WSGIRequest>", 7], "sets": [3], "when": "2026-01-02T03:04:05Z",
        "depots": [],
    }  # fmt: skip
    assert SECRET not in everything(using)


def test_times_have_an_offset_in_every_part_of_a_body(settings: Any) -> None:
    settings.USE_TZ = False
    settings.TIME_ZONE = "Europe/Berlin"
    naive = datetime.datetime(2026, 7, 1, 12)
    names = {"bought": "instance.bought", "at": "timestamp", "changes": "changes", "when": "when", "in": "facts"}
    template = "{" + ", ".join(f'"{key}": {{{{{name}}}}}' for key, name in names.items()) + "}"
    hook(payload_template=template, signals=["created", "updated", "crashed"])
    bus = Vehicle.objects.create(name="55", bought=datetime.datetime(2026, 1, 1, 12))
    bus.bought = naive
    bus.save()
    heliostat.emit("crashed", bus, arguments={"when": naive, "facts": [{"at": naive}]})
    created, updated, crashed = (json.loads(body or "") for body in callback_bodies())
    assert (created["bought"], updated["bought"]) == ("2026-01-01T12:00:00+01:00", "2026-07-01T12:00:00+02:00")
    assert updated["changes"] == {"bought": [created["bought"], updated["bought"]]}
    assert (crashed["when"], crashed["in"]) == ("2026-07-01T12:00:00+02:00", [{"at": "2026-07-01T12:00:00+02:00"}])
    for row in EventRow.objects.all():
        body = json.loads(row.body)
        assert body["timestamp"][-6:] in ("+01:00", "+02:00")
        assert body["object_serialization"]["bought"][-6:] in ("+01:00", "+02:00")
        event = event_from(row.body, row.context, "default")
        assert timezone.is_naive(event.time)
        assert timezone.is_naive(event.instance.bought), "as the site has it, for a function in a worker"
    assert timezone.is_naive(bus.bought)


class Login(NamedTuple):
    name: str
    password: str


def _rows_of_users() -> dict[str, tuple[Any, Any]]:
    """Querysets of rows, and what may be sent of them."""
    users, ada = User.objects.order_by("pk"), "ada"
    every = User.objects.order_by()
    return {
        "values": (users.values("username", "password"), [{"username": ada}]),
        "list": (users.values_list("username", "password"), [[ada, None]]),
        "named": (users.values_list("username", "password", named=True), [[ada, None]]),
        "flat": (users.values_list("password", flat=True), [None]),
        "relation": (users.values("username", "auth_token", "auth_token__pk"), [{"username": ada}]),
        "annotation": (users.annotate(x=Upper("password"), y=F("auth_token__pk")).values("username", "x", "y"),
                       [{"username": ada}]),
        "key": (Token.objects.values("pk", "user__username"), [{"user__username": ada}]),
        "subquery": (Token.objects.values(x=Subquery(users.values("password")[:1])), [{}]),
        "subquery in a function": (Token.objects.values_list(Upper(Subquery(users.values("password")[:1]))), [[None]]),
        "union": (every.values_list("username").union(every.values_list("password")), [[None]] * 2),
        "union in another order": (
            every.values_list("username", "password").union(every.values_list("password", "username")), [[None] * 2] * 2
        ),
        "raw": (users.values("username", x=RawSQL("upper(password)", ())), [{"username": ada}]),
        "extra": (users.extra(select={"x": "password"}).values("username", "x"), [{"username": ada}]),
        "whether there is one": (users.values(x=Exists(Token.objects.filter(key=SECRET))), [{"x": True}]),
        "number": (users.annotate(n=Count("auth_token")).values_list("n", flat=True), [1]),
        "named tuple": (Login(ada, SECRET), [ada, None]),
        "deep": ({"a": [users.values("password")]}, {"a": [[{}]]}),
    }  # fmt: skip


@pytest.mark.parametrize(
    "kind",
    [
        "values", "list", "named", "flat", "relation", "annotation", "key", "subquery", "subquery in a function",
        "union", "union in another order", "raw", "extra", "whether there is one", "number", "named tuple", "deep",
    ],
)  # fmt: skip
def test_rows_of_a_queryset_hold_no_secrets_in_payloads_arguments_and_templates(kind: str) -> None:
    Token.objects.create(user=User.objects.create(username="ada", password=SECRET), key=SECRET)
    rows, public = _rows_of_users()[kind]
    hook(signals=["crashed"])
    hook(signals=["crashed"], payload_template='{"rows": {{rows}}}')
    bus = Vehicle.objects.create(name="55")
    heliostat.emit("crashed", bus, arguments={"rows": rows})
    heliostat.emit("crashed", bus, payload={"rows": rows})
    bodies = [json.loads(row.what_is_sent) for row in Callback.objects.select_related("event").order_by("id")]
    assert [body.get("arguments", body)["rows"] for body in bodies] == [public] * 4
    assert SECRET not in everything("default")


def test_a_plain_attribute_of_an_object_holds_no_secrets_in_templates() -> None:
    bus = Vehicle.objects.create(name="55")
    bus.extra = {"password": SECRET, "a": {"pin": SECRET, "b": 1}}  # type: ignore[attr-defined]
    event = Event(resource="example.vehicle", action="updated", object_id=str(bus.pk), instance=bus)
    template = '{"all": {{instance.extra}}, "one": {{instance.extra.password}}, "two": {{instance.extra.a.pin}}}'
    body = json.loads(compiled(template, "application/json").render(event))
    assert body == {"all": {"a": {"b": 1}}, "one": None, "two": None}

"""A payload never holds what the owner of its hook may not view, wherever a template gets it from."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db.models import Exists, F, OuterRef, Subquery
from django.db.models.expressions import RawSQL

import heliostat
from heliostat.events.matching import registry
from heliostat.webhooks.models import Hook
from heliostat.webhooks.permissions import forget_answers
from tests.example.models import Depot, Note, Tram, Vehicle
from tests.webhooks.payload_hooks import URL, callback_bodies, hook

pytestmark = pytest.mark.django_db(databases="__all__")

TEMPLATE = """{
    "name": {{instance.name}}, "key": {{instance.pk}}, "depot_key": {{instance.depot}},
    "depot_id": {{instance.depot_id}},
    "depot": {{instance.depot.name}}, "depot_pk": {{instance.depot.pk}}, "changes": {{changes}}, "type": {{event_type}},
    "object": {{object_id}}
}"""


@pytest.fixture(autouse=True)
def nothing_known() -> None:
    forget_answers()


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", email="ada@example.com")


def allowed(user: User, *models: str) -> None:
    user.user_permissions.set(Permission.objects.filter(codename__in=[f"view_{name}" for name in models]))


def of(user: User, template: str = TEMPLATE, **options: Any) -> Hook:
    return hook(user=user, payload_template=template, enforce_permissions=True, **options)


def sent(using: str = "default") -> Any:
    return json.loads(callback_bodies(using)[-1] or "")


def test_related_objects_that_may_not_be_viewed_are_null_and_their_keys_are_not(using: str, ada: User) -> None:
    allowed(ada, "vehicle")
    of(ada)
    depot = Depot.objects.using(using).create(name="secret depot")
    bus = Vehicle.objects.using(using).create(name="55", depot=depot)
    assert sent(using) == {
        "name": "55", "key": bus.pk, "depot_key": depot.pk, "depot_id": depot.pk, "depot": None, "depot_pk": None,
        "changes": {}, "type": "created", "object": bus.pk,
    }  # fmt: skip
    allowed(ada, "vehicle", "depot")
    bus.save()
    assert (sent(using)["depot"], sent(using)["depot_pk"]) == ("secret depot", depot.pk)


def test_an_object_that_may_not_be_viewed_itself_is_null_with_its_key_and_changes(using: str, ada: User) -> None:
    allowed(ada, "depot")
    of(ada)
    depot = Depot.objects.using(using).create(name="North")
    bus = Vehicle.objects.using(using).create(name="55", depot=depot)
    bus.name = "56"
    bus.save()
    assert sent(using) == {**dict.fromkeys(sent(using)), "type": "updated"}
    bus.delete()
    assert sent(using) == {**dict.fromkeys(sent(using)), "type": "deleted"}


def test_arguments_of_an_event_are_asked_about_too(using: str, ada: User) -> None:
    allowed(ada, "vehicle")
    names = ("driver", "driver.email", "facts.driver.email", "facts.driver", "drivers", "plain", "all")
    template = json.dumps({name: f"<{name}>" for name in names}).replace('"<', "{{").replace('>"', "}}")
    of(ada, template, signals=["crashed"])
    bus = Vehicle.objects.using(using).create(name="55")
    driver = User.objects.db_manager(using).create_user("bob", email="bob@example.com")
    everybody = User.objects.using(using).order_by("pk")
    arguments = {
        "driver": driver, "facts": {"driver": driver, "speed": 3}, "drivers": [driver, bus, 7], "plain": 7,
        "all": everybody,
    }  # fmt: skip
    heliostat.emit("crashed", bus, arguments=arguments)
    assert sent(using) == {
        "driver": None, "driver.email": None, "facts.driver.email": None, "facts.driver": None,
        "drivers": [None, bus.pk, 7], "plain": 7, "all": None,
    }  # fmt: skip
    allowed(ada, "vehicle", "user")
    heliostat.emit("crashed", bus, arguments=arguments)
    assert sent(using) == {
        "driver": driver.pk, "driver.email": "bob@example.com", "facts.driver.email": "bob@example.com",
        "facts.driver": driver.pk, "drivers": [driver.pk, bus.pk, 7], "plain": 7,
        "all": [one.pk for one in everybody],
    }  # fmt: skip


def test_a_generic_relation_and_a_reverse_one_are_asked_about(using: str, ada: User) -> None:
    allowed(ada, "note")
    depot = Depot.objects.using(using).create(name="secret depot")
    template = '{"key": {{instance.object_id}}, "subject": {{instance.subject}}, "name": {{instance.subject.name}}}'
    of(ada, template, model=Note)
    kind = ContentType.objects.db_manager(using).get_for_model(Depot)
    note = Note.objects.using(using).create(text="a", content_type_id=kind.pk, object_id=str(depot.pk))
    assert sent(using) == {"key": str(depot.pk), "subject": str(depot.pk), "name": None}
    allowed(ada, "note", "depot")
    note.save()
    assert sent(using)["name"] == "secret depot"


class OfOneDepot(BaseBackend):
    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        return perm == "example.view_depot" and obj is not None and obj.name == "hers"


def test_a_permission_for_one_object_is_enough_for_it(using: str, ada: User, settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = [*settings.AUTHENTICATION_BACKENDS, f"{__name__}.OfOneDepot"]
    allowed(ada, "vehicle")
    of(ada)
    for name, shown in (("hers", "hers"), ("another", None)):
        Vehicle.objects.using(using).create(name="55", depot=Depot.objects.using(using).create(name=name))
        assert sent(using)["depot"] == shown


def test_a_permission_for_one_object_that_was_never_saved_is_none_for_another(ada: User, settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = [*settings.AUTHENTICATION_BACKENDS, f"{__name__}.OfOneDepot"]
    allowed(ada, "vehicle")
    of(ada, '{"hers": {{one.name}}, "another": {{other.name}}}', signals=["crashed"])
    bus = Vehicle.objects.create(name="55")
    heliostat.emit("crashed", bus, arguments={"one": Depot(name="hers"), "other": Depot(name="another")})
    assert sent() == {"hers": "hers", "another": None}


def test_a_hook_of_the_site_and_one_that_code_made_for_a_user_are_not_asked(ada: User) -> None:
    hook(payload_template=TEMPLATE)
    hook(user=ada, payload_template=TEMPLATE)
    Vehicle.objects.create(name="55", depot=Depot.objects.create(name="North"))
    assert [json.loads(body or "")["depot"] for body in callback_bodies()] == ["North", "North"]


def test_a_superuser_is_sent_everything_and_an_inactive_user_nothing(ada: User) -> None:
    User.objects.update(is_superuser=True)
    of(ada)
    depot = Depot.objects.create(name="North")
    Vehicle.objects.create(name="55", depot=depot)
    assert sent()["depot"] == "North"
    User.objects.update(is_active=False)
    Vehicle.objects.create(name="55", depot=depot)
    assert (sent()["name"], sent()["depot"]) == (None, None)


def test_permissions_are_asked_once_for_all_hooks_and_places(ada: User, django_assert_max_num_queries: Any) -> None:
    allowed(ada, "vehicle")
    of(ada)
    depot = Depot.objects.create(name="North")
    Vehicle.objects.create(name="warm", depot=depot)
    counts = []
    for more in (0, 9):
        for _ in range(more):
            of(ada)
        registry.matcher
        with django_assert_max_num_queries(20) as context:
            Vehicle.objects.create(name="55", depot_id=depot.pk)
        counts.append(len(context))
    assert counts[0] == counts[1]


def test_the_object_does_not_remember_what_a_template_fetched(using: str, django_assert_num_queries: Any) -> None:
    hook(payload_template='{"depot": {{instance.depot.name}}}')
    depot = Depot.objects.using(using).create(name="North")
    bus = Vehicle.objects.using(using).create(name="55", depot_id=depot.pk)
    assert sent(using) == {"depot": "North"}
    with heliostat.quiet():
        Depot.objects.using(using).update(name="South")
    assert bus.depot is not None
    assert bus.depot.name == "South", "as without Heliostat: it was not loaded before"


def test_secrets_are_null_in_templates_who_asks(using: str) -> None:
    template = (
        '{"inner": {{instance.plan.api_key}}, "plan": {{instance.plan}}, "argument": {{credentials}}, '
        '"nested": {{facts}}, "deep": {{facts.password}}}'
    )
    Hook.objects.create(
        model=ContentType.objects.get_for_model(Vehicle), target=URL, payload_template=template, signals=["crashed"]
    )
    bus = Vehicle.objects.using(using).create(name="55", plan={"api_key": "s3cr3t", "stops": 3})
    facts = {"password": "s3cr3t", "speed": [{"pin": "s3cr3t", "value": 1}]}
    heliostat.emit("crashed", bus, arguments={"credentials": "s3cr3t", "facts": facts})
    assert sent(using) == {
        "inner": None, "plan": {"stops": 3}, "argument": None, "nested": {"speed": [{"value": 1}]}, "deep": None
    }  # fmt: skip


def test_the_default_body_and_a_payload_of_the_caller_hold_no_objects_that_may_not_be_viewed(
    using: str, ada: User
) -> None:
    """Rows, too, that reach such objects over a relation."""
    allowed(ada, "vehicle")
    hook(user=ada, enforce_permissions=True, signals=["crashed"])
    depot = Depot.objects.using(using).create(name="secret depot")
    bus = Vehicle.objects.using(using).create(name="55", depot=depot)
    rows = Vehicle.objects.using(using)
    facts = {"depot": depot, "plain": 7, "depots": Depot.objects.using(using).values("name"),
             "over": rows.values("depot__name"), "own": rows.values("name"),
             "named": rows.annotate(x=F("depot__name")).values("x"),
             "inner": rows.values(x=Subquery(Depot.objects.filter(pk=OuterRef("depot")).values("name")[:1])),
             "exists": rows.values(x=Exists(Depot.objects.filter(name="secret depot"))),
             "union": rows.values_list("name").union(Depot.objects.using(using).values_list("name")),
             "raw": rows.values(x=RawSQL("(SELECT name FROM example_depot)", ()))}  # fmt: skip
    hidden = {"depot": None, "plain": 7, "depots": None, "over": None, "own": [{"name": "55"}], "named": None,
              "inner": None, "exists": None, "union": None, "raw": None}  # fmt: skip
    heliostat.emit("crashed", bus, arguments=facts)
    assert sent(using)["arguments"] == hidden
    heliostat.emit("crashed", bus, payload=facts)
    assert sent(using) == hidden
    allowed(ada, "vehicle", "depot")
    del facts["raw"]  # which may read anything
    heliostat.emit("crashed", bus, arguments=facts)
    assert callback_bodies(using)[-1] is None, "nothing is hidden: it is the event's own body"


def test_of_an_inherited_object_the_parent_s_event_is_viewed_with_permission_for_the_parent(
    using: str, ada: User
) -> None:
    allowed(ada, "vehicle")
    of(ada, '{"name": {{instance.name}}, "line": {{instance.tram.line}}, "key": {{object_id}}}')
    tram = Tram.objects.using(using).create(name="T", line=5)
    assert sent(using) == {"name": "T", "line": None, "key": tram.pk}

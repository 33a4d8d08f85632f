"""A link, a prefetch or a crawler changes nothing: no address of the project writes on GET or HEAD."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from heliostat.alerts.models import AlertRun, BrokerQuery
from heliostat.dataproducts.models import DataProduct
from heliostat.observations.models import ObservationRecord
from heliostat.outbox.models import Callback, Event
from heliostat.targets.models import Target
from heliostat.webhooks.models import Hook
from tests.console.addresses import addresses

pytestmark = pytest.mark.django_db


def everything() -> dict[str, list[Any]]:
    """All rows, but those of sessions, which know who asks."""
    tables = connection.introspection.table_names()
    return {
        model._meta.label: sorted(map(repr, model._base_manager.values_list()))
        for model in apps.get_models()
        if model._meta.app_label != "sessions" and model._meta.db_table in tables  # other tests make models
    }


@pytest.mark.slow
def test_no_address_changes_anything_on_get(client: Client, django_user_model: type[User]) -> None:
    root = django_user_model.objects.create_superuser("root", pk=1, password="x")
    target = Target.objects.create(pk=1, name="M42", ra=1, dec=1, owner=root)
    record = ObservationRecord.objects.create(pk=1, target=target, facility="Simulated", observation_id="1")
    DataProduct.objects.create(pk=1, target=target, observation_record=record, data="1.csv")
    query = BrokerQuery.objects.create(pk=1, name="q", broker="Catalogue", user=root)
    run = AlertRun.objects.create(query=query, user=root, broker="Catalogue", rows=[])
    Hook.objects.create(pk=1, user=root, content_object=target, target="https://example.com/")
    target.save()
    Callback.objects.update(id=1, status="error")
    known = {"run_id": str(run.pk), "content_type_id": "1", "object_id": "1", "token": "x"}
    client.force_login(root)
    before = everything()
    for text, names in addresses():
        values = {**dict.fromkeys(names, "1"), **known}
        if "outbox_event" in text:
            values["object_id"] = str(Event.objects.get().pk)
        for method in (client.get, client.head):
            method("/" + text % values, follow=True)
            assert everything() == before, text


def test_a_query_runs_by_post_and_is_shown_by_get(client: Client, django_user_model: type[User]) -> None:
    ada = django_user_model.objects.create_user("ada")
    query = BrokerQuery.objects.create(name="q", broker="Catalogue", user=ada)
    client.force_login(ada)
    address = f"/alerts/query/{query.pk}/run/"
    assert "You have not run this query yet" in client.get(address).content.decode()
    assert not AlertRun.objects.exists()
    answer = client.post(address)
    assert answer["Location"] == AlertRun.objects.get().get_absolute_url()
    for _ in range(2):
        assert "SN 1987A" in client.get(address).content.decode()
    query.refresh_from_db()
    assert query.last_run is not None
    assert AlertRun.objects.count() == 1

"""No address of the project is answered with a 500, whatever stands in it or in its query string, on each database."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client

from heliostat.alerts.models import AlertRun, BrokerQuery
from heliostat.dataproducts.models import DataProduct
from heliostat.observations.models import ObservationRecord
from heliostat.targets.models import Target
from heliostat.webhooks.models import Hook
from tests.console.addresses import addresses, spread

pytestmark = [
    pytest.mark.django_db(databases="__all__"),
    pytest.mark.usefixtures("unlogged"),
    pytest.mark.filterwarnings("default:DateTimeField:RuntimeWarning"),  # Django's, of a date in a query string
]

PARTS = ("9" * 5000, "9" * 25, str(2**63), "-1", "\x00", "1\x00", "٣", "²", "\u202e1", "'", "[]", "a" * 300)
VALUES = (
    *PARTS, "1.5", "nan", "1e999", "2024-02-30", "0001-01-01", "9999-12-31T23:59:59Z", "99999-01-01", "-pk", "{}",
    "cD0xJTAw", "cD05OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "1,2", "%00", "\r\nX: y", "-" + "9" * 30, "Simulated",
)  # fmt: skip
PARAMETERS = {
    "targets/": (
        "after",
        "before",
        "sort",
        "q",
        "type",
        "status",
        "classification",
        "tag",
        "list",
        "owner",
        "data",
        "coordinates",
        "ra",
        "radius",
    ),
    "targets/lists/": ("page",),
    "observations/": ("page", "status", "target"),
    "observations/create/": ("target", "facility"),
    "dataproducts/": ("page", "target"),
    "dataproducts/upload/": ("target", "observation"),
    "alerts/query/list/": ("page",),
    "alerts/query/create/": ("broker",),
    "accounts/login/": ("next",),
    "api/hooks/": ("cursor", "page_size", "format"),
    "api/deliveries/": ("hook", "status", "event_type", "since", "until", "cursor", "page_size"),
    "api/event-types/": ("format",),
    "api/schema/": ("format",),
    "admin/autocomplete/": ("term", "app_label", "model_name", "field_name", "page"),
    "admin/heliostat_webhooks/hook/add/": ("copy", "name", "user", "model", "_changelist_filters", "_popup"),
}
OF_A_LIST = ("p", "o", "q", "all", "e", "_facets", "_to_field", "_popup", "id__exact", "pk__in")


@pytest.fixture
def known(superuser: User) -> dict[str, str]:
    """What else stands in an address: keys of objects that there are."""
    target = Target.objects.create(pk=1, name="M42", ra=1, dec=1, owner=superuser)
    record = ObservationRecord.objects.create(pk=1, target=target, facility="Simulated", observation_id="1")
    DataProduct.objects.create(pk=1, target=target, observation_record=record, data="1.csv")
    query = BrokerQuery.objects.create(pk=1, name="q", broker="Catalogue", user=superuser)
    run = AlertRun.objects.create(query=query, user=superuser, broker="Catalogue", rows=[])
    Hook.objects.create(pk=1, user=superuser, content_object=target, target="https://example.com/")
    return {"run_id": str(run.pk)}


def failure(client: Client, using: str, method: str, address: str) -> str:
    """What went wrong where the answer is a 500; nothing of what was asked is kept."""
    with transaction.atomic(using=using):
        response = getattr(client, method)(address)
        transaction.set_rollback(True, using=using)
    return f"{method} {address[:120]}: {getattr(response, 'exc_info', None)}" if response.status_code >= 500 else ""


@pytest.mark.sweep
def test_an_odd_part_of_an_address_is_not_found(client: Client, known: dict[str, str], site_on: str) -> None:
    failed = set()
    places = [(text, names, name) for text, names in addresses() for name in names]
    for (text, names, name), odd in spread(places, PARTS, each=2):
        values = {**dict.fromkeys(names, "1"), **known, name: odd}
        address = "/" + text % {name: quote(value, safe="") for name, value in values.items()}
        failed.add(failure(client, site_on, "get", address))
    assert failed <= {""}


@pytest.mark.sweep
def test_an_odd_query_string_is_refused(client: Client, known: dict[str, str], site_on: str) -> None:
    asked = [(address, name) for address, names in PARAMETERS.items() for name in names]
    for model, page in admin.site._registry.items():
        if model.__module__.startswith("heliostat"):
            filters = [
                one[0] if isinstance(one, tuple) else getattr(one, "parameter_name", one) for one in page.list_filter
            ]
            address = f"admin/{model._meta.app_label}/{model._meta.model_name}/"
            asked += [(address, name) for name in OF_A_LIST]
            asked += [(address, f"{name}{end}") for name in filters for end in ("", "__exact", "__gte", "__year")]
            asked += [(f"{address}add/", field.name) for field in model._meta.concrete_fields]
    failed = {
        failure(client, site_on, "get", f"/{address}?{name}={quote(value)}")
        for (address, name), value in spread(asked, VALUES, each=1)
    }
    assert failed <= {""}


@pytest.mark.parametrize(
    "address",
    [
        "/observations/create/?facility=Simulated&target={digits}",
        "/dataproducts/upload/?target={digits}",
        "/dataproducts/upload/?observation={digits}",
        "/targets/?after={digits}&q=%00",
        "/admin/heliostat_outbox/workerseen/%00/change/",
        "/admin/heliostat_targets/target/?name=%00",
        "/admin/heliostat_targets/target/?created__year=99999",
        "/admin/heliostat_targets/target/?created__year={digits}",
        "/admin/heliostat_observations/observationrecord/?facility=%00",
        "/admin/heliostat_observations/observationrecord/add/?scheduled_start=x&target=x",
        "/admin/heliostat_webhooks/hook/add/?user={digits}",
        "/admin/heliostat_webhooks/hook/add/?user=%00&expires_at=x",
        "/api/deliveries/?hook={digits}",
    ],
)
def test_what_ended_in_a_500_before_does_so_no_longer(
    client: Client, known: dict[str, str], site_on: str, address: str
) -> None:
    assert failure(client, site_on, "get", address.format(digits="9" * 5000)) == ""


def test_the_form_of_a_new_object_begins_with_what_its_fields_take(client: Client, known: dict[str, str]) -> None:
    page = client.get("/admin/heliostat_targets/target/add/?name=M33&owner=9&ra=1.5&dec=x").content.decode()
    assert 'name="name" value="M33"' in page
    assert 'value="1.5"' in page
    assert 'value="9"' not in page

"""Nothing that is posted, in a form or to the API, is answered with a 500, on each database."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client

from heliostat.alerts.models import AlertRun, BrokerQuery
from heliostat.dataproducts.models import DataProduct
from heliostat.observations.models import ObservationRecord
from heliostat.outbox.models import Callback, Status
from heliostat.targets.models import Target
from heliostat.webhooks import operations
from heliostat.webhooks.models import Hook, Signal
from tests.console.addresses import addresses, spread
from tests.console.forms import Form, forms_of, in_bytes

pytestmark = [pytest.mark.django_db(databases="__all__"), pytest.mark.usefixtures("unlogged")]

T = TypeVar("T")
KEY = "1000001"  # none that a database gives
RUN = "0198c3f2-0000-7000-8000-000000000001"
DIGITS = "9" * 5000
LONG = "a" * 100_000
DEEP = "[" * 40 + "]" * 40
DEEPER = "[" * 5000 + "]" * 5000
# What can be stored nowhere, or not in every database, is written into texts, numbers, JSON, keys and names of files.
ODD: tuple[Any, ...] = (
    DIGITS, f'{{"a": {DIGITS}}}', "\x00", '{"a": "\\u0000"}', "\ud800", '{"a": "\\ud800"}', "\u202e1\x1b", DEEPER,
    '{"a": NaN}', '{"a": 1e999}', "nan", "1e999", "-" + "9" * 30, ["1", "2"], "[1]", LONG, "x", "0", b"\xff\xfe",
    "0001-01-01", "9999-12-31T23:59:59+00:00", "a" * 300 + ".csv", "../../é\u202e\x1b.csv", "null", "", "1\r\nX: y",
    "é" * 190 + ".csv", "..", "a\x00.csv", f"a.{'é' * 180}", '{"a": -Infinity}', '{"a": 1%s}' % ("0" * 400), DEEP,
)  # fmt: skip
MOST_POSTS = 8
ROWS = "TOTAL_FORMS"  # Django renders up to 2,000 rows
VALID = {
    "name": "Other", "ra": "1", "dec": "1", "target": KEY, "facility": "Simulated", "observation_id": "2",
    "broker": "Catalogue", "target_url": "https://example.com/", "signals": "targets.target.created",
    "query_name": "other", "aliases-0-name": "alias", "extras-0-key": "key", "extras-0-value": "value",
    "username": "root", "password": "x",
}  # fmt: skip
QUERIES = {
    "observations/create/": f"?target={KEY}&facility=Simulated",
    "dataproducts/upload/": f"?target={KEY}",
    "alerts/query/create/": "?broker=Catalogue",
}
JSON = (
    DIGITS, "9" * 25, "-1", "1.5", '"\\u0000"', '"\\ud800"', '"\\u202e1\\u001b"', DEEPER, DEEP, "NaN", "1e999", "null",
    "true", "[1]", '["x"]', "{}", '{"a": 1}', '""', '"x"', f'"{LONG}"', b'"\xff"', "[[", "", "-1e999",
    '{"field": "name", "eq": "\\u0000"}', f'{{"field": "name", "eq": {DIGITS}}}', f'{{"field": "name", "in": {DEEP}}}',
    '"9999-12-31T23:59:59Z"', '"0001-01-01T00:00:00+14:00"',
)  # fmt: skip
HOOK: dict[str, Any] = {
    "name": "n", "user": 1, "model": "targets.target", "object_id": KEY, "signals": ["created"], "filters": {},
    "target_url": "https://example.com/", "http_method": "POST", "headers": {"a": "b"}, "payload_template": "",
    "content_type": "application/json", "serializer_class": "", "ordered": False, "max_per_second": 1,
    "max_concurrent": 1, "expires_at": "2999-01-01T00:00:00Z", "signature": "v1", "enabled": True, "foreign": 1,
}  # fmt: skip
BODIES: list[tuple[str, str, dict[str, Any]]] = [
    ("post", "hooks/", HOOK),
    ("put", f"hooks/{KEY}/", HOOK),
    ("patch", f"hooks/{KEY}/", dict.fromkeys(HOOK)),
    ("post", f"hooks/{KEY}/rotate-secret/", {"overlap_hours": 1, "signature": "v1"}),
    ("post", f"hooks/{KEY}/resend/", {"since": "2020-01-01T00:00:00Z", "ended_as": "error"}),
    ("post", "deliveries/resend/", {"deliveries": [1]}),
    ("post", f"deliveries/{KEY}/resend/", {}),
    *(("post", f"hooks/{KEY}/{verb}/", {}) for verb in ("ping", "pause", "resume", "enable", "disable")),
]
TYPES = ("application/json", "application/json; charset=utf-16", "text/plain", "application/x-www-form-urlencoded", "")


@pytest.fixture
def root(superuser: User) -> User:
    """Who posts: a superuser. There is one object of each model."""
    target = Target.objects.create(pk=KEY, name="M42", ra=1, dec=1, owner=superuser)
    record = ObservationRecord.objects.create(pk=KEY, target=target, facility="Simulated", observation_id="1")
    DataProduct.objects.create(pk=KEY, target=target, observation_record=record, data="1.csv")
    query = BrokerQuery.objects.create(pk=KEY, name="q", broker="Catalogue", user=superuser)
    AlertRun.objects.create(pk=RUN, query=query, user=superuser, broker="Catalogue", rows=[])
    hook = Hook.objects.create(pk=KEY, user=superuser, content_object=target, target="https://example.com/")
    Signal.objects.create(pk=KEY, name="django.contrib.auth.signals.user_logged_in")
    Callback.objects.filter(pk=operations.ping(hook).pk).update(id=KEY, status=Status.ERROR)
    return superuser


def failure(using: str, what: str, ask: Callable[[], Any]) -> str:
    """What went wrong where the answer is a 500; nothing of what was posted is kept."""
    with transaction.atomic(using=using):
        response = ask()
        transaction.set_rollback(True, using=using)
    if response.status_code < 500:
        return ""
    _, error, trace = getattr(response, "exc_info", None) or (None, None, None)
    return f"{what}: {error!r:.200} {traceback.extract_tb(trace)[-1:]}"


def all_forms(client: Client, using: str) -> Iterator[Form]:
    """The forms of the pages, each once."""
    seen = set()
    pages = [page for page in addresses() if not page[0].startswith("api/")]
    for text, names in part_of(pages, using):
        known = {name: quote(RUN if name == "run_id" else KEY, safe="") for name in names}
        for form in forms_of(client, f"/{text % known}{QUERIES.get(text, '')}", VALID):
            key = (form.address, *form.names)
            if "logout" not in form.address and key not in seen:
                seen.add(key)
                yield form


def groups_of(form: Form) -> Iterator[list[str]]:
    """The fields of a form, each alone; of a form with many fields, some at once: to render it takes 0.1 seconds."""
    for first in range(min(len(form.names), MOST_POSTS)):
        yield form.names[first::MOST_POSTS]


@pytest.mark.sweep
def test_an_odd_value_in_a_form_is_refused(client: Client, root: User, site_on: str) -> None:
    groups = [(form, group) for form in all_forms(client, site_on) for group in groups_of(form)]
    failed = set()
    for number, (form, group) in enumerate(groups):
        odd = {name: one for (name, one) in spread(group, rotated(ODD, number), each=1) if not name.endswith(ROWS)}
        what = f"{form.address} {[(name, f'{one!r:.40}') for name, one in odd.items()]}"
        failed.add(failure(site_on, what, partial(form.post, client, odd)))
    assert failed <= {""}


def rotated(values: Sequence[T], by: int) -> list[T]:
    start = by % len(values)
    return [*values[start:], *values[:start]]


@pytest.mark.sweep
def test_an_odd_value_in_a_body_of_the_api_is_refused(client: Client, root: User, site_on: str) -> None:
    fields = [(method, address, body, name) for method, address, body in BODIES for name in body]
    wholes = [(method, address, kind) for method, address, _ in BODIES for kind in TYPES]
    failed = set()
    for (method, address, body, name), odd in part_of(spread(fields, JSON, each=2), site_on):
        whole = body_with({} if method == "patch" else body, name, odd)
        ask = partial(client.generic, method.upper(), f"/api/{address}", whole, "application/json")
        failed.add(failure(site_on, f"{method} {address} {name}={odd!r:.60}", ask))
    for (method, address, kind), odd in part_of(spread(wholes, JSON, each=1), site_on):
        ask = partial(client.generic, method.upper(), f"/api/{address}", in_bytes(odd), kind)
        failed.add(failure(site_on, f"{method} {address} {kind} {odd!r:.60}", ask))
    assert failed <= {""}


def part_of(posts: Iterable[T], using: str) -> Iterator[T]:
    """All on SQLite; on the other databases, which refuse other values, each fourth."""
    return islice(posts, 0, None, 1 if using == "default" else 4)


def body_with(body: dict[str, Any], name: str, odd: str | bytes) -> bytes:
    """A body of the API in which a field holds this JSON, right or wrong."""
    rest = {other: json.dumps(value).encode() for other, value in body.items() if other != name}
    pairs = (b'"%s": %s' % (other.encode(), text) for other, text in {**rest, name: in_bytes(odd)}.items())
    return b"{%s}" % b", ".join(pairs)


def test_all_that_the_api_takes_is_tried(client: Client, root: User) -> None:
    asked = {text % dict.fromkeys(names, KEY) for text, names in addresses() if text.startswith("api/")}
    taken = {
        (verb.lower(), address)
        for address in asked
        for verb in client.options(f"/{address}")["Allow"].split(", ")
        if verb in ("POST", "PUT", "PATCH")
    }
    assert taken == {(method, f"api/{address}") for method, address, _ in BODIES}


NOT_STORED = (f'{{"a": {DIGITS}}}', '{"a": NaN}', '{"a": "\\u0000"}', '{"a": 1e999}', '{"a": "\\ud800"}', DEEP, DEEPER)
NO_KEYS = ("x", DIGITS, "\x00", "9" * 30, b"\xff", "1.5", "[1]")
REFUSED = {
    ("heliostat_observations/observationrecord", "parameters"): NOT_STORED,
    ("heliostat_observations/observationrecord", "target"): NO_KEYS,
    ("heliostat_alerts/brokerquery", "parameters"): NOT_STORED,
    ("heliostat_webhooks/hook", "filters"): NOT_STORED[:3],
    ("heliostat_webhooks/hook", "user"): NO_KEYS[:3],
}


def test_what_no_database_stores_is_an_error_of_its_field(client: Client, root: User, site_on: str) -> None:
    wrong = []
    for (page, name), values in REFUSED.items():
        forms = forms_of(client, f"/admin/{page}/{KEY}/change/", VALID)
        form = next(one for one in forms if name in one.values)
        for odd in values:
            response = form.post(client, {name: odd})
            if response.status_code != 200 or set(response.context["adminform"].form.errors) != {name}:
                wrong.append((page, name, f"{odd!r:.40}", response.status_code))
    assert wrong == []


def test_a_chosen_object_that_is_none_is_left_alone(client: Client, root: User, site_on: str) -> None:
    chosen = {"action": "delete_selected", "_selected_action": [*NO_KEYS[:4], KEY], "post": "yes"}
    assert client.post("/admin/heliostat_targets/target/", chosen).status_code == 302
    assert not Target.objects.exists()

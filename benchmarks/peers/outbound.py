"""django-outbound-webhooks: an event is fired beside each save, and sent by its relay."""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.db import transaction
from django_domain_events import event, fire
from django_domain_events.delivery.deliver import deliver_pending
from django_domain_events.types.delivery_status import DeliveryStatus
from django_outbound_webhooks import register_endpoint

from benchmarks.models import PLAN, Vehicle, save_one
from benchmarks.peers.saving import saved
from benchmarks.work import clean

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVENT = "benchmarks.VehicleCreated"


@event(name=EVENT)
@dataclass(frozen=True, slots=True)
class VehicleCreated:
    id: int
    name: str
    type: str
    note: str


def save(hooks: int, saves: int) -> dict[str, float]:
    _clean(["http://127.0.0.1:9/"] * hooks)
    return saved(hooks, saves, _save_and_fire)


def deliver(count: int, url: str) -> dict[str, float]:
    _clean([url])
    for index in range(count):
        _save_and_fire(index)
    cpu, wall = time.process_time(), time.perf_counter()
    done = deliver_pending(limit=count, worker_id="bench")
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    assert done == {DeliveryStatus.SUCCEEDED: count}, done
    return {"core": count / cpu, "clock": count / wall, "cpu": cpu / count * 1e6}


def _clean(urls: list[str]) -> None:
    clean()
    for number, url in enumerate(urls):
        register_endpoint(name=f"receiver {number}", url=url, secret=SECRET, event_names=[EVENT])


def _save_and_fire(index: int) -> Vehicle:
    with transaction.atomic():
        vehicle = save_one(index)
        fire(VehicleCreated(id=vehicle.pk, name=vehicle.name, type=vehicle.type, **PLAN))
    return vehicle

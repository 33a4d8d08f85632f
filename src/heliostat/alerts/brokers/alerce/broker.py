"""ALeRCE: classified objects of the Zwicky Transient Facility, over its public REST API."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from django import forms

from heliostat.alerts.alerts import BrokerError, GenericAlert, GenericBroker, GenericQueryForm, QueryParameters
from heliostat.alerts.conf import alert_settings
from heliostat.alerts.http import get_json
from heliostat.targets.fields import CoordinatesField, RadiusField

PAGE_SIZE = 50
MJD_ZERO = datetime(1858, 11, 17, tzinfo=UTC)


class ALeRCEForm(GenericQueryForm):
    """What ALeRCE can be asked. An object id is looked up alone."""

    oid = forms.RegexField(
        r"^\w+$",
        label="Object id",
        required=False,
        max_length=40,
        help_text="Such as ZTF18abcgqmz; leave the rest empty.",
    )
    classifier = forms.ChoiceField(
        label="Classifier",
        required=False,
        choices=[
            ("", "any"),
            ("lc_classifier", "Light curve"),
            ("lc_classifier_top", "Light curve, top level"),
            ("lc_classifier_transient", "Light curve, transients"),
            ("stamp_classifier", "Stamp"),
        ],
    )
    class_name = forms.RegexField(
        r"^[\w/.-]+$",
        label="Class",
        required=False,
        max_length=40,
        help_text="Such as SNIa, AGN, LPV; needs a classifier.",
    )
    probability = forms.FloatField(label="Probability", required=False, min_value=0, max_value=1, help_text="At least.")
    ndet = forms.IntegerField(label="Detections", required=False, min_value=1, help_text="At least.")
    firstmjd = forms.FloatField(label="First detected after", required=False, help_text="Modified Julian date.")
    lastmjd = forms.FloatField(label="Last detected after", required=False, help_text="Modified Julian date.")
    coordinates = CoordinatesField(required=False)
    radius = RadiusField(required=False, most=3600)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("radius") is not None and cleaned.get("coordinates") is None:
            raise forms.ValidationError("A radius needs coordinates.")
        if cleaned.get("class_name") and not cleaned.get("classifier"):
            raise forms.ValidationError("A class belongs to a classifier: choose one.")
        return cleaned


def _address() -> str:
    return alert_settings.alerce_url.rstrip("/")


class ALeRCEBroker(GenericBroker):
    """One alert for each object, newest first."""

    name = "ALeRCE"
    form = ALeRCEForm

    def fetch_alerts(self, parameters: QueryParameters) -> Iterator[dict[str, Any]]:
        if oid := parameters.get("oid"):
            yield _object(get_json(f"{_address()}/objects/{quote(str(oid), safe='')}"))
            return
        seen: set[str] = set()  # an object comes once for each class that fits
        for item in _pages(_query(parameters)):
            if item["oid"] not in seen:
                seen.add(item["oid"])
                yield item

    def to_generic_alert(self, alert: dict[str, Any]) -> GenericAlert:
        return GenericAlert(
            timestamp=MJD_ZERO + timedelta(days=float(alert["lastmjd"])),
            id=alert["oid"],
            name=alert["oid"],
            ra=alert["meanra"],
            dec=alert["meandec"],
            mag=None,  # the list of objects has none
            score=alert.get("probability"),
            url=f"https://alerce.online/object/{quote(str(alert['oid']), safe='')}",
            classification=str(alert.get("class") or ""),
        )


def _query(asked: QueryParameters) -> dict[str, Any]:
    names = ("classifier", "probability", "ndet", "firstmjd", "lastmjd", "radius")
    query = {name: asked[name] for name in names if asked.get(name) not in (None, "")}
    if asked.get("class_name"):
        query["class"] = asked["class_name"]
    if place := asked.get("coordinates"):
        query |= dict(zip(("ra", "dec"), place, strict=True))
    return {**query, "order_by": "lastmjd", "order_mode": "DESC", "count": "false", "page_size": PAGE_SIZE}


def _pages(query: dict[str, Any]) -> Iterator[dict[str, Any]]:
    page = 1
    while True:
        # With the slash: without it the server redirects.
        answer = get_json(f"{_address()}/objects/", {**query, "page": page})
        items = answer.get("items") if isinstance(answer, dict) else None
        if not isinstance(items, list):
            raise BrokerError("ALeRCE's answer has no list of objects.")
        yield from map(_object, items)
        if len(items) < PAGE_SIZE:
            return
        page += 1


def _object(item: Any) -> dict[str, Any]:
    if not isinstance(item, dict) or "oid" not in item:
        raise BrokerError("ALeRCE's answer holds something that is no object.")
    return item

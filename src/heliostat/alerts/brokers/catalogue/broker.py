"""Historic transients, out of a file: a broker that needs no network."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from django import forms

from heliostat.alerts.alerts import GenericAlert, GenericBroker, GenericQueryForm, QueryParameters
from heliostat.targets.coordinates import separation
from heliostat.targets.fields import ConeForm

_ADDRESS = re.compile(r"https?://[^\s;,]+")


@cache
def transients() -> tuple[dict[str, Any], ...]:
    """All entries, each with its `id`, and its `url` where the source has one. The fictional ones come last."""
    folder = files(__package__)
    real = json.loads((folder / "transients.json").read_text("utf-8"))
    fictional = json.loads((folder / "fictional.json").read_text("utf-8"))
    entries = [*real["transients"], *fictional["transients"]]
    return tuple(_cited({"id": number, **entry}, real["sources"]) for number, entry in enumerate(entries, start=1))


def _cited(entry: dict[str, Any], sources: dict[str, Any]) -> dict[str, Any]:
    """Return the entry with its sources spelled out, and the address of the one that its position is from."""
    cited = {figure: sources[key] for figure, key in entry.get("source", {}).items()}
    address = _ADDRESS.search(cited["position"]["reference"]) if "position" in cited else None
    spelled_out = {figure: f"{source['title']}: {source['reference']}" for figure, source in cited.items()}
    return {**entry, "source": spelled_out, "url": address.group() if address else ""}


def _types() -> list[tuple[str, str]]:
    return [("", "any"), *((kind, kind) for kind in sorted({entry["type"] for entry in transients()}))]


class CatalogueForm(ConeForm, GenericQueryForm):
    """What can be asked of the catalogue. A query with nothing filled in gives everything."""

    target_name = forms.CharField(
        label="Name", required=False, help_text="Part of a name or alias, such as 1987A or Tatooine."
    )
    type = forms.ChoiceField(label="Type", required=False, choices=_types)
    brighter_than = forms.FloatField(label="Brighter than", required=False, help_text="Peak magnitude.")

    field_order = ("query_name", "broker", "target_name", "type", "brighter_than", "coordinates", "radius")


class CatalogueBroker(GenericBroker):
    """Real supernovae, novae, afterglows and a kilonova, each figure with its source; and Tatooine."""

    name = "Catalogue"
    form = CatalogueForm

    def fetch_alerts(self, parameters: QueryParameters) -> Iterator[dict[str, Any]]:
        return (entry for entry in transients() if _matches(entry, parameters))

    def to_generic_alert(self, alert: dict[str, Any]) -> GenericAlert:
        return GenericAlert(
            timestamp=alert["discovery"],
            id=alert["id"],
            name=alert["name"],
            ra=alert["ra"],
            dec=alert["dec"],
            mag=alert.get("peak_magnitude"),
            score=1.0,
            url=alert["url"],
            classification=alert["type"],
            aliases=tuple(alert.get("aliases", ())),
        )


def _matches(entry: dict[str, Any], asked: QueryParameters) -> bool:
    words = str(asked.get("target_name") or "").casefold().strip()
    names = (entry["name"], *entry.get("aliases", ()))
    brighter_than = asked.get("brighter_than")
    return (
        any(words in name.casefold() for name in names)
        and asked.get("type") in (None, "", entry["type"])
        and (brighter_than is None or bool(entry.get("peak_magnitude", 99) <= brighter_than))
        and _is_in_cone(entry, asked)
    )


def _is_in_cone(entry: dict[str, Any], asked: QueryParameters) -> bool:
    place, radius = asked.get("coordinates"), asked.get("radius")
    if not place or radius is None:
        return True
    return bool(separation(place[0], place[1], entry["ra"], entry["dec"]) * 3600 <= radius)

"""The base classes of a broker module: `GenericQueryForm`, `GenericBroker`, and `GenericAlert`, which it returns."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django import forms
from django.core.serializers.json import DjangoJSONEncoder

from heliostat.alerts.parameters import QueryParameters
from heliostat.exceptions import HeliostatError
from heliostat.targets.models import Target
from heliostat.text import validate_name

__all__ = ["BrokerError", "GenericAlert", "GenericBroker", "GenericQueryForm", "QueryParameters"]


class BrokerError(HeliostatError):
    """The broker cannot be queried, or its answer cannot be used; the message is shown to users."""


class GenericQueryForm(forms.Form):
    """Base class of query forms, with the name of the query. Other fields are passed to the broker."""

    query_name = forms.CharField(label="Name of the query", max_length=100, validators=[validate_name])
    broker = forms.CharField(required=False, widget=forms.HiddenInput)

    own_fields = ("query_name", "broker")

    def parameters(self) -> dict[str, Any]:
        """What the broker is asked for, under the names that the form gives it, as it is stored."""
        asked = {name: value for name, value in self.cleaned_data.items() if name not in self.own_fields}
        stored: dict[str, Any] = json.loads(json.dumps(asked, cls=DjangoJSONEncoder))
        return stored


@dataclass(kw_only=False)
class GenericAlert:
    """An alert in the form that all brokers share. `raw` is what the broker sent; Heliostat adds it."""

    timestamp: Any
    id: Any
    name: str
    ra: float | None = None
    dec: float | None = None
    mag: float | None = None
    score: float | None = None
    url: str = ""
    classification: str = ""
    aliases: tuple[str, ...] = ()
    raw: Any = field(default=None, repr=False)

    def to_target(self) -> Target:
        """Return a target with the name and position of this alert, not saved."""
        return Target(name=self.name, type=Target.Type.SIDEREAL, ra=self.ra, dec=self.dec)


class GenericBroker(ABC):
    """Base class of brokers. The methods may be class methods; each query creates a broker object."""

    name: ClassVar[str]
    form: ClassVar[type[GenericQueryForm]] = GenericQueryForm

    @abstractmethod
    def fetch_alerts(self, parameters: QueryParameters) -> Iterable[Any]:
        """Return the broker's alerts, as it sends them, perhaps endless: only TOM_ALERT_LIMIT are taken."""

    @abstractmethod
    def to_generic_alert(self, alert: Any) -> GenericAlert:
        """Convert one of the broker's alerts."""

    def to_target(self, alert: GenericAlert) -> Target:
        """Return the target for an alert, not saved. `alert.raw` is what the broker sent."""
        return alert.to_target()

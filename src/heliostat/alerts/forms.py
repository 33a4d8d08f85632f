from __future__ import annotations

from typing import Any

from heliostat.alerts.alerts import GenericQueryForm
from heliostat.alerts.models import BrokerQuery


def save_query(form: GenericQueryForm, query: BrokerQuery) -> bool:
    """Store a valid query form; False, and an error on the form, where it cannot be."""
    query.name = form.cleaned_data["query_name"]
    same = BrokerQuery.objects.filter(user=query.user, name=query.name).exclude(pk=query.pk)
    if same.exists():
        form.add_error("query_name", "You have a query of this name already.")
        return False
    try:
        query.parameters = form.parameters()
    except (TypeError, ValueError) as error:
        form.add_error(None, f"The broker's form gives something that cannot be stored: {error}")
        return False
    # Of a query that is there, what this form shows: another column may have changed since it was read.
    query.save(update_fields=["name", "parameters", "modified"] if query.pk else None)
    return True


def initial_of(query: BrokerQuery) -> dict[str, Any]:
    parameters = query.parameters if isinstance(query.parameters, dict) else {}
    return {**parameters, "query_name": query.name, "broker": query.broker}

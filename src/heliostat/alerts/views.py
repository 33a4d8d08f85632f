"""Stored queries: list, create, edit, delete. Each user's own; others' with Django's permissions."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from heliostat import batch
from heliostat.alerts.alerts import BrokerError
from heliostat.alerts.brokers.catalogue.broker import CatalogueBroker, transients
from heliostat.alerts.forms import initial_of, save_query
from heliostat.alerts.models import BrokerQuery
from heliostat.alerts.registry import brokers, get_broker
from heliostat.console.pagination import page_of
from heliostat.exceptions import Refused
from heliostat.objects import get_object
from heliostat.permissions import has_permission

SAMPLE_FIELDS = ("timestamp", "id", "name", "ra", "dec", "mag", "score")


def queries_for(request: HttpRequest) -> QuerySet[BrokerQuery]:
    """Return what a list shows this user: with the permission to view or change queries all, else their own."""
    queries = BrokerQuery.objects.select_related("user")
    return queries if _may_see_all(request) else queries.filter(user_id=request.user.pk or 0)


def _may_see_all(request: HttpRequest) -> bool:
    return any(has_permission(request.user, action, BrokerQuery) for action in ("view", "change"))


def query_for(request: HttpRequest, pk: int, action: str) -> BrokerQuery:
    """Return a query that this user may `view`, `change` (run it, too) or `delete`.

    Raises `Http404` where they may not even see it, and `PermissionDenied` where they may see it alone.
    """
    query = get_object(BrokerQuery.objects.select_related("user"), pk)
    if not query.allows(request.user, "view"):
        raise Http404
    if not query.allows(request.user, action):
        raise PermissionDenied
    return query


@require_safe
@login_required
def query_list(request: HttpRequest) -> HttpResponse:
    page = page_of(request, queries_for(request))
    for query in page:
        query.may_change, query.may_delete = (query.allows(request.user, one) for one in ("change", "delete"))
    context = {"page": page, "brokers": list(brokers.all()), "shows_owners": _may_see_all(request)}
    return render(request, "heliostat_alerts/list.html", context)


@login_required
def create_query(request: HttpRequest) -> HttpResponse:
    """A new query of `?broker=`."""
    name = request.GET.get("broker") or request.POST.get("broker", "")
    if name not in brokers.all():
        raise Http404(f"There is no broker {name!r}.")
    return _edit(request, BrokerQuery(broker=name, user=request.user))  # type: ignore[misc]


@login_required
def edit_query(request: HttpRequest, pk: int) -> HttpResponse:
    return _edit(request, query_for(request, pk, "change"))


@require_http_methods(["GET", "HEAD", "POST"])
def _edit(request: HttpRequest, query: BrokerQuery) -> HttpResponse:
    try:
        form = get_broker(query.broker).form(request.POST or None, initial=initial_of(query))
    except BrokerError as error:
        messages.error(request, str(error))
        return redirect("alerts:list")
    title = f"Edit {query.name}" if query.pk else f"New query of {query.broker}"
    if request.method == "POST" and form.is_valid():
        try:
            with batch():
                saved = save_query(form, query)
        except Refused as refused:
            form.add_error(None, str(refused))
        except IntegrityError:
            form.add_error("query_name", "You have a query of this name already.")
        else:
            if saved:
                messages.success(request, f"The query {query} was saved.")
                return redirect("alerts:list")
    context = {"form": form, "title": title, "action": "Save query", "back": reverse("alerts:list")}
    return render(request, "heliostat_console/form_page.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def delete_query(request: HttpRequest, pk: int) -> HttpResponse:
    query = query_for(request, pk, "delete")
    context = {
        "title": f"Delete the query {query}?",
        "lead": "Targets that were made of its alerts stay.",
        "back": reverse("alerts:list"),
    }
    if request.method == "POST":
        try:
            with batch():
                query.delete()
        except Refused as refused:
            context["error"] = str(refused)
        else:
            messages.success(request, f"The query {query} was deleted.")
            return redirect("alerts:list")
    return render(request, "heliostat_console/confirm.html", context)


@require_safe
def sample(_request: HttpRequest) -> JsonResponse:
    """Serve the catalogue as a broker might serve it: what the tutorial's own broker module asks."""
    broker = CatalogueBroker()
    alerts = (broker.to_generic_alert(entry) for entry in transients())
    rows = [{name: getattr(alert, name) for name in SAMPLE_FIELDS} for alert in alerts]
    return JsonResponse(rows, safe=False)

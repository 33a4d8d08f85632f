"""Pages of lists of targets."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, ValidationError
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from heliostat import batch
from heliostat.console.pagination import page_of
from heliostat.exceptions import Refused
from heliostat.objects import get_object
from heliostat.permissions import has_permission
from heliostat.rights.pages import object_for
from heliostat.targets.models import Target, TargetList
from heliostat.targets.team_forms import ListForm


@require_safe
@login_required
def lists(request: HttpRequest) -> HttpResponse:
    """The lists that the user sees, with the numbers of their targets."""
    seen = TargetList.objects.seen_by(request.user).select_related("owner")
    page = page_of(request, seen.annotate(size=Count("targets")).order_by("name", "id"))
    for one in page:
        one.may_change = _may_change(request, one)
    return render(request, "heliostat_targets/lists.html", {"page": page})


@login_required
def create_list(request: HttpRequest) -> HttpResponse:
    return _edit(request, TargetList(owner=request.user), "New list")  # type: ignore[misc]


@login_required
def edit_list(request: HttpRequest, pk: int) -> HttpResponse:
    one = _changeable(request, pk)
    return _edit(request, one, f"Edit {one}")


@require_http_methods(["GET", "HEAD", "POST"])
def _edit(request: HttpRequest, one: TargetList, title: str) -> HttpResponse:
    form = ListForm(request.POST or None, instance=one)
    if request.method == "POST" and form.is_valid():
        try:
            with batch():
                form.save()
        except Refused as refused:
            form.add_error(None, ValidationError(str(refused), code="refused"))
        else:
            messages.success(request, f"{one} was saved.")
            return redirect("targets:lists")
    context = {"form": form, "title": title, "back": reverse("targets:lists")}
    status = 409 if form.has_error(NON_FIELD_ERRORS, "refused") else 200
    return render(request, "heliostat_console/form_page.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def delete_list(request: HttpRequest, pk: int) -> HttpResponse:
    one = _changeable(request, pk)
    context: dict[str, Any] = {
        "title": f"Delete {one}?",
        "lead": "The targets in it stay.",
        "back": reverse("targets:lists"),
    }
    if request.method == "POST":
        try:
            with batch():
                one.delete()
        except Refused as refused:
            context["error"] = str(refused)
            return render(request, "heliostat_console/confirm.html", context, status=409)
        messages.success(request, f"{one} was deleted.")
        return redirect("targets:lists")
    return render(request, "heliostat_console/confirm.html", context)


@require_POST
@login_required
def change_membership(request: HttpRequest, pk: int) -> HttpResponse:
    """Add a target to a list, or remove it: `list` and `action`."""
    target = object_for(request, Target.objects.all(), pk)
    one = _changeable(request, request.POST.get("list", ""))
    is_added = request.POST.get("action") != "remove"
    try:
        with batch():
            (one.targets.add if is_added else one.targets.remove)(target)
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, f"{target} is {'in' if is_added else 'no longer in'} the list {one}.")
    return redirect(target)


def _changeable(request: HttpRequest, key: object) -> TargetList:
    """The list of this key, which the user may change. Raises Http404, PermissionDenied."""
    one = get_object(TargetList.objects.seen_by(request.user), key)
    if not _may_change(request, one):
        raise PermissionDenied
    return one


def _may_change(request: HttpRequest, one: TargetList) -> bool:
    is_own = one.owner_id is not None and one.owner_id == request.user.pk
    return is_own or has_permission(request.user, "change", TargetList, one)

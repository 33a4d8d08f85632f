"""The page that shares an object, the same for targets, observations and data."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from heliostat import batch
from heliostat.objects import find_object
from heliostat.rights.forms import RightForm, sharing_form
from heliostat.rights.models import Guarded
from heliostat.rights.pages import object_for
from heliostat.rights.visibility import rights_rows

KINDS = {"user": UserObjectPermissionBase, "group": GroupObjectPermissionBase}


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def share(request: HttpRequest, pk: int, objects: QuerySet[Any]) -> HttpResponse:
    """Show and change who may view an object, and who has rights of their own to it."""
    obj: Guarded = object_for(request, objects.all(), pk, "share")
    action = request.POST.get("action", "") if request.method == "POST" else ""
    sharing = sharing_form(request.user, obj, request.POST if action == "share" else None)
    right = RightForm(request.POST if action == "give" else None, user=request.user, obj=obj)
    assert sharing is not None
    with batch():
        if done := _done(request, action, obj, sharing, right):
            messages.success(request, done)
            return redirect(request.path)
    context = {"object": obj, "sharing": sharing, "right": right, "rights": rights_of(obj)}
    return render(request, "heliostat_rights/share.html", context)


def _done(request: HttpRequest, action: str, obj: Guarded, sharing: Any, right: Any) -> str:
    """Do what was asked for; return a sentence that says so, or nothing where a form has errors."""
    if action == "share" and sharing.is_valid():
        sharing.save()
        return "The visibility was saved."
    if action == "give" and right.is_valid():
        right.save()
        return "The right was given."
    if action == "take":
        kind, _, key = request.POST.get("which", "").partition(":")
        rows = rights_rows(KINDS[kind], type(obj)).filter(content_object_id=obj.pk) if kind in KINDS else None
        row = None if rows is None else find_object(rows, key)
        if row is not None:
            row.delete()
            return "The right was taken away."
    return ""


def rights_of(obj: Guarded) -> list[tuple[str, str, str, str]]:
    """Return the rights of single users and groups to an object: kind, whose, which, and the key of the row."""
    found = []
    for kind, base in KINDS.items():
        rows = rights_rows(base, type(obj)).filter(content_object_id=obj.pk).select_related(kind, "permission")
        for row in rows.order_by("pk"):
            found.append((kind, str(getattr(row, kind)), row.permission.codename.partition("_")[0], f"{kind}:{row.pk}"))
    return found

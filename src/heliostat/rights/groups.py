"""Pages of groups: who is a member, and for its managers, a form that adds and removes members."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from heliostat.console.pagination import page_of
from heliostat.objects import find_object, get_object
from heliostat.permissions import has_permission
from heliostat.rights.models import GroupManager
from heliostat.rights.visibility import groups_of, sees_all


def groups_for(user: Any) -> QuerySet[Group]:
    """Return the groups that a user is shown: their own, or all with Django's permission to view groups."""
    return Group.objects.all() if sees_all(user, Group) else groups_of(user)


def manages_group(user: Any, group: Group) -> bool:
    """Return whether a user may add members to a group and remove them."""
    return has_permission(user, "change", Group) or GroupManager.objects.filter(group=group, user=user).exists()


class MemberForm(forms.Form):
    """A user by the exact name: members of other groups are listed nowhere."""

    username = forms.CharField(label="User name", max_length=150)

    def clean_username(self) -> Any:
        users = get_user_model()
        name = {users.USERNAME_FIELD: self.cleaned_data["username"]}
        found = users._default_manager.filter(**name, is_active=True).first()
        if found is None:
            raise forms.ValidationError("There is no active user with this name.", code="unknown")
        return found


@require_safe
@login_required
def group_list(request: HttpRequest) -> HttpResponse:
    """The groups of the user."""
    page = page_of(request, groups_for(request.user).order_by("name"))
    return render(request, "heliostat_rights/groups.html", {"page": page})


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def group_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the members of a group; its managers add and remove them."""
    group = get_object(groups_for(request.user), pk)
    may_manage = manages_group(request.user, group)
    if request.method == "POST" and not may_manage:
        raise PermissionDenied
    action = request.POST.get("action", "")
    form = MemberForm(request.POST if action == "add" else None)
    if action == "add" and form.is_valid():
        form.cleaned_data["username"].groups.add(group)
        messages.success(request, f"{form.cleaned_data['username']} is a member of {group}.")
        return redirect(request.path)
    if action == "remove" and (member := find_object(members_of(group), request.POST.get("member", ""))):
        remove(member, group)
        messages.success(request, f"{member} is no longer a member of {group}.")
        return redirect("groups:list" if member.pk == request.user.pk else request.path)
    managers = set(GroupManager.objects.filter(group=group).values_list("user", flat=True))
    context = {"group": group, "may_manage": may_manage, "form": form, "managers": managers}
    page = page_of(request, members_of(group).order_by(get_user_model().USERNAME_FIELD))
    return render(request, "heliostat_rights/group.html", {**context, "page": page})


def members_of(group: Group) -> QuerySet[Any]:
    """Return the members of a group."""
    found: QuerySet[Any] = get_user_model()._default_manager.filter(groups=group)
    return found


def remove(member: Any, group: Group) -> None:
    """Remove a member from a group, and from its managers."""
    with transaction.atomic():
        GroupManager.objects.filter(group=group, user=member).delete()
        member.groups.remove(group)

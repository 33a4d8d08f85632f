from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from heliostat import batch
from heliostat.exceptions import Refused
from heliostat.listeners import publish_read
from heliostat.permissions import has_permission
from heliostat.rights.forms import SharingForm, sharing_form
from heliostat.rights.pages import check_may_add, object_for, open_to_readers
from heliostat.targets.extras import declared_fields
from heliostat.targets.forms import MOTION, ORBIT, AliasFormSet, ExtraFormSet, TargetForm
from heliostat.targets.models import ELEMENTS_OF_SCHEME, Target, TargetList
from heliostat.targets.names import TAKEN_MEANWHILE, NameTaken, renaming
from heliostat.targets.panels import target_panels
from heliostat.targets.places import described_place
from heliostat.targets.search import cone, is_same_place
from heliostat.targets.team_forms import DeclaredFieldsForm

NEARBY = 60.0  # arcseconds
MOST_NEARBY = 20


@require_safe
@open_to_readers
def target_detail(request: HttpRequest, pk: int) -> HttpResponse:
    target = object_for(request, Target.objects.select_related("owner"), pk)
    place = target.position
    near = cone(place.ra, place.dec, NEARBY, Target.objects.visible_to(request.user).exclude(pk=pk)) if place else []
    context = {
        "target": target,
        "place": described_place(place) if place else None,
        "aliases": target.aliases.all(),
        "tags": target.tags.all(),
        "lists": (lists := target.lists.seen_by(request.user)),
        "more_lists": TargetList.objects.changed_by(request.user).exclude(pk__in=lists),
        "extras": _extras(target),
        "same": [other for other in near if is_same_place(target, other)],
        "near": near[:MOST_NEARBY],
        "near_count": len(near),
        "elements": _elements(target),
        "may_edit": target.editable_by(request.user),
        "may_share": has_permission(request.user, "share", Target, target),
        "may_delete": target.deletable_by(request.user),
        "panels": target_panels(request, target),
    }
    publish_read(target)
    return render(request, "heliostat_targets/detail.html", context)


def _extras(target: Target) -> list[tuple[str, str]]:
    """The extras by label and value, those first that the setting declares."""
    declared, stored = declared_fields(), {extra.key: extra.value for extra in target.extras.all()}
    first = [(field.label, field.shown(stored.pop(name))) for name, field in declared.items() if name in stored]
    return [*first, *stored.items()]


def _elements(target: Target) -> list[tuple[str, object]]:
    """What is known beside the position, with the names of the fields."""
    shown = [*MOTION, *(ORBIT if target.type == Target.Type.NON_SIDEREAL else ())]
    pairs = [(str(Target._meta.get_field(name).verbose_name), getattr(target, name)) for name in shown]  # type: ignore[union-attr]
    return [(label, value) for label, value in pairs if value not in (None, "")]


@login_required
def create_target(request: HttpRequest) -> HttpResponse:
    check_may_add(request, Target)
    return _edit(request, Target(owner=request.user))  # type: ignore[misc]


@login_required
def edit_target(request: HttpRequest, pk: int) -> HttpResponse:
    target = object_for(request, Target.objects.all(), pk, "change")
    return _edit(request, target)


@require_http_methods(["GET", "HEAD", "POST"])
def _edit(request: HttpRequest, target: Target) -> HttpResponse:
    creating = target.pk is None
    target.viewer = request.user
    form = TargetForm(request.POST or None, instance=target)
    aliases = AliasFormSet(request.POST or None, instance=target, prefix="aliases")
    extras = ExtraFormSet(request.POST or None, instance=target, prefix="extras")
    declared = DeclaredFieldsForm(request.POST or None, instance=target)
    sharing = sharing_form(request.user, target, request.POST or None)
    parts: list[Any] = [aliases, declared, extras, *([sharing] if sharing else [])]
    is_valid = request.method == "POST" and all([form.is_valid(), *(part.is_valid() for part in parts)])
    if is_valid and _save(form, *parts):
        messages.success(request, f"{target} was {'created' if creating else 'saved'}.")
        return redirect(target)
    context = {
        "form": form,
        "aliases": aliases,
        "extras": extras,
        "declared": declared,
        "sharing": sharing,
        "elements_of_scheme": ELEMENTS_OF_SCHEME,
        "title": "New target" if creating else f"Edit {target.name}",
        "back": reverse("targets:list") if creating else target.get_absolute_url(),
    }
    return render(
        request,
        "heliostat_targets/form.html",
        context,
        status=409 if form.has_error(NON_FIELD_ERRORS, "refused") else 200,
    )


def _save(form: TargetForm, *parts: BaseInlineFormSet[Any, Any, Any] | DeclaredFieldsForm | SharingForm) -> bool:
    """Everything or nothing, published as one event. What stands against it becomes an error of the form."""
    try:
        with batch(), renaming(form.instance):
            form.save()
            for part in parts:
                part.save()
    except Refused as refused:
        form.add_error(None, ValidationError(str(refused), code="refused"))
    except NameTaken:
        form.add_error(None, TAKEN_MEANWHILE)
    else:
        return True
    return False


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def delete_target(request: HttpRequest, pk: int) -> HttpResponse:
    target = object_for(request, Target.objects.all(), pk, "delete")
    context = {
        "title": f"Delete {target}?",
        "lead": "Its aliases, observations and data products go with it.",
        "back": target.get_absolute_url(),
    }
    if request.method == "POST":
        try:
            with batch():
                target.delete()
        except Refused as refused:
            context["error"] = str(refused)
            return render(request, "heliostat_console/confirm.html", context, status=409)
        else:
            messages.success(request, f"{target} was deleted.")
            return redirect("targets:list")
    return render(request, "heliostat_console/confirm.html", context)

from __future__ import annotations

import logging

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.module_loading import import_string
from django.views.decorators.http import require_http_methods, require_safe

from heliostat import batch
from heliostat.console.extensions import offered
from heliostat.console.pagination import page_of
from heliostat.exceptions import Refused
from heliostat.listeners import publish_read
from heliostat.observations.facility import GenericObservationFacility, UnknownFacility, get_facility
from heliostat.observations.models import ObservationRecord, ObservationStatus
from heliostat.permissions import has_permission
from heliostat.rights.pages import check_may_add, object_for, open_to_readers
from heliostat.targets.models import Target
from heliostat.text import clean_name

logger = logging.getLogger(__name__)


@require_safe
@open_to_readers
def observation_list(request: HttpRequest) -> HttpResponse:
    observations = ObservationRecord.objects.visible_to(request.user).select_related("target", "user")
    status = request.GET.get("status", "")
    if status in ObservationStatus.values:
        observations = observations.filter(status=status)
    target = object_for(request, Target.objects.all(), request.GET["target"]) if request.GET.get("target") else None
    if target is not None:
        observations = observations.filter(target=target)
    context = {
        "page": page_of(request, observations),
        "status": status,
        "statuses": ObservationStatus.choices,
        "target": target,
    }
    return render(request, "heliostat_observations/list.html", context)


@require_safe
@open_to_readers
def observation_detail(request: HttpRequest, pk: int) -> HttpResponse:
    observation = object_for(request, ObservationRecord.objects.select_related("target", "user"), pk)
    panels = []
    for path in offered("observation_panel"):
        template, extra = import_string(path)(request, observation)
        panels.append(render_to_string(template, {"observation": observation, **extra}, request=request))
    publish_read(observation)
    may_share = has_permission(request.user, "share", ObservationRecord, observation)
    context = {"observation": observation, "panels": panels, "may_share": may_share}
    return render(request, "heliostat_observations/detail.html", context)


@transaction.non_atomic_requests  # no transaction is held open while the facility is asked
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def submit_observation(request: HttpRequest) -> HttpResponse:
    """Submit an observation of `?target=` to `?facility=`."""
    target = object_for(request, Target.objects.all(), request.GET.get("target", ""))
    check_may_add(request, ObservationRecord, target)
    try:
        facility = get_facility(request.GET.get("facility", ""))
    except UnknownFacility as error:
        raise Http404(str(error)) from None
    form = facility.form(request.POST or None)
    if request.method == "POST" and form.is_valid():
        observation = _submit(request, target, facility, form)
        if observation is not None:
            messages.success(request, f"{observation} was submitted.")
            return redirect(observation)
    context = {
        "form": form,
        "title": f"Observe {target}",
        "lead": f"At the facility {facility.name}.",
        "action": "Submit",
        "back": target.get_absolute_url(),
    }
    return render(
        request,
        "heliostat_console/form_page.html",
        context,
        status=409 if form.has_error(NON_FIELD_ERRORS, "refused") else 200,
    )


def _submit(
    request: HttpRequest, target: Target, facility: GenericObservationFacility, form: forms.Form
) -> ObservationRecord | None:
    """The facility is asked first, outside any transaction. What it refuses becomes an error of the form."""
    try:
        observation_id = facility.submit(target, form.cleaned_data)
    except Exception as error:  # whatever a facility's code raises
        logger.warning("The facility %s refused an observation", facility.name, exc_info=True)
        form.add_error(None, f"{facility.name} did not accept this: {error or type(error).__name__}")
        return None
    try:
        with batch():
            return ObservationRecord.objects.create(
                target=target,
                user=request.user,  # type: ignore[misc]
                facility=facility.name,
                parameters=form.cleaned_data,
                observation_id=clean_name(str(observation_id)),
            )
    except Refused as refused:
        form.add_error(None, ValidationError(str(refused), code="refused"))
    return None

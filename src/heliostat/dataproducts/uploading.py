"""The page that uploads files: each is saved whole with its data, or refused with the reason."""

from __future__ import annotations

from copy import copy

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from heliostat.dataproducts.forms import UploadForm
from heliostat.dataproducts.models import DataProduct
from heliostat.dataproducts.problems import InvalidData
from heliostat.dataproducts.storing import upload
from heliostat.exceptions import Refused
from heliostat.observations.models import ObservationRecord
from heliostat.rights.pages import check_may_add, object_for
from heliostat.targets.models import Target


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def upload_product(request: HttpRequest) -> HttpResponse:
    """Upload files to `?target=` or `?observation=`."""
    product = _new_product(request)
    owner = product.observation_record or product.target
    sent = (request.POST, request.FILES) if request.method == "POST" else (None, None)
    form = UploadForm(*sent, instance=product)
    if form.is_valid():
        files = form.cleaned_data["file"]
        saved = [one for file in files if (one := _upload(request, form, file, named=len(files) > 1)) is not None]
        if not form.errors:
            return redirect(saved[0] if len(saved) == 1 else owner)
    context = {
        "form": form,
        "title": f"Upload to {owner}",
        "action": "Upload",
        "back": owner.get_absolute_url(),
    }
    return render(
        request,
        "heliostat_console/form_page.html",
        context,
        status=409 if form.has_error(NON_FIELD_ERRORS, "refused") else 200,
    )


def _upload(request: HttpRequest, form: UploadForm, file: UploadedFile[bytes], *, named: bool) -> DataProduct | None:
    """Save one of the files as a product of its own; what is wrong with it becomes errors of the form."""
    product: DataProduct = copy(form.instance)
    try:
        done = upload(product, file)
    except Refused as refused:
        form.add_error(None, ValidationError(str(refused), code="refused"))
        return None
    except InvalidData as error:
        for message in error.messages:
            form.add_error("file", f"{file.name}: {message}" if named else message)
        return None
    messages.success(request, " ".join([f"{product} was uploaded.", *done]))
    return product


def _new_product(request: HttpRequest) -> DataProduct:
    target, observation = request.GET.get("target", ""), request.GET.get("observation", "")
    if observation:
        record = object_for(request, ObservationRecord.objects.select_related("target"), observation)
        check_may_add(request, DataProduct, record)
        return DataProduct(target=record.target, observation_record=record, owner=request.user)  # type: ignore[misc]
    found = object_for(request, Target.objects.all(), target)
    check_may_add(request, DataProduct, found)
    return DataProduct(target=found, owner=request.user)  # type: ignore[misc]

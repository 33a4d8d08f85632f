from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from heliostat.console.pagination import page_of
from heliostat.dataproducts.forms import UploadForm
from heliostat.dataproducts.models import DataProduct
from heliostat.dataproducts.storing import upload
from heliostat.exceptions import Refused
from heliostat.listeners import publish_read
from heliostat.observations.models import ObservationRecord
from heliostat.permissions import has_permission
from heliostat.rights.pages import check_may_add, object_for, open_to_readers
from heliostat.targets.models import Target


@require_safe
@open_to_readers
def product_list(request: HttpRequest) -> HttpResponse:
    products = DataProduct.objects.visible_to(request.user).select_related("target", "observation_record__target")
    return render(request, "heliostat_dataproducts/list.html", {"page": page_of(request, products)})


@require_safe
@open_to_readers
def product_detail(request: HttpRequest, pk: int) -> HttpResponse:
    products = DataProduct.objects.select_related("target", "observation_record__target")
    product = object_for(request, products, pk)
    publish_read(product)
    may_share = has_permission(request.user, "share", DataProduct, product)
    return render(request, "heliostat_dataproducts/detail.html", {"product": product, "may_share": may_share})


@require_safe
@open_to_readers
def download(request: HttpRequest, pk: int) -> FileResponse:
    """The file, always as an attachment: nothing that was uploaded is ever shown as a page of this site."""
    product = object_for(request, DataProduct.objects.all(), pk)
    try:
        file = product.data.open("rb")
    except (OSError, ValueError):
        raise Http404("The file of this product is gone.") from None
    response = FileResponse(
        file, as_attachment=True, filename=product.filename, content_type="application/octet-stream"
    )
    response["X-Content-Type-Options"] = "nosniff"
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def upload_product(request: HttpRequest) -> HttpResponse:
    """Upload a file to `?target=` or `?observation=`."""
    product = _new_product(request)
    form = UploadForm(request.POST or None, request.FILES or None, instance=product)
    if request.method == "POST" and form.is_valid():
        try:
            upload(product, form.cleaned_data["file"])
        except Refused as refused:
            form.add_error(None, ValidationError(str(refused), code="refused"))
        else:
            messages.success(request, f"{product} was uploaded.")
            return redirect(product)
    owner = product.observation_record or product.target
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


def _new_product(request: HttpRequest) -> DataProduct:
    target, observation = request.GET.get("target", ""), request.GET.get("observation", "")
    if observation:
        record = object_for(request, ObservationRecord.objects.select_related("target"), observation)
        check_may_add(request, DataProduct, record)
        return DataProduct(target=record.target, observation_record=record, owner=request.user)  # type: ignore[misc]
    found = object_for(request, Target.objects.all(), target)
    check_may_add(request, DataProduct, found)
    return DataProduct(target=found, owner=request.user)  # type: ignore[misc]

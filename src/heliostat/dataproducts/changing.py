"""The pages that change products: edit, feature, delete."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from heliostat import batch
from heliostat.dataproducts.forms import EditForm, feature
from heliostat.dataproducts.models import DataProduct
from heliostat.exceptions import Refused
from heliostat.rights.pages import object_for


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def edit_product(request: HttpRequest, pk: int) -> HttpResponse:
    product = object_for(request, DataProduct.objects.select_related("target"), pk, "change")
    form = EditForm(request.POST if request.method == "POST" else None, instance=product)
    if form.is_valid():
        try:
            with batch():
                form.save()
        except Refused as refused:
            form.add_error(None, ValidationError(str(refused), code="refused"))
        else:
            messages.success(request, f"{product} was saved.")
            return redirect(product)
    context = {"form": form, "title": f"Edit {product}", "back": product.get_absolute_url()}
    status = 409 if form.has_error(NON_FIELD_ERRORS, "refused") else 200
    return render(request, "heliostat_console/form_page.html", context, status=status)


@require_POST
@login_required
def feature_product(request: HttpRequest, pk: int) -> HttpResponse:
    """Feature a product in place of the one of its type that was featured."""
    product = object_for(request, DataProduct.objects.select_related("target"), pk, "change")
    try:
        with batch():
            feature(product)
    except Refused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, f"{product} is featured.")
    return redirect(product)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def delete_product(request: HttpRequest, pk: int) -> HttpResponse:
    product = object_for(request, DataProduct.objects.select_related("target"), pk, "delete")
    context = {
        "title": f"Delete {product}?",
        "lead": "Its file and the data points that were read from it are deleted, too.",
        "back": product.get_absolute_url(),
    }
    if request.method == "POST":
        name, target = str(product), product.target
        try:
            with batch():
                product.delete()
        except Refused as refused:
            context["error"] = str(refused)
        else:
            messages.success(request, f"{name} was deleted.")
            return redirect(target)
    return render(request, "heliostat_console/confirm.html", context)

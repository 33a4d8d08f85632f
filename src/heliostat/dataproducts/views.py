from __future__ import annotations

from typing import Any

from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from heliostat.console.pagination import page_of
from heliostat.dataproducts.models import DataProduct, DataProductGroup
from heliostat.listeners import publish_read
from heliostat.objects import get_object
from heliostat.observations.models import ObservationRecord
from heliostat.permissions import has_permission
from heliostat.rights.pages import object_for, open_to_readers
from heliostat.rights.visibility import VisibleQuerySet
from heliostat.targets.models import Target


@require_safe
@open_to_readers
def product_list(request: HttpRequest) -> HttpResponse:
    """List the products that a user may view: all, or those of `?target=`, `?observation=`, `?group=` and `?type=`."""
    products = DataProduct.objects.visible_to(request.user).select_related("target", "observation_record__target")
    context: dict[str, Any] = {"kind": request.GET.get("type", ""), "kinds": DataProduct.Type.choices}
    for name, model, field in (
        ("target", Target, "target"),
        ("observation", ObservationRecord, "observation_record"),
    ):
        if key := request.GET.get(name):
            context[name] = object_for(request, model.objects.all(), key)
            products = products.filter(**{field: context[name]})
    if key := request.GET.get("group"):
        context["group"] = _group(products, key)
        products = products.filter(product_groups=context["group"])
    if context["kind"] in DataProduct.Type.values:
        products = products.filter(data_product_type=context["kind"])
    return render(request, "heliostat_dataproducts/list.html", {**context, "page": page_of(request, products)})


def _group(products: VisibleQuerySet, key: str) -> DataProductGroup:
    """Return a group that has products which the user may view: others are not there for them."""
    group = get_object(DataProductGroup.objects.all(), key)
    if not products.filter(product_groups=group).exists():
        raise Http404("There is no such group, or nothing in it is shared with you.")
    return group


@require_safe
@open_to_readers
def product_detail(request: HttpRequest, pk: int) -> HttpResponse:
    products = DataProduct.objects.select_related("target", "observation_record__target", "owner")
    product = object_for(request, products, pk)
    publish_read(product)
    context = {
        "product": product,
        "groups": product.product_groups.all(),
        "may_change": has_permission(request.user, "change", DataProduct, product),
        "may_share": has_permission(request.user, "share", DataProduct, product),
        "may_delete": has_permission(request.user, "delete", DataProduct, product),
    }
    return render(request, "heliostat_dataproducts/detail.html", context)


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

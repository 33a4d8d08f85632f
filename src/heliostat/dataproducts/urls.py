from __future__ import annotations

from django.urls import path

from heliostat.dataproducts import changing, uploading, views
from heliostat.dataproducts.models import DataProduct
from heliostat.rights.sharing import share

app_name = "dataproducts"
urlpatterns = [
    path("", views.product_list, name="list"),
    path("upload/", uploading.upload_product, name="upload"),
    path("<int:pk>/", views.product_detail, name="detail"),
    path("<int:pk>/edit/", changing.edit_product, name="edit"),
    path("<int:pk>/feature/", changing.feature_product, name="feature"),
    path("<int:pk>/delete/", changing.delete_product, name="delete"),
    path("<int:pk>/download/", views.download, name="download"),
    path("<int:pk>/share/", share, {"objects": DataProduct.objects.all()}, name="share"),
]

from __future__ import annotations

from django.urls import path

from heliostat.rights.sharing import share
from heliostat.targets import list_page, list_views, views
from heliostat.targets.models import Target

app_name = "targets"
urlpatterns = [
    path("", list_page.target_list, name="list"),
    path("create/", views.create_target, name="create"),
    path("lists/", list_views.lists, name="lists"),
    path("lists/create/", list_views.create_list, name="create-list"),
    path("lists/<int:pk>/edit/", list_views.edit_list, name="edit-list"),
    path("lists/<int:pk>/delete/", list_views.delete_list, name="delete-list"),
    path("<int:pk>/lists/", list_views.change_membership, name="membership"),
    path("<int:pk>/", views.target_detail, name="detail"),
    path("<int:pk>/edit/", views.edit_target, name="edit"),
    path("<int:pk>/delete/", views.delete_target, name="delete"),
    path("<int:pk>/share/", share, {"objects": Target.objects.all()}, name="share"),
]

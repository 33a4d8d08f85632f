from __future__ import annotations

from django.urls import path

from heliostat.targets import views

app_name = "targets"
urlpatterns = [
    path("", views.target_list, name="list"),
    path("create/", views.create_target, name="create"),
    path("<int:pk>/", views.target_detail, name="detail"),
    path("<int:pk>/edit/", views.edit_target, name="edit"),
    path("<int:pk>/delete/", views.delete_target, name="delete"),
]

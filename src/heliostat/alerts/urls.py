from __future__ import annotations

from django.urls import path

from heliostat.alerts import results, views

app_name = "alerts"
urlpatterns = [
    path("query/list/", views.query_list, name="list"),
    path("query/create/", views.create_query, name="create"),
    path("query/<int:pk>/edit/", views.edit_query, name="edit"),
    path("query/<int:pk>/delete/", views.delete_query, name="delete"),
    path("query/<int:pk>/run/", results.run_query, name="run"),
    path("query/<int:pk>/run/<uuid:run_id>/", results.results, name="results"),
    path("query/<int:pk>/run/<uuid:run_id>/create/", results.create_targets, name="create-targets"),
    path("query/<int:pk>/run/<uuid:run_id>/<int:number>/", results.raw_alert, name="raw"),
    path("sample.json", views.sample, name="sample"),
]

"""The REST API, for the measurement that asks it."""

from django.urls import include, path

urlpatterns = [path("", include("heliostat.api.urls"))]

"""Addresses of the API: `path("api/", include("heliostat.api.urls"))`."""

from __future__ import annotations

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from heliostat.api.catalogue import EventTypesView, RootView, SchemaView
from heliostat.api.views import DeliveryViewSet, HookViewSet

app_name = "heliostat_api"

router = SimpleRouter()
router.register("hooks", HookViewSet, basename="hook")
router.register("deliveries", DeliveryViewSet, basename="delivery")

urlpatterns = [
    path("", RootView.as_view(), name="root"),
    path("", include(router.urls)),
    path("event-types/", EventTypesView.as_view(), name="event-types"),
    path("schema/", SchemaView.as_view(), name="schema"),
]

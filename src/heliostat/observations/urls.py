from __future__ import annotations

from django.urls import path

from heliostat.observations import views
from heliostat.observations.models import ObservationRecord
from heliostat.rights.sharing import share

app_name = "observations"
urlpatterns = [
    path("", views.observation_list, name="list"),
    path("create/", views.submit_observation, name="create"),
    path("<int:pk>/", views.observation_detail, name="detail"),
    path("<int:pk>/share/", share, {"objects": ObservationRecord.objects.all()}, name="share"),
]

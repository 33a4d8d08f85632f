from __future__ import annotations

from django.urls import path

from heliostat.rights import groups

app_name = "groups"
urlpatterns = [
    path("", groups.group_list, name="list"),
    path("<int:pk>/", groups.group_detail, name="detail"),
]

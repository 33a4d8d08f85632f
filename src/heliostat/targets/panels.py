"""What this app shows on the dashboard, and what other apps show on a target's page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.module_loading import import_string

from heliostat.console.extensions import Panel, Row, offered
from heliostat.targets.models import Target

NEWEST = 6


def recent(request: HttpRequest) -> Panel:
    newest = Target.objects.visible_to(request.user)[:NEWEST]
    rows = [Row(target.name, target.get_absolute_url(), target.sexagesimal) for target in newest]
    return Panel("Targets", reverse("targets:list"), "No targets yet: make one, or query an alert broker.", rows)


def target_panels(request: HttpRequest, target: Target) -> list[str]:
    """Each app's `target_panel` is the path of a function that gives a template and its context."""
    rendered: list[str] = []
    for path in offered("target_panel"):
        template, context = _panel(path, request, target)
        rendered.append(render_to_string(template, {"target": target, **context}, request=request))
    return rendered


def _panel(path: str, request: HttpRequest, target: Target) -> tuple[str, dict[str, Any]]:
    template, context = import_string(path)(request, target)
    return template, context

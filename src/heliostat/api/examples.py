"""Requests that the description shows."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample


def _request(title: str, /, **value: Any) -> OpenApiExample:
    return OpenApiExample(title, value=value, request_only=True)


SUBSCRIBE = [
    _request(
        "New targets in the south",
        name="our archive",
        model="targets.target",
        signals=["created"],
        filters={"field": "dec", "lt": 0},
        target_url="https://receiver.example.com/targets",
        headers={"X-Site": "south"},
    ),
    _request(
        "One object, in a form of one's own",
        model="targets.target",
        object_id="7",
        target_url="https://receiver.example.com/m51",
        payload_template='{"name": "{{instance.name}}", "what": "{{event_type}}"}',
    ),
]
CHANGE = [_request("At most five requests a second", max_per_second=5)]
ROTATE = [_request("Both secrets count for two days", overlap_hours=48)]
RESEND_ALL = [
    _request("All that was given up", since="2026-11-21T06:00:00Z"),
    _request("All that was cancelled", since="2026-11-21T06:00:00Z", ended_as="cancelled"),
]
RESEND_SOME = [_request("These two", deliveries=[41, 42])]

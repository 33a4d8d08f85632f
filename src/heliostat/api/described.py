"""How OpenAPI describes the operations: errors and examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, extend_schema

Method = TypeVar("Method", bound=Callable[..., Any])


class Described(AutoSchema):
    """drf-spectacular's description, with the errors, which are the same everywhere."""

    def get_operation(self, path: str, *args: Any) -> Any:
        operation = super().get_operation(path, *args)
        if operation is not None:  # it is left out
            takes = "requestBody" in operation or any(one["in"] == "query" for one in operation.get("parameters", ()))
            may_be_missing = "{id}" in path or "deliveries" in path
            errors = {
                "400": "The request is invalid: texts, by field." if takes else "",
                "401": "Nobody has logged in.",
                "403": "A permission is missing, or the CSRF token of a session.",
                "404": "There is none, or it is not yours." if may_be_missing else "",
                "429": "Too many requests.",
            }
            for code, meaning in ((code, meaning) for code, meaning in errors.items() if meaning):
                operation["responses"].setdefault(code, {"description": meaning})
        return operation


def described(**facts: Any) -> Callable[[Method], Method]:
    """drf-spectacular's `extend_schema`, in projects whose own views have another schema class, too."""

    def decorate(method: Method) -> Method:
        method.schema = Described()  # type: ignore[attr-defined]
        found: Method = extend_schema(**facts)(method)
        return found

    return decorate


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

"""How operations are described in OpenAPI."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import extend_schema

Method = TypeVar("Method", bound=Callable[..., Any])


class Described(AutoSchema):
    """drf-spectacular's description, with the errors, which are the same everywhere."""

    def get_operation(self, path: str, *args: Any) -> Any:
        operation = super().get_operation(path, *args)
        if operation is not None:  # it is left out
            for code, meaning in _errors_of(path, operation).items():
                operation["responses"].setdefault(code, {"description": meaning})
        return operation


def _errors_of(path: str, operation: dict[str, Any]) -> dict[str, str]:
    asked = "requestBody" in operation or any(one["in"] == "query" for one in operation.get("parameters", ()))
    errors = {"400": "What is asked makes no sense: texts, by field."} if asked else {}
    errors |= {"401": "Nobody has logged in.", "403": "A permission is missing, or the CSRF token of a session."}
    errors |= {"429": "Asked too often."}
    return errors | ({"404": "There is none, or it is not yours."} if "{id}" in path or "deliveries" in path else {})


def described(**facts: Any) -> Callable[[Method], Method]:
    """drf-spectacular's `extend_schema`, in projects whose own views have another schema class, too."""

    def decorate(method: Method) -> Method:
        method.schema = Described()  # type: ignore[attr-defined]
        found: Method = extend_schema(**facts)(method)
        return found

    return decorate

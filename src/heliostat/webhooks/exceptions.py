"""Validation errors of webhooks."""

from __future__ import annotations

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError


class InvalidHookError(ValidationError):
    """Base class of the validation errors of a webhook; `field` is the field of the form that shows it."""

    field: str = NON_FIELD_ERRORS


class InvalidHeadersError(InvalidHookError):
    """The headers are not valid; the message names the line."""

    field = "headers"


class InvalidTargetError(InvalidHookError):
    """The URL of the receiver is not valid, or its address is forbidden."""

    field = "target_url"


class InvalidSignalError(InvalidHookError):
    """The webhook names a signal or an event type that does not exist."""

    field = "signals"


class InvalidModelError(InvalidHookError):
    """The model does not exist, is ambiguous, or may not have webhooks; the message suggests others."""

    field = "model"


class InvalidObjectError(InvalidHookError):
    """The model cannot have objects with this key."""

    field = "object_id"


class InvalidFiltersError(InvalidHookError):
    """The filters are not valid; the message names the place."""

    field = "filters"


class InvalidExpiryError(InvalidHookError):
    """The webhook would expire before it is created."""

    field = "expires_at"


class InvalidSignatureError(InvalidHookError):
    """The kind of signature is unknown."""

    field = "signature"


class InvalidPayloadError(InvalidHookError):
    """The payload template is not valid; the message names the place."""

    field = "payload_template"


class InvalidSerializerError(InvalidPayloadError):
    """The serializer cannot be imported, or is not a serializer."""

    field = "serializer_class"


class HookDisabledError(InvalidHookError):
    """The webhook is disabled, so it sends nothing, not even a test event."""

    field = "enabled"


def kind_of_error(field: str, error: ValidationError) -> type[ValidationError]:
    """Of what kind an error of a field is; Django's own checks (“cannot be blank”) know only one."""
    if isinstance(error, InvalidHookError):
        return type(error)
    kinds: tuple[type[InvalidHookError], ...] = (*InvalidHookError.__subclasses__(), InvalidSerializerError)
    of_field = {kind.field: kind for kind in kinds} | {"content_type": InvalidHeadersError}
    return of_field.get(field, ValidationError)


def by_field(error: ValidationError) -> dict[str, list[ValidationError]]:
    """Return the errors in an error, under the fields that they are about."""
    found: dict[str, list[ValidationError]] = {}
    given = error.error_dict if hasattr(error, "error_dict") else {NON_FIELD_ERRORS: error.error_list}
    for field, errors in given.items():
        for one in errors:
            place = getattr(one, "field", field) if field == NON_FIELD_ERRORS else field
            found.setdefault(place, []).append(one)
    return found

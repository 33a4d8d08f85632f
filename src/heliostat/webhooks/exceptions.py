"""What can be wrong with a hook."""

from __future__ import annotations

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError


class InvalidHookError(ValidationError):
    """Something is wrong with a hook; `field` is the one of its fields where a form says so."""

    field: str = NON_FIELD_ERRORS


class InvalidHeadersError(InvalidHookError):
    """The headers of a hook cannot be sent; the message names the line."""

    field = "headers"


class InvalidTargetError(InvalidHookError):
    """The address of a hook cannot or must not be called."""

    field = "target_url"


class InvalidSignalError(InvalidHookError):
    """A hook asks for a signal or an event that cannot be."""

    field = "signals"


class InvalidModelError(InvalidHookError):
    """There is no such model, or several, or hooks may not be on it; the message names what there is."""

    field = "model"


class InvalidObjectError(InvalidHookError):
    """A hook is on an object whose key its model cannot have."""

    field = "object_id"


class InvalidFiltersError(InvalidHookError):
    """The filters of a hook can mean nothing; the message names the place."""

    field = "filters"


class InvalidExpiryError(InvalidHookError):
    """A hook would end before it begins."""

    field = "expires_at"


class InvalidSignatureError(InvalidHookError):
    """A hook cannot sign in this way."""

    field = "signature"


class InvalidPayloadError(InvalidHookError):
    """The payload template or serializer of a hook cannot work; the message names the place."""

    field = "payload_template"


class InvalidSerializerError(InvalidPayloadError):
    """The serializer of a hook cannot be imported, or is none."""

    field = "serializer_class"


class HookDisabledError(InvalidHookError):
    """A hook that is disabled is sent nothing, not even a test event."""

    field = "enabled"


def kind_of_error(field: str, error: ValidationError) -> type[ValidationError]:
    """Of what kind an error of a field is; Django's own checks (“cannot be blank”) know only one."""
    if isinstance(error, InvalidHookError):
        return type(error)
    kinds: tuple[type[InvalidHookError], ...] = (*InvalidHookError.__subclasses__(), InvalidSerializerError)
    of_field = {kind.field: kind for kind in kinds} | {"content_type": InvalidHeadersError}
    return of_field.get(field, ValidationError)


def by_field(error: ValidationError) -> dict[str, list[ValidationError]]:
    """The errors in an error, under the fields that they are about."""
    found: dict[str, list[ValidationError]] = {}
    given = error.error_dict if hasattr(error, "error_dict") else {NON_FIELD_ERRORS: error.error_list}
    for field, errors in given.items():
        for one in errors:
            place = getattr(one, "field", field) if field == NON_FIELD_ERRORS else field
            found.setdefault(place, []).append(one)
    return found

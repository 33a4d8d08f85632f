"""What can be wrong with a hook."""

from __future__ import annotations

from django.core.exceptions import ValidationError


class InvalidHeadersError(ValidationError):
    """The headers of a hook cannot be sent; the message names the line."""


class InvalidTargetError(ValidationError):
    """The address of a hook cannot or must not be called."""


class InvalidSignalError(ValidationError):
    """A hook asks for a signal or an event that cannot be."""


class InvalidModelError(ValidationError):
    """There is no such model, or several; the message names what there is."""


class InvalidPayloadError(ValidationError):
    """The payload template or serializer of a hook cannot work; the message names the place."""

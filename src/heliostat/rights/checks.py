from __future__ import annotations

from typing import Any

from django.contrib.auth import get_backends
from django.core.checks import CheckMessage, Error

from heliostat.rights.backend import Backend


def check_backend(**_: Any) -> list[CheckMessage]:
    """System check: Django asks the backend that knows who owns what, and with which groups it is shared."""
    if any(isinstance(backend, Backend) for backend in get_backends()):
        return []
    return [
        Error(
            "AUTHENTICATION_BACKENDS lacks heliostat.rights.backend.Backend: nobody would have a right to what they "
            "own or what is shared with them.",
            hint="Set AUTHENTICATION_BACKENDS = ['django.contrib.auth.backends.ModelBackend', "
            "'heliostat.rights.backend.Backend'].",
            id="heliostat.E070",
        )
    ]

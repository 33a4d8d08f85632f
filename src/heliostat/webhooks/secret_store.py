"""Encrypt secrets at rest: the database is not enough to sign deliveries."""

from __future__ import annotations

import base64
from functools import cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from heliostat.conf import conf
from heliostat.exceptions import ConfigurationError


def encrypt(text: str) -> str:
    return _cipher(_keys()).encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """Raises `ConfigurationError` where none of the keys fits."""
    try:
        return _cipher(_keys()).decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise ConfigurationError(
            "The secret of a hook cannot be decrypted. Did SECRET_KEY or HELIOSTAT_ENCRYPTION_KEYS change? Add the old "
            "key to SECRET_KEY_FALLBACKS or to the end of HELIOSTAT_ENCRYPTION_KEYS."
        ) from error


def _keys() -> tuple[str, ...]:
    return tuple(conf.encryption_keys) or (settings.SECRET_KEY, *map(str, settings.SECRET_KEY_FALLBACKS))


@cache
def _cipher(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(_derive(key)) for key in keys])


def _derive(key: str) -> bytes:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"heliostat.webhooks.secret").derive(key.encode())
    return base64.urlsafe_b64encode(derived)

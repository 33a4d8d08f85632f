"""Secrets of hooks: encrypted in the database, used to sign, and replaced with an overlap."""

from __future__ import annotations

import base64
from contextlib import suppress
from functools import cache
from typing import ClassVar

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import models

from heliostat.conf import conf
from heliostat.delivery.signing import SCHEMES, PrivateKey, SharedKey, new_secret, signing_key_of
from heliostat.exceptions import ConfigurationError
from heliostat.webhooks.exceptions import InvalidSignatureError

SHORTEST = 24  # bytes; so says Standard Webhooks


def encrypt(text: str) -> str:
    """Return a secret as the database holds it: the database is not enough to sign deliveries."""
    return _cipher(_keys()).encrypt(text.encode()).decode()


def decrypt(token: str) -> str:
    """Return an encrypted secret; raise `ConfigurationError` where none of the keys fits."""
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
    ciphers: list[Fernet] = []
    for key in keys:
        derivation = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"heliostat.webhooks.secret")
        ciphers.append(Fernet(base64.urlsafe_b64encode(derivation.derive(key.encode()))))
    return MultiFernet(ciphers)


class Signed(models.Model):
    """A row with a secret, by which receivers verify what it sends."""

    SIGNATURES: ClassVar = [("v1", "HMAC-SHA256, with a secret that both know"), ("v1a", "ed25519, with a public key")]

    signature = models.CharField(max_length=3, choices=SIGNATURES, default="v1")
    encrypted_secret = models.TextField(editable=False)
    encrypted_previous_secret = models.TextField(editable=False, blank=True, default="")
    previous_secret_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        abstract = True

    def reveal_secret(self) -> str:
        """Return the secret, `whsec_…`, or the private key, `whsk_…`."""
        return decrypt(self.encrypted_secret)

    @property
    def public_key(self) -> str:
        """Return the key `whpk_…` that receivers verify with, which is no secret; empty where a secret is shared."""
        key = signing_key_of(self.reveal_secret())
        return str(key.public) if isinstance(key, PrivateKey) else ""

    def set_secret(self, secret: str) -> None:
        """Sign with this secret or private key from now on; raise `ValueError` for none, or a short one."""
        key = signing_key_of(secret)
        if isinstance(key, SharedKey) and len(key.secret) < SHORTEST:
            raise ValueError(f"a secret has at least {SHORTEST} bytes, not {len(key.secret)}")
        self.signature = key.scheme
        self.encrypted_secret = encrypt(secret)

    def make_secret(self) -> None:
        """Make a secret, where the hook has none yet."""
        if not self.encrypted_secret:
            self.set_secret(new_secret(self.signature))

    def signing_keys(self) -> tuple[SharedKey | PrivateKey, ...]:
        """Return what signs a delivery; the previous secret too, while it is valid."""
        key = signing_key_of(self.reveal_secret())
        if not self.encrypted_previous_secret or self.previous_secret_until is None:
            return (key,)
        try:
            previous = decrypt(self.encrypted_previous_secret)
        except ConfigurationError:  # lost with the key that encrypted it; that may be why there is a new one
            return (key,)
        return key, signing_key_of(previous, self.previous_secret_until.timestamp())

    def check_signature(self) -> None:
        """Raise `InvalidSignatureError` for an unknown signature, or one that its secret is not for."""
        if self.signature not in SCHEMES:
            raise InvalidSignatureError(f"The signature is {' or '.join(SCHEMES)}, not “{self.signature}”.")
        scheme = self.signature
        if self.encrypted_secret:
            with suppress(ConfigurationError):  # it cannot be decrypted: the sender logs this
                scheme = signing_key_of(self.reveal_secret()).scheme
        if scheme != self.signature:
            raise InvalidSignatureError("Its secret is of another kind: rotate the secret to sign in another way.")

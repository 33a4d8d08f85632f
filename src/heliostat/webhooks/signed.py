"""How a hook signs: its secret, encrypted, and the one before it while that still counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from django.db import models

from heliostat.delivery.signing import SCHEMES, PrivateKey, SharedKey, new_secret, signing_key_of
from heliostat.exceptions import ConfigurationError
from heliostat.webhooks import secret_store
from heliostat.webhooks.exceptions import InvalidSignatureError

SHORTEST = 24  # bytes; so says Standard Webhooks


class Signed(models.Model):
    """A row with a secret that receivers verify what it sends with."""

    SIGNATURES: ClassVar = [("v1", "HMAC-SHA256, with a secret that both know"), ("v1a", "ed25519, with a public key")]

    signature = models.CharField(max_length=3, choices=SIGNATURES, default="v1")
    encrypted_secret = models.TextField(editable=False)
    encrypted_previous_secret = models.TextField(editable=False, blank=True, default="")
    previous_secret_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        abstract = True

    def reveal_secret(self) -> str:
        """The secret, `whsec_…`, or the private key, `whsk_…`."""
        return secret_store.decrypt(self.encrypted_secret)

    @property
    def public_key(self) -> str:
        """The key `whpk_…` that receivers verify with, which is no secret; empty where a secret is shared."""
        key = signing_key_of(self.reveal_secret())
        return str(key.public) if isinstance(key, PrivateKey) else ""

    def set_secret(self, secret: str) -> None:
        """Sign with this secret or private key from now on; raises `ValueError` where it is none, or easily guessed."""
        key = signing_key_of(secret)
        if isinstance(key, SharedKey) and len(key.secret) < SHORTEST:
            raise ValueError(f"a secret has at least {SHORTEST} bytes, not {len(key.secret)}")
        self.signature = key.scheme
        self.encrypted_secret = secret_store.encrypt(secret)

    def make_secret(self) -> None:
        """A secret of its own, where it has none yet."""
        if not self.encrypted_secret:
            self.set_secret(new_secret(self.signature))

    def signing_keys(self) -> tuple[SharedKey | PrivateKey, ...]:
        """What signs a delivery; the secret before this one too, for as long as it counts."""
        return (signing_key_of(self.reveal_secret()), *self._previous_key())

    def _previous_key(self) -> Iterator[SharedKey | PrivateKey]:
        if self.encrypted_previous_secret and self.previous_secret_until is not None:
            try:
                secret = secret_store.decrypt(self.encrypted_previous_secret)
            except ConfigurationError:  # lost with the key that encrypted it; that may be why there is a new one
                return
            yield signing_key_of(secret, self.previous_secret_until.timestamp())

    def check_signature(self) -> None:
        """Raises `InvalidSignatureError` for a way to sign that there is not, or that its secret is not for."""
        if self.signature not in SCHEMES:
            raise InvalidSignatureError(f"The signature is {' or '.join(SCHEMES)}, not “{self.signature}”.")
        if self.encrypted_secret and self._scheme_of_secret() != self.signature:
            raise InvalidSignatureError("Its secret is of another kind: rotate the secret to sign in another way.")

    def _scheme_of_secret(self) -> str:
        try:
            return signing_key_of(self.reveal_secret()).scheme
        except ConfigurationError:  # it cannot be decrypted: the sender logs this
            return self.signature

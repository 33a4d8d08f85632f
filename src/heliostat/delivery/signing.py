"""Signatures by Standard Webhooks (https://www.standardwebhooks.com).

`v1` is HMAC-SHA256 with a secret that both sides know (`whsec_…`). `v1a` is ed25519: the sender signs with a private
key (`whsk_…`: the seed and the public key, or only the seed), and the receiver verifies with the public key (`whpk_…`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import math
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SECRET, PRIVATE, PUBLIC = "whsec_", "whsk_", "whpk_"
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
SCHEMES = ("v1", "v1a")
KEY_SIZE = 32
BLOCK_SIZE = 64  # of SHA-256, in bytes


@dataclass(frozen=True, slots=True)
class SharedKey:
    """A secret that the sender and the receiver know; it is not used from the Unix time `until` on."""

    scheme: ClassVar[str] = "v1"
    secret: bytes = field(repr=False)  # tracebacks and logs show what they come by
    until: float = math.inf

    def sign(self, content: bytes) -> bytes:
        inner, outer = _begun(self.secret)
        inner, outer = inner.copy(), outer.copy()
        inner.update(content)
        outer.update(inner.digest())
        return outer.digest()

    def fits(self, content: bytes, signature: bytes) -> bool:
        """Return whether this key made the signature of this content."""
        return hmac.compare_digest(self.sign(content), signature)


@lru_cache(maxsize=1024)
def _begun(secret: bytes) -> tuple[hashlib._Hash, hashlib._Hash]:
    """Return the inner and the outer hash of HMAC-SHA256 (RFC 2104) with the key in them: all signatures begin so.

    To copy them takes two thirds of the time of a copied `hmac` object, and half that of `hmac.digest()`.
    """
    key = (hashlib.sha256(secret).digest() if len(secret) > BLOCK_SIZE else secret).ljust(BLOCK_SIZE, b"\0")
    return hashlib.sha256(bytes(byte ^ 0x36 for byte in key)), hashlib.sha256(bytes(byte ^ 0x5C for byte in key))


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies signatures, and that everybody may know."""

    scheme: ClassVar[str] = "v1a"
    key: Ed25519PublicKey

    def fits(self, content: bytes, signature: bytes) -> bool:
        try:
            self.key.verify(signature, content)
        except InvalidSignature:
            return False
        return True

    def __str__(self) -> str:
        return PUBLIC + base64.b64encode(self.key.public_bytes_raw()).decode()


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A key that only the sender knows; it is not used from the Unix time `until` on."""

    scheme: ClassVar[str] = "v1a"
    key: Ed25519PrivateKey = field(repr=False)
    until: float = math.inf

    @property
    def public(self) -> PublicKey:
        return PublicKey(self.key.public_key())

    def sign(self, content: bytes) -> bytes:
        return self.key.sign(content)

    def fits(self, content: bytes, signature: bytes) -> bool:
        return self.public.fits(content, signature)


SigningKey = SharedKey | PrivateKey


def new_secret(scheme: str = "v1") -> str:
    """Return a fresh secret of 256 bits, or a private key. Raise `ValueError` for an unknown scheme."""
    if scheme not in SCHEMES:
        raise ValueError(f"there is no signature {scheme!r}; there are {' and '.join(SCHEMES)}")
    seed = secrets.token_bytes(KEY_SIZE)
    if scheme == SharedKey.scheme:
        return SECRET + base64.b64encode(seed).decode()
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return PRIVATE + base64.b64encode(seed + public).decode()


def signing_key_of(secret: str, until: float = math.inf) -> SigningKey:
    """Return the key of a `whsec_…` or `whsk_…`. Raise `ValueError` for anything else."""
    if secret.startswith(SECRET) and (key := _decoded(secret, SECRET)):
        return SharedKey(key, until)
    if secret.startswith(PRIVATE):
        key = _decoded(secret, PRIVATE)
        if len(key) in (KEY_SIZE, 2 * KEY_SIZE):
            found = Ed25519PrivateKey.from_private_bytes(key[:KEY_SIZE])
            if key[KEY_SIZE:] in (b"", found.public_key().public_bytes_raw()):
                return PrivateKey(found, until)
        raise ValueError(f"a secret that starts with {PRIVATE} is a seed of {KEY_SIZE} bytes and its public key")
    raise ValueError(f"a secret starts with {SECRET} or {PRIVATE} and is not empty")


def key_of(text: str) -> SigningKey | PublicKey:
    """Return the key of a `whsec_…`, `whsk_…` or `whpk_…`. Raise `ValueError` for anything else."""
    if not text.startswith(PUBLIC):
        return signing_key_of(text)
    key = _decoded(text, PUBLIC)
    if len(key) != KEY_SIZE:
        raise ValueError(f"a public key is {PUBLIC} and base64 of {KEY_SIZE} bytes")
    return PublicKey(Ed25519PublicKey.from_public_bytes(key))


def _decoded(text: str, prefix: str) -> bytes:
    try:
        return base64.b64decode(text.removeprefix(prefix), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"a secret or key is {prefix} and base64: {error}") from error


def sign(keys: Sequence[SigningKey], message_id: str, timestamp: int, body: bytes) -> str:
    """Return the `webhook-signature` header: a signature by each valid key (several while one is rotated)."""
    content = b"%s.%d.%s" % (message_id.encode(), timestamp, body)
    valid = [key for key in keys if timestamp < key.until]
    return " ".join([f"{key.scheme},{base64.b64encode(key.sign(content)).decode()}" for key in valid])

"""For receivers: is this request really from whom it says, and fresh? Needs no Django set-up.

from heliostat.webhooks.verify import verify
verify(request.headers, request.body, "whsec_…")    # raises SignatureError
"""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from collections.abc import Mapping

from heliostat.delivery.signing import ID, SIGNATURE, TIMESTAMP, key_of


class SignatureError(Exception):
    """A delivery is not to be trusted; the message says why."""


def verify(headers: Mapping[str, str], body: bytes, secret: str, tolerance: float = 300) -> None:
    """Check the signature of a delivery by Standard Webhooks.

    `tolerance` is how many seconds the sender's clock and ours may differ, against replays. Raises `SignatureError`.
    """
    known = {name.lower(): value for name, value in headers.items()}
    missing = [name for name in (ID, TIMESTAMP, SIGNATURE) if not known.get(name)]
    if missing:
        raise SignatureError(f"no {', '.join(missing)} header")
    _check_age(known[TIMESTAMP], tolerance)
    content = b"%s.%s.%s" % (known[ID].encode(), known[TIMESTAMP].encode(), body)
    expected = hmac.digest(key_of(secret), content, "sha256")
    if not any(hmac.compare_digest(expected, given) for given in _signatures(known[SIGNATURE])):
        raise SignatureError("no signature fits the body and the secret")


def _check_age(timestamp: str, tolerance: float) -> None:
    if not timestamp.isascii() or not timestamp.isdigit():
        raise SignatureError("the timestamp is no whole number of seconds")
    age = time.time() - int(timestamp)
    if abs(age) > tolerance:
        raise SignatureError(
            f"the timestamp is {abs(age):.0f} s {'old' if age > 0 else 'ahead'}; allowed are {tolerance:.0f} s"
        )


def _signatures(header: str) -> list[bytes]:
    """The `v1` signatures of the header; several while a secret is being rotated."""
    found: list[bytes] = []
    for part in header.split():
        version, _, signature = part.partition(",")
        if version != "v1":
            continue
        try:
            found.append(base64.b64decode(signature, validate=True))
        except binascii.Error:
            continue
    return found

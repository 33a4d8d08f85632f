"""For receivers: verify the signature and the age of a webhook. Needs no Django.

Example::

    from heliostat.webhooks.verify import verify
    verify(request.headers, request.body, "whsec_…")    # raises SignatureError
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Iterable, Mapping

from heliostat.delivery.signing import ID, SIGNATURE, TIMESTAMP, key_of

LONGEST_TIMESTAMP = 12  # digits; until the year 33658


class SignatureError(Exception):
    """The signature of a webhook is missing, wrong or too old; the message says which."""


def verify(headers: Mapping[str, str], body: bytes, secret: str | Iterable[str], tolerance: float = 300) -> None:
    """Verify the signature of a webhook (Standard Webhooks).

    `secret` is the secret of the webhook (`whsec_…`), its public key (`whpk_…`), or a list of them: one valid signature
    is enough. `tolerance` is the largest difference between `webhook-timestamp` and the clock, in seconds, against
    replays. Raise `SignatureError` if the signature is not valid, and `ValueError` if a secret is not valid.
    """
    keys = [key_of(one) for one in ([secret] if isinstance(secret, str) else secret)]
    known = {name.lower(): value for name, value in headers.items()}
    missing = [name for name in (ID, TIMESTAMP, SIGNATURE) if not known.get(name)]
    if missing:
        raise SignatureError(f"no {', '.join(missing)} header")
    timestamp = known[TIMESTAMP]
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > LONGEST_TIMESTAMP:
        raise SignatureError("the timestamp is no whole number of seconds")
    age = time.time() - int(timestamp)
    if abs(age) > tolerance:
        direction = "old" if age > 0 else "ahead"
        raise SignatureError(f"the timestamp is {abs(age):.0f} s {direction}; allowed are {tolerance:.0f} s")
    content = b"%s.%s.%s" % (known[ID].encode(errors="replace"), timestamp.encode(), body)
    for part in known[SIGNATURE].split():  # several while a secret is being rotated
        scheme, _, signature = part.partition(",")
        try:
            given = base64.b64decode(signature, validate=True)
        except (binascii.Error, ValueError):
            continue
        if any(key.scheme == scheme and key.fits(content, given) for key in keys):
            return
    raise SignatureError("no signature fits the body and the secret")

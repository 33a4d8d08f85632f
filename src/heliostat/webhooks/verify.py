"""For receivers: check that a request comes from its sender, and that it is fresh. Needs no Django.

Example::

    from heliostat.webhooks.verify import verify
    verify(request.headers, request.body, "whsec_…")    # raises SignatureError
"""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Iterable, Iterator, Mapping

from heliostat.delivery.signing import ID, SIGNATURE, TIMESTAMP, key_of

LONGEST_TIMESTAMP = 12  # digits; until the year 33658


class SignatureError(Exception):
    """A delivery is not to be trusted; the message says why."""


def verify(headers: Mapping[str, str], body: bytes, secret: str | Iterable[str], tolerance: float = 300) -> None:
    """Check the signature of a delivery by Standard Webhooks.

    `secret` is the hook's secret (`whsec_…`) or its public key (`whpk_…`), or several while one is replaced: any that
    fits is enough. `tolerance` is how many seconds the sender's clock and ours may differ, against replays. Raises
    `SignatureError` where the delivery is not to be trusted, and `ValueError` where a secret is none.
    """
    keys = [key_of(one) for one in ([secret] if isinstance(secret, str) else secret)]
    known = {name.lower(): value for name, value in headers.items()}
    missing = [name for name in (ID, TIMESTAMP, SIGNATURE) if not known.get(name)]
    if missing:
        raise SignatureError(f"no {', '.join(missing)} header")
    _check_age(known[TIMESTAMP], tolerance)
    content = b"%s.%s.%s" % (known[ID].encode(errors="replace"), known[TIMESTAMP].encode(), body)
    signatures = list(_signatures(known[SIGNATURE]))
    if not any(key.scheme == scheme and key.fits(content, given) for key in keys for scheme, given in signatures):
        raise SignatureError("no signature fits the body and the secret")


def _check_age(timestamp: str, tolerance: float) -> None:
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > LONGEST_TIMESTAMP:
        raise SignatureError("the timestamp is no whole number of seconds")
    age = time.time() - int(timestamp)
    if abs(age) > tolerance:
        raise SignatureError(
            f"the timestamp is {abs(age):.0f} s {'old' if age > 0 else 'ahead'}; allowed are {tolerance:.0f} s"
        )


def _signatures(header: str) -> Iterator[tuple[str, bytes]]:
    """Scheme and signature, each; several while a secret is being rotated."""
    for part in header.split():
        scheme, _, signature = part.partition(",")
        try:
            yield scheme, base64.b64decode(signature, validate=True)
        except (binascii.Error, ValueError):
            continue

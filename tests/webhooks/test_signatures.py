"""Signatures by Standard Webhooks, checked against its own vector and an independent library."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from heliostat.delivery.signing import key_of, new_secret, sign
from heliostat.webhooks.verify import SignatureError, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
BODY = b'{"test": 2432232314}'


def headers(timestamp: int, signature: str) -> dict[str, str]:
    return {"Webhook-Id": ID, "Webhook-Timestamp": str(timestamp), "Webhook-Signature": signature}


def test_the_vector_of_the_standard() -> None:
    assert sign([key_of(SECRET)], ID, 1614265330, BODY) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_an_independent_library_agrees_both_ways() -> None:
    secret, now = new_secret(), int(time.time())
    Webhook(secret).verify(BODY, {k.lower(): v for k, v in headers(now, sign([key_of(secret)], ID, now, BODY)).items()})
    theirs = Webhook(secret).sign(ID, datetime.fromtimestamp(now, tz=UTC), BODY.decode())
    verify(headers(now, theirs), BODY, secret)


def test_any_of_several_signatures_is_enough_while_a_secret_is_rotated() -> None:
    old, new, now = new_secret(), new_secret(), int(time.time())
    signature = sign([key_of(new), key_of(old)], ID, now, BODY)
    verify(headers(now, signature), BODY, old)
    verify(headers(now, "v1a,ignored v2,x " + signature), BODY, new)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"Webhook-Id": "msg_other"}, "no signature fits"),
        ({"Webhook-Signature": "v1,AAAA"}, "no signature fits"),
        ({"Webhook-Signature": "v1,not base64!"}, "no signature fits"),
        ({"Webhook-Signature": ""}, "no webhook-signature"),
        ({"Webhook-Timestamp": "yesterday"}, "no whole number"),
        ({"Webhook-Timestamp": str(int(time.time()) - 3600)}, "old"),
        ({"Webhook-Timestamp": str(int(time.time()) + 3600)}, "ahead"),
    ],
)
def test_what_was_changed_or_is_old_is_not_trusted(change: dict[str, str], words: str) -> None:
    now = int(time.time())
    right = headers(now, sign([key_of(SECRET)], ID, now, BODY))
    verify(right, BODY, SECRET)
    with pytest.raises(SignatureError, match=words):
        verify({**right, **change}, BODY, SECRET)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!!", "c2VjcmV0"])
def test_what_is_no_secret_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="secret"):
        key_of(secret)

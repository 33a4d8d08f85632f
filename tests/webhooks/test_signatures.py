"""Signatures by Standard Webhooks, checked against its own vector and an independent library."""

from __future__ import annotations

import subprocess
import sys
import time
from base64 import b64decode, b64encode
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from heliostat.delivery.signing import key_of, new_secret, sign, signing_key_of
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


PRIVATE = new_secret("v1a")
PUBLIC = str(key_of(PRIVATE).public)  # type: ignore[union-attr]


def test_an_asymmetric_signature_is_verified_with_the_public_key_alone() -> None:
    now = int(time.time())
    right = headers(now, sign([key_of(PRIVATE)], ID, now, BODY))
    assert right["Webhook-Signature"].startswith("v1a,")
    assert PUBLIC.startswith("whpk_")
    verify(right, BODY, PUBLIC)
    verify(right, BODY, PRIVATE)
    verify(right, BODY, [SECRET, PUBLIC])
    for change, body, key in (
        ({}, b"{}", PUBLIC),
        ({"Webhook-Id": "msg_other"}, BODY, PUBLIC),
        ({}, BODY, str(key_of(new_secret("v1a")).public)),  # type: ignore[union-attr]
        ({}, BODY, SECRET),
    ):
        with pytest.raises(SignatureError, match="no signature fits"):
            verify({**right, **change}, body, key)


def test_an_independent_library_finds_its_own_signature_beside_an_asymmetric_one() -> None:
    now = int(time.time())
    mixed = headers(now, sign([key_of(PRIVATE), key_of(SECRET)], ID, now, BODY))
    Webhook(SECRET).verify(BODY, mixed)


def test_cryptography_agrees_on_the_key_and_the_signature() -> None:
    signature = sign([key_of(PRIVATE)], ID, 1614265330, BODY).removeprefix("v1a,")
    public = Ed25519PublicKey.from_public_bytes(b64decode(PUBLIC.removeprefix("whpk_")))
    public.verify(b64decode(signature), f"{ID}.1614265330.".encode() + BODY)


def test_a_shared_secret_is_never_taken_for_a_public_key() -> None:
    """Those who know the public key must not be able to sign with it as if it were a shared secret."""
    now = int(time.time())
    forged = sign([key_of("whsec_" + PUBLIC.removeprefix("whpk_"))], ID, now, BODY)
    with pytest.raises(SignatureError, match="no signature fits"):
        verify(headers(now, forged), BODY, PUBLIC)
    with pytest.raises(SignatureError, match="no signature fits"):
        verify(headers(now, forged.replace("v1,", "v1a,")), BODY, PUBLIC)


@pytest.mark.parametrize("key", ["whsk_AAAA", "whsk_" + "A" * 86 + "==", "whpk_AAAA", "whpk_!", "whsk_é"])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match=r"key|secret"):
        key_of(key)


def test_the_seed_alone_is_a_private_key_too() -> None:
    seed = "whsk_" + b64encode(b64decode(PRIVATE.removeprefix("whsk_"))[:32]).decode()
    assert str(key_of(seed).public) == PUBLIC  # type: ignore[union-attr]


def test_a_key_signs_until_it_ends() -> None:
    old, new = signing_key_of(SECRET, until=1000), signing_key_of(PRIVATE)
    assert sign([new, old], ID, 999, BODY).count(",") == 2
    assert sign([new, old], ID, 1000, BODY).count(",") == 1


def test_receivers_need_no_django() -> None:
    code = "import sys, heliostat.webhooks.verify; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_no_log_or_traceback_shows_a_secret() -> None:
    for secret in (SECRET, PRIVATE):
        shown = repr(signing_key_of(secret))
        assert "until" in shown
        assert repr(b64decode(SECRET.removeprefix("whsec_")))[2:-1] not in shown


anything = st.text(max_size=30) | st.text(st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF), max_size=5)


@given(anything, anything | st.integers().map(str), anything.map("v1,{}".format) | anything, st.binary(max_size=50))
def test_whatever_a_stranger_sends_is_distrusted_and_nothing_worse(
    identifier: str, timestamp: str, signature: str, body: bytes
) -> None:
    sent = {"Webhook-Id": identifier, "Webhook-Timestamp": timestamp, "Webhook-Signature": signature}
    for changed in (
        sent,
        {**sent, "Webhook-Timestamp": str(int(time.time()))},
        {**sent, "Webhook-Timestamp": "9" * 5000},
    ):
        with pytest.raises(SignatureError):
            verify(changed, body, [SECRET, PUBLIC])

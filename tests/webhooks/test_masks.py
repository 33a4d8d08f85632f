"""Headers that hold secrets are shown masked, and stay as they are when the mask comes back."""

from __future__ import annotations

import pytest

from heliostat.webhooks.exceptions import InvalidHeadersError
from heliostat.webhooks.headers import MASK, check_move, masked, unmasked

STORED = "Authorization: Bearer 42\nX-Site: north\nX-Api-Key: 1"


def test_what_looks_secret_is_masked() -> None:
    names = [
        "Authorization",
        "api-key",
        "X-API-Key",
        "X-Auth",
        "Cookie",
        "X-Access-Token",
        "X-Hub-Signature",
        "X-Secret",
    ]
    text = "\n".join(f"{name}: 42" for name in names)
    assert masked(text) == dict.fromkeys(names, MASK)
    assert masked("X-Site: north\nAccept: text/plain") == {"X-Site": "north", "Accept": "text/plain"}


def test_lines_of_one_name_are_one_header() -> None:
    assert masked("X-A: 1\nX-B: 2\nX-A: 3") == {"X-A": "1, 3", "X-B": "2"}


def test_a_mask_stands_for_what_is_stored_whatever_the_case_of_its_name() -> None:
    given = {"authorization": MASK, "X-Site": "south"}
    assert unmasked(given, STORED) == {"authorization": "Bearer 42", "X-Site": "south"}
    with pytest.raises(InvalidHeadersError, match="only its mask"):
        unmasked({"Cookie": MASK}, STORED)


@pytest.mark.parametrize(
    ("url", "moved"),
    [
        ("https://a.example.com/other?x=1", False),
        ("HTTPS://A.example.com/", False),
        ("https://b.example.com/", True),
        ("https://a.example.com:8443/", True),
        ("http://a.example.com/", True),
        ("https://a.example.com.evil.example/", True),
    ],
)
def test_secrets_stay_with_their_site(url: str, moved: bool) -> None:
    if not moved:
        check_move("https://a.example.com/", url, STORED, STORED)
        return
    with pytest.raises(InvalidHeadersError, match="write the value of “Authorization” again"):
        check_move("https://a.example.com/", url, STORED, STORED)
    check_move("https://a.example.com/", url, STORED, "X-Site: north")
    check_move("https://a.example.com/", url, STORED, "Authorization: Bearer 43")


def test_headers_that_cannot_be_sent_are_none() -> None:
    """No validation of ours let them in: a bulk update did, or an older version."""
    assert masked("no colon") == {}
    assert unmasked({"X-Site": "south"}, "no colon") == {"X-Site": "south"}

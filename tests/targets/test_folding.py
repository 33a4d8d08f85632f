"""Two ways to write one name fold alike; two names do not."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heliostat.targets.folding import fold

DASHES = [chr(code) for code in range(sys.maxunicode) if unicodedata.category(chr(code)) == "Pd"] + ["\u2212", "\u207b"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SN1572", "SN 1572"),
        ("AT2017gfo", "AT 2017gfo"),
        ("at2017GFO", "AT\u00a02017gfo"),
        ("SN-1987A", "sn 1987a"),
        ("GRB 170817A", "GRB170817A"),
        ("NGC 1234-5", "ngc1234 5"),
        ("WISE J0855\u22120714", "WISE J0855-0714"),
        ("ＮＧＣ ２２４", "NGC 224"),
        ("Straße", "STRASSE"),
        ("67P/Churyumov–Gerasimenko", "67p/churyumov-gerasimenko"),
        ("TYC 1 -\u2009234 - 1", "TYC 1-234-1"),
        ("  M  31 ", "M31"),
    ],
)
def test_two_ways_to_write_one_name_fold_alike(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("TYC 1-234-1", "TYC 12-34-1"),
        ("ESO 137-1", "ESO 13-71"),
        ("NGC 1-23", "NGC 12-3"),
        ("PSR J0437+4715", "PSR J0437-4715"),
        ("PSR J0437+4715", "PSR J04374715"),
        ("2023 AB 1", "2023 AB1 1"),
        ("Müller 1", "Muller 1"),
    ],
)
def test_two_names_do_not_fold_alike(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@pytest.mark.parametrize("dash", DASHES, ids=ascii)
def test_each_dash_of_unicode_is_a_dash(dash: str) -> None:
    assert fold(f"ESO 137{dash}1") == "eso137-1"
    assert fold(f"SN{dash}A") == "sna"


@pytest.mark.slow
def test_each_character_folds_to_what_folds_to_itself() -> None:
    changed = [
        ascii(character)
        for character in map(chr, range(sys.maxunicode + 1))
        if fold(fold(f"a{character}1")) != fold(f"a{character}1")
    ]
    assert changed == []


@given(st.text())
def test_what_is_folded_folds_to_itself(name: str) -> None:
    assert fold(fold(name)) == fold(name)


@given(st.text(), st.sampled_from([" ", "\t", "\u00a0", "-", *DASHES]))
def test_a_blank_or_dash_beside_a_letter_makes_no_difference(name: str, separator: str) -> None:
    assert fold(f"A{separator}{name}") == fold(f"A{name}")


@given(st.text(alphabet="0123456789", min_size=1), st.text(alphabet="0123456789", min_size=1))
def test_between_digits_a_separator_stays_as_a_dash(one: str, other: str) -> None:
    assert fold(f"{one} {other}") == fold(f"{one}\u2013{other}") == f"{one}-{other}"
    assert fold(one + other) != fold(f"{one} {other}")


@given(st.text(alphabet="0123456789 -AB+", min_size=1))
def test_no_blank_is_left_and_a_dash_only_between_digits(name: str) -> None:
    folded = fold(name)
    assert " " not in folded
    assert folded.count("+") == name.count("+")
    for place, character in enumerate(folded):
        if character == "-":
            assert folded[place - 1].isdigit()
            assert folded[place + 1].isdigit()

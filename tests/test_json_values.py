"""JSON that people send is read in one place, and refused where a database could not store it."""

from __future__ import annotations

import pytest
from django import forms
from django.core.exceptions import ValidationError

from heliostat.form_fields import JsonField
from heliostat.json_values import DEEPEST, parse_json


def test_what_is_stored_is_read() -> None:
    deep = "[" * DEEPEST + "1" + "]" * DEEPEST
    text = '{"a": [1, 2.5, null, true, "\\u202e", "\\\\u0000"]}'
    assert parse_json(text) == {"a": [1, 2.5, None, True, "\u202e", "\\u0000"]}
    assert parse_json(deep)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "line 1, column 2"),
        ("9" * 5000, "cannot be kept"),
        ("[" * 100_000, "cannot be kept"),
        ("[" * 31 + "1" + "]" * 31, "30 deep"),
        ('{"a": ' * 31 + "1" + "}" * 31, "30 deep"),
        ("NaN", "cannot be kept"),
        ("[1e999]", "cannot be kept"),
        ('"\\ud800"', "cannot be kept"),
        ('["\\u0000"]', "NUL"),
        ('{"\\u0000": 1}', "NUL"),
    ],
)
def test_what_cannot_be_stored_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        parse_json(text)


class Parameters(forms.Form):
    parameters = JsonField(required=False)


def test_a_field_shows_what_was_sent_and_what_is_stored() -> None:
    assert "{&quot;a&quot;: NaN}" in str(Parameters({"parameters": '{"a": NaN}'})["parameters"])
    shown = str(Parameters(initial={"parameters": {"a": "é\ud800"}})["parameters"])
    assert "é\\ud800" in shown
    assert shown.encode()


def test_an_empty_text_is_an_empty_object_and_no_change() -> None:
    form = Parameters({"parameters": " "}, initial={"parameters": {}})
    assert form.is_valid()
    assert form.cleaned_data == {"parameters": {}}
    assert form.changed_data == []
    assert Parameters({"parameters": "{"}, initial={"parameters": {}}).changed_data == ["parameters"]

"""One word list says which names stand for secrets; words are compared, not parts of words."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec
import pytest

from heliostat.redaction import is_secret_name, redacted

SECRETS = """
    key keys signing_key access_key secret_key ssh_key ssh_keys api_key api_keys apiKey APIKey API_KEY
    X-Api-Key x-api-key apikey APIKEY APIkey signingKey SigningKey privateKey private_key privatekey accesskey
    encryption.key key1 key_value key_hash aws_secret_access_key pwd PWD user_pwd db_pass pass passcode
    passcodes passkey pin PIN pin_code pinCode card_pin pins otp OTP otp_seed otpSeed OTPSeed otpseed OTPs
    totp_secret jwt JWTs jwtToken id_token cookie cookies Cookie Set-Cookie cookie2 authorization
    Authorization Proxy-Authorization WWW-Authenticate basic_auth X-Auth auth password Password password2
    new_password passwordHash PASSWORD userpassword mypasswords passwd passphrase secret client_secret
    clientSecret clientsecret secrets token tokens access_token accessToken authtoken csrftoken
    csrfmiddlewaretoken X-CSRF-Token X-Auth-Token refreshToken token_2 credential credentials aws_credentials
    salt password_salt signature Webhook-Signature X-Hub-Signature-256 session session_key sessionid sessionId
    JSESSIONID PHPSESSID hmac bearer recovery_code auth_code seed_phrase security.code cvv password_changed_at
    cred creds userCreds privkey pkey sslkey gpgkey jwtkey hmackey psk wpa_psk pass_word pass_phrase passHash pw_hash
    auth_hash mfa_code 2fa_code smsCode activation_code authcode recoverycodes magic_link resetUrl user[password]
    passwort Kennwort contraseña Contraseñas mi_contraseña mot_de_passe motDePasse motdepasse kata_sandi senha hasło
    wachtwoord пароль Пароль 密码 パスワード 비밀번호 ｐａｓｓｗｏｒｄ
"""
NO_SECRETS = """
    secretary secretaries tokenized_text tokenizer tokenize monkey monkeys author authors authored_by
    authoredBy keyboard keynote keynotes keyword keywords key_word keyWord pinned pinning spin opinion pint
    public_key publicKey public_keys PublicKey ssh_public_key primary_key foreign_key foreign_keys natural_key
    sort_key key_id keyId keyID key_ids access_key_id key_date Idempotency-Key turkey donkey hockey
    authenticity authority auth_provider oauthlib passenger passengers passport compass bypass pass_number
    passive boardings salty basalt salt_proposal cookiecutter rookie sessional obsession possession hash
    digest name id status pk ra dec speed description signal signed_by sign assignee designation design
    content-type user-agent ETag code access zip_code country_code seed random_seed otpimal jot pwdless crede
    sacred credits time_code pass_time hash_code reset_time link url psky passe de_facto parolee
"""


@pytest.mark.parametrize("name", SECRETS.split())
def test_a_name_with_a_secret_word_is_secret(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", NO_SECRETS.split())
def test_a_name_that_only_contains_the_letters_of_a_secret_word_is_none(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize("name", ["", "_", "123", 7, None, "ключ", "x" * 100_000, "a_" * 100_000, "É"])
def test_every_name_can_be_asked_about(name: Any) -> None:
    assert not is_secret_name(name)


@dataclass
class Account:
    owner: str
    api_key: str


class Login(msgspec.Struct):
    user: str
    password: str


def test_secrets_are_left_out_of_a_json_value_however_deep() -> None:
    value = {
        "name": "bus",
        "password": "x",
        "servers": [{"host": "a", "apiKey": "x", "inner": ({"otp": 1, "port": 2},)}],
        "accounts": {"one": Account("ada", "x"), "two": Login("ada", "x")},
        1: "a key that is no text",
    }
    assert redacted(value) == {
        "name": "bus",
        "servers": [{"host": "a", "inner": [{"port": 2}]}],
        "accounts": {"one": {"owner": "ada"}, "two": {"user": "ada"}},
        1: "a key that is no text",
    }
    assert value["password"] == "x", "the value itself is not changed"


@pytest.mark.parametrize(
    ("value", "public"),
    [
        ([["Authorization", "x"], ["Accept", "*/*"]], [["Authorization", None], ["Accept", "*/*"]]),
        ([(b"cookie", b"x"), (b"host", b"a")], [[b"cookie", None], [b"host", b"a"]]),
        ({"headers": (("X-Api-Key", ["x"]), 1)}, {"headers": [["X-Api-Key", None], 1]}),
        ({("token", "x")}, [["token", None]]),
        (
            [["token", "x", "y"], ["token"], "pw", ["a", [["pin", 1]]]],
            [["token", "x", "y"], ["token"], "pw", ["a", [["pin", None]]]],
        ),
    ],
)
def test_a_name_and_its_value_may_be_a_pair_in_a_list(value: Any, public: Any) -> None:
    assert redacted(value) == public
    assert redacted([["key", 1], [b"token", 2]], exposed={"key", "token"}) == [["key", 1], [b"token", 2]]
    assert redacted([["key", 1]], whole=True) == [["key", 1]]


@pytest.mark.parametrize(
    ("value", "public"),
    [
        ([{"name": "Authorization", "value": "x"}], [{"name": "Authorization"}]),
        ({"env": [{"name": "DB_PASSWORD", "value": "x", "kind": 1}]}, {"env": [{"name": "DB_PASSWORD", "kind": 1}]}),
        ([{"key": "token", "value": "x"}, {"header": "Cookie", "values": ["x"]}], [{}, {"header": "Cookie"}]),
        ({"variable": "pin", "value": 1}, {"variable": "pin"}),
    ],
)
def test_a_name_and_its_value_may_be_apart_in_an_object(value: Any, public: Any) -> None:
    assert redacted(value) == public
    assert redacted(value, whole=True) == value


@pytest.mark.parametrize(
    "value",
    [
        {"name": "Accept", "value": "*/*"},
        {"name": "The secret of the pin", "value": 3},
        {"name": ["password"], "value": 3},
        {"name": "token"},
        {"value": "token"},
    ],
)
def test_an_object_that_names_no_secret_keeps_its_value(value: Any) -> None:
    assert redacted(value) == value


@dataclass
class Header:
    name: str
    value: str


def test_an_object_with_fields_that_says_name_and_value_apart_is_one_too() -> None:
    assert redacted([Header("Cookie", "x"), Header("Host", "a")]) == [
        {"name": "Cookie"},
        {"name": "Host", "value": "a"},
    ]
    assert redacted([Header("Cookie", "x")], exposed={"Cookie"}) == [{"name": "Cookie", "value": "x"}]


class Mode(Enum):
    NIGHT = {"gain": 2, "api_key": "x"}
    DAY = "day"


def test_secrets_are_left_out_of_what_is_a_container_only_as_json() -> None:
    value = {"mode": Mode.NIGHT, "modes": [Mode.DAY], "answer": msgspec.Raw(b'{"ok": true, "token": "x"}')}
    assert redacted(value) == {"mode": {"gain": 2}, "modes": [Mode.DAY], "answer": {"ok": True}}


def test_what_is_exposed_stays() -> None:
    assert redacted([{"key": 1, "token": 2}], exposed={"key"}) == [{"key": 1}]


def test_a_value_that_is_no_container_stays_what_it_is() -> None:
    assert [redacted(value) for value in ("password", 1, None, 2.5, b"x", Account)] == [
        "password", 1, None, 2.5, b"x", Account
    ]  # fmt: skip


def test_a_value_may_be_deeper_than_the_stack() -> None:
    value: Any = {"token": 1}
    for _ in range(100_000):
        value = [value]
    copy = redacted(value)
    for _ in range(100_000):
        (copy,) = copy
    assert copy == {}


def test_a_value_may_hold_itself() -> None:
    value: dict[str, Any] = {"secret": 1}
    value["me"] = value
    copy = redacted(value)
    assert copy.keys() == {"me"}
    assert copy["me"] is copy

"""Which names stand for secrets, and values without them: the one word list of Heliostat.

A name is split into words at everything that is no letter and at camelCase: `X-Api-Key`, `apiKey`, `APIKey` and
`api_key2` are all "api", "key". Words are compared, never parts of words: `secretary`, `tokenized_text`, `monkey`,
`author` and `pinned` are no secrets. A plural is what its singular is. Accents do not count: `contraseña` is
`contrasena`.

"key" is the word with the most meanings. It is a secret (`key`, `signing_key`, `ssh_keys`), unless the word before it
says otherwise (`public_key`, `primary_key`, `foreign_key`, `sort_key` ...) or the word after it (`key_id`, which names
a key, `key_word`, `key_date` ...).
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping
from enum import Enum
from functools import lru_cache
from itertools import pairwise
from typing import Any

import msgspec

SECRET_WORDS = frozenset(
    {
        "apikey", "authenticate", "authentication", "authorisation", "authorization", "bearer", "cookie", "cred",
        "credential", "csrf", "cvc", "cvv", "hmac", "hotp", "jwe", "jws", "jwt", "mnemonic", "otp", "passcode",
        "passkey", "passphrase", "passwd", "password", "pin", "psk", "pwd", "secret", "session", "signature", "token",
        "totp", "xsrf",
    }
)  # fmt: skip
SECRET_AT_THE_END = frozenset({"auth", "oauth", "pass", "salt", "pw"})
"""Secret as the last word alone: `basic_auth`, `db_pass`, `salt`, but not `auth_provider` or `pass_number`."""
KINDS_OF_CODES = (
    "access", "activation", "auth", "backup", "confirmation", "login", "mfa", "recovery", "reset", "security", "sms",
    "unlock", "verification",
)  # fmt: skip
SECRET_PAIRS = frozenset(
    {
        *((kind, "code") for kind in KINDS_OF_CODES), ("fa", "code"),  # 2fa_code
        *(("pass", end) for end in ("code", "hash", "key", "phrase", "word")), ("pw", "hash"), ("auth", "hash"),
        *((kind, end) for kind in ("magic", "reset") for end in ("link", "url")),
        ("de", "passe"), ("kata", "sandi"),  # mot de passe, and the same in Indonesian
        ("auth", "header"), ("recovery", "phrase"), ("seed", "phrase"),
    }
)  # fmt: skip
KEY = "key"
NO_SECRET_BEFORE_KEY = frozenset(
    {
        "candidate", "composite", "dedup", "foreign", "idempotency", "natural", "order", "ordering", "partition",
        "primary", "pub", "public", "routing", "sort", "sorting", "surrogate", "unique",
    }
)  # fmt: skip
NO_SECRET_AFTER_KEY = frozenset(
    {"board", "date", "fact", "figure", "frame", "id", "note", "person", "point", "result", "stage", "stroke", "word"}
)
# Written without anything between the words: `authtoken`, `sessionid`, `userpassword`. Only what no other word ends in.
COMPOUND = re.compile(
    r"(?:.*(?:apikey|credential|passcode|passphrase|passwd|password|secret|token)"
    r"|(?:php|asp|j|cf)?(?:sess|session)(?:id|key)|cookie[a-z]?"
    r"|(?:access|account|api|app|auth|client|consumer|crypt|decryption|encryption|gpg|hmac|host|jwt|license|master|pgp"
    r"|priv|private|root|rsa|secret|service|session|shared|signing|ssh|ssl|storage|tls|user|wifi)+key"
    r"|(?:" + "|".join(KINDS_OF_CODES) + r")code|pkey"
    r"|otp(?:seed|code)|passwordhash|pincode)s?"
)
# An object that says a name and its value apart, as an entry of a list of headers or of variables does.
NAMING = ("name", "key", "header", "variable")
VALUES = frozenset({"value", "values"})
CHUNK = re.compile(r"[^\W\d_]+")
WORD = re.compile(r"[A-Z]{2,}s(?![a-z])|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[^\W\d_]")
PAIR = 2  # items
PLAIN = frozenset({str, int, float, bool, type(None), bytes})
LONGEST_REMEMBERED = 100  # characters; names inside JSON may be of any length


def is_secret_name(name: object) -> bool:
    """Return whether a name of a field, a key, an argument or a header stands for a secret."""
    text = name if isinstance(name, str) else str(name)
    return _is_secret(text) if len(text) <= LONGEST_REMEMBERED else _is_secret.__wrapped__(text)


@lru_cache(maxsize=4096)
def _is_secret(name: str) -> bool:
    chunks = CHUNK.findall(_without_accents(name))
    if any(chunk.lower() in PASSWORD_ELSEWHERE or COMPOUND.fullmatch(chunk.lower()) for chunk in chunks):
        return True
    words = [_singular(word.lower()) for chunk in chunks for word in WORD.findall(chunk)]
    if not (SECRET_WORDS.isdisjoint(words) and PASSWORD_ELSEWHERE.isdisjoint(words)) or SECRET_AT_THE_END.intersection(
        words[-1:]
    ):
        return True
    return not SECRET_PAIRS.isdisjoint(pairwise(words)) or _has_secret_key(["", *words, ""])


def _without_accents(name: str) -> str:
    """Return the same letters without marks (`ñ` is `n`), and in their usual form (`ｐｉｎ` is `pin`)."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter))


PASSWORD_ELSEWHERE = frozenset(
    _without_accents(
        "adgangskode contraseña hasło heslo jelszó katasandi kennwort lösenord lozinka motdepasse parola passord "
        "passwort salasana senha şifre wachtwoord пароль סיסמה 密码 密碼 パスワード 비밀번호"
    ).split()
)
"""The word in other languages. It is a word of a name, or all between two signs that are no letters."""


def _singular(word: str) -> str:
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _has_secret_key(words: list[str]) -> bool:
    return any(
        word == KEY and before not in NO_SECRET_BEFORE_KEY and after not in NO_SECRET_AFTER_KEY
        for before, word, after in zip(words, words[1:], words[2:], strict=False)
    )


@lru_cache(maxsize=256)  # receivers send the same within a second
def redacted_headers(head: bytes, limit: int) -> str:
    """Return `Name: value` lines of an HTTP answer without values that may be secrets, at most `limit` characters.

    Of several answers, as where 1xx ones come before, the last. A line that begins with a blank continues the field
    before it (RFC 9112, 5.2).
    """
    lines = head.rpartition(b"\nHTTP/")[2].decode("utf-8", "replace").replace("\r\n", "\n").split("\n")[1:]
    fields: list[str] = []
    for line in filter(None, lines):
        if line[0] in " \t" and fields:
            fields[-1] += " " + line.strip()
        else:
            fields.append(line)
    for number, field in enumerate(fields):
        name, colon, _ = field.partition(":")
        if colon and is_secret_name(name):
            fields[number] = f"{name}: (not kept)"
    return "\n".join(fields)[:limit]


Leaf = Callable[[Any], Any]


def _as_it_is(value: Any) -> Any:
    return value


def redacted(value: Any, exposed: Collection[str] = (), *, whole: bool = False, leaf: Leaf = _as_it_is) -> Any:
    """Return a deep copy of a JSON value without what is under a secret name, however deep inside.

    Objects with fields (dataclasses, `msgspec.Struct`, attrs) become dicts, other sequences and sets become lists (of a
    named tuple, with None in place of what is secret). A pair in a list is a name and its value, as headers often are:
    `[["Cookie", None]]`; so is an object that says both apart: `{"name": "Cookie", "value": "x"}` loses its value. What
    is no container becomes what `leaf` makes of it. `exposed` are names that are kept; with `whole` all are. Takes
    values of any depth, and values that hold themselves: the copy
    does too, and cannot be written as JSON either.
    """
    if type(value) in PLAIN:
        return value
    if type(value) is dict and leaf is _as_it_is and _is_harmless(value):
        return dict(value)
    return _Copy(exposed, whole, leaf).of(value)


def _is_harmless(value: dict[Any, Any]) -> bool:
    """Return whether nothing inside needs a look, as of nearly every JSON value of a field: it is quickly found out."""
    return VALUES.isdisjoint(value) and all(
        type(item) in PLAIN and not is_secret_name(name) for name, item in value.items()
    )


class _Copy:
    """A copy in progress. Not recursive: a value may be nested deeper than Python's stack."""

    def __init__(self, exposed: Collection[str], whole: bool, leaf: Leaf) -> None:
        self._exposed = exposed
        self._whole = whole
        self._leaf = leaf
        self._made: dict[int, tuple[Any, Any]] = {}  # by id: the original, which so stays alive, and its copy
        self._open: list[tuple[Any, Any]] = []

    def of(self, value: Any) -> Any:
        copy = self._begun(value)
        while self._open:
            original, target = self._open.pop()
            if isinstance(target, dict):
                target.update((name, self._begun(item)) for name, item in original if self._is_kept(name))
            else:
                target.extend(map(self._begun, map(self._without_value, original)))
        return copy

    def _without_value(self, item: Any) -> Any:
        """An item of a list; without the value where it is a pair of a secret name and its value, as of a header."""
        if isinstance(item, (list, tuple)) and len(item) == PAIR and isinstance(item[0], (str, bytes)):
            name = item[0].decode("latin-1") if isinstance(item[0], bytes) else item[0]
            return item if self._is_kept(name) else [item[0], None]
        return item

    def _without_named_value(self, value: Any, items: Iterable[tuple[Any, Any]]) -> Iterable[tuple[Any, Any]]:
        """Return the items of what has names; without the value that it says beside the name of a secret."""
        if isinstance(value, Mapping) and VALUES.isdisjoint(value):
            return items
        items = list(items)
        named = (item for name, item in items if name in NAMING and isinstance(item, str))
        if all(" " in one or self._is_kept(one) for one in named):  # a text is no name of a header or variable
            return items
        return [(name, item) for name, item in items if name not in VALUES]

    def _is_kept(self, name: Any) -> bool:
        return self._whole or name in self._exposed or not is_secret_name(name)

    def _begun(self, value: Any) -> Any:
        kind = type(value)
        if kind in PLAIN or isinstance(value, (str, bytes, int, float)):
            return value
        if isinstance(value, msgspec.Raw):  # a container only when it is written as JSON; so is the next
            value = msgspec.json.decode(value)
        elif isinstance(value, Enum) and type(value.value) not in PLAIN:
            value = value.value
        if id(value) in self._made:
            return self._made[id(value)][1]
        items = value.items() if kind is dict else None if kind is list else _items(value)
        if items is None and not isinstance(value, (list, tuple, set, frozenset)):
            return self._leaf(value)
        if items is not None and not self._whole:
            items = self._without_named_value(value, items)
        copy: Any = [] if items is None else {}
        self._made[id(value)] = (value, copy)
        if items is None and not self._whole and (names := getattr(value, "_fields", None)):  # a named tuple
            value = [item if self._is_kept(name) else None for name, item in zip(names, value, strict=False)]
            self._made[id(value)] = (value, copy)
        self._open.append((value if items is None else items, copy))
        return copy


def _items(value: Any) -> Iterable[tuple[Any, Any]] | None:
    """Names and values of what has names; None for everything else."""
    if isinstance(value, Mapping):
        return value.items()
    if isinstance(value, type):
        return None
    if isinstance(value, msgspec.Struct):
        fields = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
        return [(name, getattr(value, attribute)) for name, attribute in fields]
    names: Iterable[str]
    if dataclasses.is_dataclass(value):
        names = [field.name for field in dataclasses.fields(value)]
    elif hasattr(value, "__attrs_attrs__"):
        names = [field.name for field in value.__attrs_attrs__]
    else:
        return None
    return [(name, getattr(value, name, None)) for name in names]

"""Every setting of Heliostat: name, type, default and meaning in one table.

`conf.max_depth` reads `HELIOSTAT_MAX_DEPTH` from Django's settings, or gives the default. Values are
checked when the project starts (system checks `heliostat.E001` and `heliostat.W001`), not when first used.
An app has settings of its own in a subclass of `Settings`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

from django.conf import settings
from django.core.signals import setting_changed

T = TypeVar("T")
PREFIX = "HELIOSTAT_"
PREFIXES = (PREFIX, "DJANGO_HTTP_HOOKS_")
OTHERS = (
    "EVENT_LISTENERS",
    "HOOKS",
    "HOOK_ALLOWED_MODELS",
    "TOM_ALERT_CLASSES",
    "TOM_DATA_PROCESSORS",
    "TOM_FACILITY_CLASSES",
)
"""Settings that the apps which use them read and check."""
LARGEST = 10**9  # seconds, thirty years: a time so far away is one that databases and `datetime` have
SHORTEST_KEY = 16  # characters
LONGEST_EVENT_TYPE = 100
ADDRESS = re.compile(r"https?://[^\s/]")
EVENT_TYPE = re.compile(r"[\w-]+(?:\.[\w-]+)+")


class Setting(Generic[T]):
    """One setting: read from Django's settings on first use, then kept until a test changes it."""

    def __init__(self, default: T, meaning: str, problem: Callable[[Any], str | None], name: str = "") -> None:
        self.default = default
        self.meaning = meaning
        self.problem = problem
        self.name = name

    def __set_name__(self, owner: type[Settings], attribute: str) -> None:
        self.attribute = attribute
        self.name = self.name or PREFIX + attribute.upper()

    @overload
    def __get__(self, instance: None, owner: type[Settings]) -> Setting[T]: ...
    @overload
    def __get__(self, instance: Settings, owner: type[Settings]) -> T: ...
    def __get__(self, instance: Settings | None, owner: type[Settings]) -> Setting[T] | T:
        if instance is None:
            return self
        # A non-data descriptor: the value in the instance's __dict__ is found first from now on.
        value: T = getattr(settings, self.name, self.default)
        instance.__dict__[self.attribute] = value
        return value


class Settings:
    """The settings of one app: each attribute is a `Setting`. Create one instance, which the app reads."""

    def __init__(self) -> None:
        setting_changed.connect(self.forget)

    @classmethod
    def table(cls) -> Iterator[Setting[Any]]:
        """Return these settings, in the order in which they are declared."""
        return (value for value in vars(cls).values() if isinstance(value, Setting))

    @staticmethod
    def of_all_apps() -> Iterator[Setting[Any]]:
        """Return the settings of all apps that are installed."""
        return (setting for settings_of_app in Settings.__subclasses__() for setting in settings_of_app.table())

    @contextmanager
    def override(self, **values: Any) -> Iterator[None]:
        """What a command line says goes before the settings, in this process, until the command ends."""
        before = dict(self.__dict__)
        self.__dict__.update(values)
        try:
            yield
        finally:
            self.__dict__.clear()
            self.__dict__.update(before)

    def forget(self, **_: object) -> None:
        """Read all settings again (a test changed one)."""
        self.__dict__.clear()


def number(minimum: float, kind: type = float) -> Callable[[Any], str | None]:
    """Return a check of a setting: a number of at least `minimum`, a whole one where `kind` is int."""
    accepted = (int,) if kind is int else (int, float)

    def problem(value: Any) -> str | None:
        if isinstance(value, bool) or not isinstance(value, accepted):
            return f"must be {'a whole number' if kind is int else 'a number'}, not {value!r}"
        if not value >= minimum:  # NaN is not, either
            return f"must be at least {minimum}, not {value!r}"
        return f"must be at most {LARGEST}, not {value!r}" if kind is float and value > LARGEST else None

    return problem


def strings(value: Any) -> str | None:
    """Return what is wrong with a list of strings, or None."""
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return None
    return f"must be a list of strings, not {value!r}"


def _keys(value: Any) -> str | None:
    """An empty key, as of a variable of the environment that is not set, would encrypt with what everybody knows."""
    if strings(value) is None and all(len(key) >= SHORTEST_KEY for key in value):
        return None
    return f"must be a list of strings, each of at least {SHORTEST_KEY} characters"  # and no word of what they are


def _token(value: Any) -> str | None:
    return None if isinstance(value, str) else "must be a string"


def _networks(value: Any) -> str | None:
    if complaint := strings(value):
        return complaint
    for item in value:
        try:
            ip_network(item)
        except ValueError as error:
            return f"holds {item!r}, which is no network ({error}); write for example '127.0.0.0/8'"
    return None


def event_type_problem(value: Any) -> str | None:
    """Return what is wrong with an event type that is declared (`shop.order.paid`), or None."""
    if not isinstance(value, str) or not EVENT_TYPE.fullmatch(value):
        return f"must be words with dots between them, such as 'shop.order.paid', without wildcards; not {value!r}"
    if len(value) > LONGEST_EVENT_TYPE:
        return f"must have at most {LONGEST_EVENT_TYPE} characters, not {len(value)} ({value[:50]!r}…)"
    return None


def _event_types(value: Any) -> str | None:
    if not isinstance(value, (list, tuple, set, frozenset, dict)):
        return f"must be a list of event types, or a dict of event types and descriptions, not {value!r}"
    if isinstance(value, dict) and not all(isinstance(description, str) for description in value.values()):
        return "must have texts as descriptions"
    return next((problem for name in value if (problem := event_type_problem(name))), None)


def _lists_by_name(value: Any) -> str | None:
    if not isinstance(value, dict):
        return f"must be a dict, not {value!r}"
    for name, names in value.items():
        if not isinstance(name, str):
            return f"must have models as keys, not {name!r}"
        if complaint := strings(list(names) if isinstance(names, (set, frozenset)) else names):
            return f"has a value for {name!r} that {complaint}"
    return None


def _dicts_by_name(value: Any) -> str | None:
    if isinstance(value, dict) and all(isinstance(options, dict) for options in value.values()):
        return None
    return "must be a dict of dicts"  # and no word of what they are: an address may hold a password


def _source(value: Any) -> str | None:
    if isinstance(value, str) and value and not any(character <= " " for character in value):
        return None
    return f"must be a path or an address without spaces, such as '/heliostat', not {value!r}"


def _words_by_name(value: Any) -> str | None:
    if isinstance(value, dict) and all(isinstance(word, str) for pair in value.items() for word in pair):
        return None
    return f"must be a dict of strings, not {value!r}"


def _flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else f"must be True or False, not {value!r}"


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) else f"must be a string, not {value!r}"


def _file(value: Any) -> str | None:
    if complaint := _text(value):
        return complaint
    return None if not value or Path(value).is_file() else f"must be a file that exists, not {value!r}"


def address(value: Any) -> str | None:
    """Return what is wrong with an HTTP URL, or None."""
    if complaint := _text(value):
        return complaint
    return None if ADDRESS.match(value) else f"must begin with http:// or https:// and a host, not {value!r}"


class Conf(Settings):
    """The settings, as attributes. Times are in seconds, sizes in bytes."""

    max_depth = Setting(5, "Maximum length of a chain of events in which subscribers change objects.", number(0, int))
    silent = Setting[list[str]](
        [
            "sessions.*",
            "admin.logentry.*",
            "contenttypes.*",
            "authtoken.*",  # the key of such an object is the token itself
            "heliostat_outbox.*",
            "heliostat_webhooks.*",
            "django_tasks_database.*",  # a queue is no news
            "django_celery_beat.*",
            "django_celery_results.*",
        ],
        "Event types that are never published (patterns).",
        strings,
    )
    expose = Setting[dict[str, list[str]]](
        {},
        "Fields whose name stands for a secret, and that are published all the same: {'app.model': ['field']}.",
        _lists_by_name,
    )
    capture_bulk = Setting(
        True,
        "True: update(), bulk_create() and bulk_update() of querysets publish events, too; False: they publish none.",
        _flag,
    )
    signals = Setting[list[str]]([], "Paths of custom signals that become events.", strings)
    event_types = Setting[Sequence[str] | Mapping[str, str]](
        [],
        "Event types of the project's own that subscribers may name: ['shop.order.paid'], or a dict with descriptions.",
        _event_types,
    )

    parents = Setting[dict[str, str]](
        {},
        "Foreign keys that name the parent of an object for listeners: {'app.model': 'field'}.",
        _words_by_name,
    )

    max_attempts = Setting(12, "Attempts at a callback before it is given up.", number(1, int))
    retry_first = Setting(5.0, "Wait after the first failed attempt.", number(0))
    retry_factor = Setting(3.0, "Factor by which each further wait is longer than the one before.", number(1))
    retry_longest = Setting(12 * 3600.0, "Maximum wait between two attempts.", number(0))
    lease = Setting(
        60.0,
        "Time after which another worker takes the callbacks of a worker that died.",
        number(1),
    )
    poll = Setting(1.0, "Time between two looks of a worker for due callbacks, where no commit wakes it.", number(0.01))
    batch_size = Setting(200, "Callbacks that a worker claims at once.", number(1, int))
    concurrency = Setting(200, "Requests that a worker has in flight at once.", number(1, int))
    concurrency_per_subscriber = Setting(
        50, "Callbacks that a worker has in flight at once to one subscriber.", number(1, int)
    )
    breaker_failures = Setting(
        10,
        "Failures in a row (no answer, 5xx, 429) after which the circuit breaker of a receiver opens.",
        number(1, int),
    )
    breaker_first = Setting(
        10.0, "Open time of a circuit breaker at first; twice as long each further time.", number(0)
    )
    breaker_longest = Setting(300.0, "Maximum open time of a circuit breaker.", number(0))
    code_threads = Setting(4, "Threads of a worker that run durable Python subscribers.", number(1, int))

    body_limit = Setting(
        4 * 1024 * 1024,
        "Bytes of a body. A callback with a larger one is an error, and is not sent.",
        number(1024, int),
    )
    render_limit = Setting(
        16 * 1024 * 1024,
        "Bytes of bodies that the hooks of one owner (or those without one) are sent of one event, all together.",
        number(0, int),
    )
    render_relations = Setting(
        100, "Objects that the templates of one owner fetch over relations for one event.", number(0, int)
    )
    connect_timeout = Setting(5.0, "Time for a connection to a receiver, TLS included.", number(0.1))
    request_timeout = Setting(15.0, "Time for a whole request and its answer.", number(0.1))
    response_limit = Setting(64 * 1024, "Bytes of an answer that are read.", number(0, int))
    response_excerpt = Setting(1024, "Bytes of an answer that are kept with the attempt.", number(0, int))
    response_headers = Setting(
        2048, "Characters of an answer's headers that are kept with the attempt; 0: none.", number(0, int)
    )
    allow_networks = Setting[list[str]](
        [],
        "Private networks that webhooks may reach, for example ['127.0.0.0/8'] for development.",
        _networks,
    )
    ca_file = Setting(
        "", "File of the authorities that receivers' certificates are checked against; empty: the system's.", _file
    )
    hooks_refresh = Setting(
        0.5,
        "How often a process looks for changed hooks; 0 means never (its own are always seen).",
        number(0),
    )
    disable_after = Setting(
        5 * 24 * 3600.0,
        "A hook that has only failed for so long is disabled, and its owner gets an e-mail; 0: never.",
        number(0),
    )
    mail_owners = Setting(True, "True: the owner of a hook that was disabled gets an e-mail.", _flag)
    metrics_subscribers = Setting(
        200, "So many subscribers have figures of their own in the metrics, the most first.", number(0, int)
    )
    metrics_token = Setting("", "Bearer token that reads the metrics page; empty: none does.", _token)
    encryption_keys = Setting[list[str]](
        [], "Keys that encrypt the secrets of hooks, newest first; empty: made from SECRET_KEY.", _keys
    )
    secret_overlap = Setting(24 * 3600.0, "How long the old secret of a hook still signs beside a new one.", number(0))
    hooks_shut_down = Setting(
        False,
        "True: no webhook is notified of what happens; callbacks that wait are still sent.",
        _flag,
        name="DJANGO_HTTP_HOOKS_SHUT_DOWN",
    )
    hooks_raise_exceptions = Setting(
        False,
        "True: an exception in the filters or the payload of a hook undoes the change, instead of being logged.",
        _flag,
        name="DJANGO_HTTP_HOOKS_RAISE_EXCEPTIONS",
    )
    hooks_reload = Setting[Any](
        None,
        "Accepted and not needed: changed hooks count at once.",
        lambda _: None,
        name="DJANGO_HTTP_HOOKS_RELOAD",
    )
    collection_deliverer = Setting(
        "heliostat.webhooks.deliverers.deliver_hooks_by_worker",
        "Path of the collection deliverer, which sends the callbacks that were just committed.",
        _text,
        name="HOOK_COLLECTION_DELIVERER",
    )
    element_deliverer = Setting(
        "heliostat.webhooks.deliverers.deliver_hook",
        "Path of the element deliverer, which sends a single callback, where the collection deliverer uses one.",
        _text,
        name="HOOK_ELEMENT_DELIVERER",
    )
    may_hook = Setting(
        "heliostat.webhooks.owners.may_view",
        "Path of the function (user, model, object_id) that says who may have webhooks on what.",
        _text,
    )
    permission_cache = Setting(
        2.0,
        "Time for which an answer of Django's permission backends about an owner of hooks is used again.",
        number(0),
    )
    hooks_per_user = Setting(
        100,
        "Hooks that a user without the permissions to add and change hooks may have in the REST API.",
        number(0, int),
    )
    queues = Setting[dict[str, dict[str, Any]]](
        {},
        "Queues that hooks may name: {'pipeline': {'use': 'heliostat.queues.redis', 'url': …, 'allow': …}}.",
        _dicts_by_name,
    )
    event_source = Setting(
        "/heliostat", "The `source` of messages in queues (CloudEvents), a path or an address.", _source
    )
    site_url = Setting("http://127.0.0.1:8000", "Address of this site, for links in messages.", address)


conf = Conf()

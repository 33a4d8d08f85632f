"""Deliverers: who sends the callbacks of webhooks, and when. `HOOK_COLLECTION_DELIVERER`, `HOOK_ELEMENT_DELIVERER`.

The callbacks are in the outbox before a deliverer gets them, and a worker claims, retries and rescues what it leaves
behind. A deliverer decides only who sends first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import msgspec
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from heliostat.conf import Conf, conf
from heliostat.delivery.send_now import send_now
from heliostat.events.databases import home
from heliostat.exceptions import ConfigurationError, SnapshotError
from heliostat.outbox.backlog import subscribers_of
from heliostat.outbox.bodies import to_json
from heliostat.outbox.kinds import Dispatcher
from heliostat.suggestions import did_you_mean

if TYPE_CHECKING:
    from heliostat.webhooks.models import Hook

logger = logging.getLogger("heliostat.webhooks")

PACKAGE = "heliostat.webhooks.deliverers"
MISSPELT = "heliostat.webhooks.deliveres."  # as document 002 writes it
EXTRAS = {"celery": "celery", "django_tasks": "tasks"}  # packages, and the extras that install them


@dataclass(frozen=True, slots=True)
class Response:
    """The answer of a receiver: its status, the URL of the request, the beginning of the body, the callback's id."""

    status_code: int
    url: str
    text: str
    callback: int


class HooksDeliverer:
    """Send all callbacks of one transaction, each with the element deliverer.

    Subclass it, override what you like, and name its `deliver` in `HOOK_COLLECTION_DELIVERER`:
    `custom_deliver_hooks = MyCollectionDeliverer.deliver`.
    """

    def dump_payload(self, payload: Any) -> str | bytes:
        """Return the body for a payload that is not a text yet. Called inside the transaction of the change.

        The payload is plain data: dicts, lists, texts, numbers. If it raises an error, that is logged and JSON is sent.
        """
        return to_json(payload, "the payload")

    def deliver_hooks(self, callbacks: Sequence[int], using: str) -> None:
        """Send these callbacks of the outbox, or have them sent. Called after their commit."""
        deliver = chosen(HookDeliverer)
        if getattr(class_of(deliver), "deliver_hook", None) is HookDeliverer.deliver_hook:
            send_now(callbacks, using)  # all at once, instead of one after the other
            return
        for callback in callbacks:
            deliver(callback, using)

    def after_deliver(self, hooks: list[Hook]) -> None:
        """Called after these hooks' callbacks were sent, or dispatched."""

    @classmethod
    def problem(cls) -> str:
        """Return what would keep it from working, for the system checks; empty where nothing does."""
        return ""

    @classmethod
    def deliver(cls, callbacks: Sequence[int], using: str | None = None) -> None:
        """Deliver the callbacks of a commit, at most 500, by their ids. The setting names this function."""
        deliverer, using = cls(), using or home()
        deliverer.deliver_hooks(callbacks, using)
        if cls.after_deliver is not HooksDeliverer.after_deliver:
            from heliostat.webhooks.models import Hook, hook_of

            ids = [hook_of(subscriber) for subscriber in subscribers_of(list(callbacks), using)]
            deliverer.after_deliver(list(Hook.objects.filter(pk__in=ids)))


class WorkerHooksDeliverer(HooksDeliverer):
    """Leaves all to the worker, which the commit wakes."""

    def deliver_hooks(self, callbacks: Sequence[int], using: str) -> None:
        pass


class HookDeliverer:
    """Send one callback, in this process.

    Subclass it, override what you like, and name its `deliver` in `HOOK_ELEMENT_DELIVERER`:
    `custom_deliver_hook = MyDeliverer.deliver`.
    """

    def deliver_hook(self, callback: int, using: str) -> None:
        """Send this callback of the outbox, or have it sent."""
        send_now([callback], using)

    def after_deliver(self, response: Response) -> None:
        """Called with every answer of a receiver, after it was recorded, in the process that sent the callback.

        Keep it short: the sender waits for it.
        """

    @classmethod
    def problem(cls) -> str:
        """Return what would keep it from working, for the system checks; empty where nothing does."""
        return ""

    @classmethod
    def deliver(cls, callback: int, using: str | None = None) -> None:
        """Deliver the callback with this id. The setting names this function."""
        cls().deliver_hook(callback, using or home())


deliver_hooks = HooksDeliverer.deliver
deliver_hook = HookDeliverer.deliver
deliver_hooks_by_worker = WorkerHooksDeliverer.deliver

Deliver = Callable[..., Any]


def class_of(deliver: Deliver) -> type[Any] | None:
    """Return the class whose `deliver` this is; None for a function."""
    owner = getattr(deliver, "__self__", None)
    return owner if isinstance(owner, type) else None


@cache
def chosen(base: type[Any]) -> Deliver:
    """Return the deliverer that the setting names for this base class; its default where the setting is wrong."""
    is_collection = base is HooksDeliverer
    try:
        return deliverer_at(conf.collection_deliverer if is_collection else conf.element_deliverer, base)
    except ConfigurationError as error:  # a system check reports it, too, but no callback is lost for a wrong path
        logger.error("%s", error)
        return deliver_hooks_by_worker if is_collection else deliver_hook


@cache
def dispatcher() -> Dispatcher | None:
    """Return what sends callbacks right after their commit; None leaves them to a worker."""
    deliver = chosen(HooksDeliverer)
    return None if class_of(deliver) is WorkerHooksDeliverer else deliver


@cache
def dumping_class() -> type[Any] | None:
    """Return the class of the collection deliverer, where the project overrides its `dump_payload`."""
    owner = class_of(chosen(HooksDeliverer))
    return None if getattr(owner, "dump_payload", None) in (None, HooksDeliverer.dump_payload) else owner


@cache
def answering_class() -> type[Any] | None:
    """Return the class of the element deliverer, where the project overrides its `after_deliver`."""
    owner = class_of(chosen(HookDeliverer))
    return None if owner is None or owner.after_deliver is HookDeliverer.after_deliver else owner


def _settings_changed(**_: object) -> None:
    for function in (chosen, dispatcher, dumping_class, answering_class):
        function.cache_clear()


setting_changed.connect(_settings_changed)


def deliverer_at(path: str, base: type[Any]) -> Deliver:
    """Return the deliverer that a path names; raise `ConfigurationError` where there is none for this setting."""
    settings = {HooksDeliverer: Conf.collection_deliverer.name, HookDeliverer: Conf.element_deliverer.name}
    other = HookDeliverer if base is HooksDeliverer else HooksDeliverer
    where = f"{settings[base]}: {path!r}"
    try:
        found = import_string(path.replace(MISSPELT, f"{PACKAGE}."))
    except Exception as error:  # whatever a module of the project's raises
        names = [f"{PACKAGE}.{one}" for one in import_module(PACKAGE).__all__]
        why = f"cannot be imported: {error}.{did_you_mean(path, names)}"
        if not isinstance(error, ImportError):
            why = f"cannot be imported: {type(error).__name__}: {error}"
        elif extra := EXTRAS.get(error.name or ""):
            why = f"needs what is not installed; run: pip install 'heliostat[{extra}]'"
        raise ConfigurationError(f"{where} {why}") from error
    if isinstance(found, type) and issubclass(found, (HooksDeliverer, HookDeliverer)):
        hint = f"write `name = {found.__name__}.deliver` beside it, and give the path of that name"
        raise ConfigurationError(f"{where} is a class; {hint}.")
    if not callable(found):
        raise ConfigurationError(f"{where} is no deliverer, which could be called, but {found!r}.")
    owner = class_of(found)
    if owner is not None and issubclass(owner, other):
        raise ConfigurationError(f"{where} is a deliverer for {settings[other]}.")
    return found  # type: ignore[no-any-return]


def dumped(payload: Any, what: str) -> str:
    """Return the text of a payload, by the deliverer's `dump_payload`. Raise `SnapshotError` where it is no data."""
    text = to_json(payload, what)
    if (owner := dumping_class()) is None:
        return text
    try:
        found = owner().dump_payload(msgspec.json.decode(text))
        found = found.decode() if isinstance(found, bytes) else found
        if not isinstance(found, str):
            raise SnapshotError(f"dump_payload returned a {type(found).__name__}; it must return a text")
    except Exception:
        if conf.hooks_raise_exceptions:
            raise
        logger.exception("dump_payload of %s failed for %s; JSON is sent", conf.collection_deliverer, what)
        return text
    return found

"""The settings `HOOK_COLLECTION_DELIVERER` and `HOOK_ELEMENT_DELIVERER`: from paths to deliverers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from heliostat.conf import Conf, conf, did_you_mean
from heliostat.exceptions import ConfigurationError
from heliostat.outbox.kinds import Dispatcher
from heliostat.webhooks.deliverers.base import (
    HookDeliverer,
    HooksDeliverer,
    WorkerHooksDeliverer,
    class_of,
)

logger = logging.getLogger("heliostat.webhooks")

Deliver = Callable[..., Any]
ROOM = "heliostat.webhooks.deliverers"
MISSPELT = "heliostat.webhooks.deliveres."  # as document 002 writes it
EXTRAS = {"celery": "celery", "django_tasks": "tasks"}  # what is not installed, and the extra that brings it


def dispatcher() -> Dispatcher | None:
    """Return what sends callbacks right after their commit; None leaves them to the worker."""
    deliver = collection_deliverer()
    return None if class_of(deliver) is WorkerHooksDeliverer else deliver


@cache
def collection_deliverer() -> Deliver:
    """Whoever tells the hooks of a commit: the worker, where the setting cannot be followed."""
    return _followed(conf.collection_deliverer, HooksDeliverer, WorkerHooksDeliverer.deliver)


@cache
def element_deliverer() -> Deliver:
    """Whoever tells a single hook."""
    return _followed(conf.element_deliverer, HookDeliverer, HookDeliverer.deliver)


def _followed(path: str, base: type[Any], otherwise: Deliver) -> Deliver:
    try:
        return deliverer_at(path, base)
    except ConfigurationError as error:  # a system check says so too, but no change is lost for a wrong path
        logger.error("%s", error)
        return otherwise


def deliverer_at(path: str, base: type[Any]) -> Deliver:
    """The deliverer that a path names; raises `ConfigurationError` where there is none for this setting."""
    name = _setting_of(base)
    found = _imported(path.replace(MISSPELT, f"{ROOM}."), name)
    if isinstance(found, type) and issubclass(found, (HooksDeliverer, HookDeliverer)):
        hint = f"write `name = {found.__name__}.deliver` beside it, and give the path of that name"
        raise ConfigurationError(f"{name}: {path!r} is a class; {hint}.")
    if not callable(found):
        raise ConfigurationError(f"{name}: {path!r} is no deliverer, which could be called, but {found!r}.")
    owner = class_of(found)
    other = HookDeliverer if base is HooksDeliverer else HooksDeliverer
    if owner is not None and issubclass(owner, other):
        raise ConfigurationError(f"{name}: {path!r} is a deliverer for {_setting_of(other)}.")
    return found  # type: ignore[no-any-return]


def _setting_of(base: type[Any]) -> str:
    return (Conf.collection_deliverer if base is HooksDeliverer else Conf.element_deliverer).name


def _imported(path: str, name: str) -> Any:
    try:
        return import_string(path)
    except ImportError as error:
        if extra := EXTRAS.get(error.name or ""):
            text = f"{name}: {path!r} needs what is not installed; run: pip install 'heliostat[{extra}]'"
            raise ConfigurationError(text) from error
        raise ConfigurationError(f"{name}: {path!r} cannot be imported: {error}.{_ready_one(path)}") from error
    except Exception as error:  # whatever a module of the project's raises
        text = f"{name}: {path!r} cannot be imported: {type(error).__name__}: {error}"
        raise ConfigurationError(text) from error


def _ready_one(path: str) -> str:
    from heliostat.webhooks import deliverers

    return did_you_mean(path, [f"{ROOM}.{one}" for one in deliverers.__all__])


def forget(**_: object) -> None:
    """Read the settings anew (a test changed one)."""
    for known in (collection_deliverer, element_deliverer):
        known.cache_clear()


setting_changed.connect(forget)

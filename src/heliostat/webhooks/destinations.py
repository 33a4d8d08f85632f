"""Destinations of webhooks, as they are now."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from heliostat.delivery.request import Destination, NoDestination
from heliostat.exceptions import ConfigurationError
from heliostat.webhooks import changes, owners
from heliostat.webhooks.changes import Position
from heliostat.webhooks.databases import hooks_database
from heliostat.webhooks.exceptions import InvalidHeadersError
from heliostat.webhooks.headers import parse_headers
from heliostat.webhooks.models import Hook, hook_of

REMEMBERED = 10_000

Known = dict[str, owners.Known]

_looked_up: tuple[Position | None, Known] = (None, {})  # what was looked up, and which changes it knows of


def destinations(subscribers: Collection[str]) -> Mapping[str, Destination | NoDestination]:
    """The destinations of these hooks, as they are now. What was looked up is kept until any hook changes."""
    wanted, known = set(subscribers), _still_true()
    if missing := wanted - known.keys():
        known.update(_look_up(missing))
    return owners.destinations_now({name: known[name] for name in wanted})


def _still_true() -> Known:
    """What was looked up of hooks that did not change since.

    After each change there is another dict: a thread that read a row before the change must not add it to this one.
    """
    global _looked_up  # noqa: PLW0603
    seen, known = before = _looked_up
    if seen is None:
        _looked_up = changes.where(hooks_database()), (known := {})
        return known
    news = changes.since(seen, hooks_database())
    if news.hooks is None or len(known) > REMEMBERED:
        known = {}
    elif news.hooks:
        gone = {f"hook:{pk}" for pk in news.hooks}
        known = {name: destination for name, destination in known.copy().items() if name not in gone}
    if news.position != seen or known is not before[1]:
        _looked_up = news.position, known
    return known


def _look_up(subscribers: Iterable[str]) -> Known:
    ids = {hook_of(name): name for name in subscribers}
    found: Known = dict.fromkeys(ids.values(), NoDestination("the hook was deleted"))
    for hook in Hook.objects.using(hooks_database()).filter(pk__in=ids):
        found[ids[hook.pk]] = owners.with_owner(hook, _destination(hook))
    return found


def _destination(hook: Hook) -> Destination | NoDestination:
    if not hook.enabled:
        return NoDestination("the hook is disabled")
    try:
        return destination_of(hook)
    except ConfigurationError as error:
        return NoDestination(str(error))
    except (InvalidHeadersError, ValueError):  # written past `save()`; what it says may hold a secret
        return NoDestination("its headers or its content type cannot be sent: save the hook to see why")


def destination_of(hook: Hook) -> Destination:
    """The destination of a hook; raises `ConfigurationError` where its secret cannot be decrypted.

    Raises `InvalidHeadersError` or `ValueError` where its headers or its content type cannot be sent.
    """
    lines = tuple(f"{name}: {value}" for name, value in parse_headers(hook.headers))
    return Destination(hook.target_url, hook.http_method, lines, hook.content_type, hook.signing_keys())

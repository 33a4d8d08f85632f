"""A chat message for each event: Slack, Mattermost, Matrix (by the webhooks of hookshot) and Telegram.

Messages are durable callbacks of the kind `chat`. They go out by the HTTP transport of webhooks, with its retries, its
circuit breaker and its network guard. Settings: `service`, `url` (of the incoming webhook), for Telegram `token` and
`chat_id`, `text` (a template, see `heliostat.listeners.texts`), `max_per_second`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from heliostat.delivery.http import HttpKind
from heliostat.delivery.request import Destination, NoDestination
from heliostat.exceptions import ConfigurationError
from heliostat.listeners.base import ListenerEvent
from heliostat.listeners.config import Config
from heliostat.listeners.source import all_built, built
from heliostat.listeners.texts import Write, check_template, facts_of, fill
from heliostat.outbox.limits import Limits
from heliostat.suggestions import did_you_mean

TEXT = "{resource_name} {objects}: {action} by {user_id} {changes}\n{link}"
TELEGRAM = "https://api.telegram.org"
LONGEST = 4000  # characters; Telegram allows 4096
RATE = 1.0  # messages a second, which all of them allow
FASTEST = 1000  # messages a second
TOKEN = re.compile(r"\d+:[\w-]+")
MARKDOWN = re.compile(r"([\\`*{}\[\]()#+\-.!_>~|])")
QUIET_AT = "@\u200b"
"""An at sign that mentions nobody: a character of no width follows."""


def _plain(value: str) -> str:
    return value.replace("@", QUIET_AT)


def _slack(value: str) -> str:
    return html.escape(value, quote=False)


def _markdown(value: str) -> str:
    return _plain(MARKDOWN.sub(r"\\\1", value))


class Service(NamedTuple):
    """How a service writes the values in a text, and the body of its request."""

    write: Write
    body: Callable[[str, str], dict[str, Any]]


SERVICES = {
    "slack": Service(_slack, lambda text, _: {"text": text, "mrkdwn": False}),
    "mattermost": Service(_markdown, lambda text, _: {"text": text}),
    "matrix": Service(_plain, lambda text, _: {"text": text, "html": html.escape(text).replace("\n", "<br>")}),
    "telegram": Service(_plain, lambda text, chat: {"chat_id": chat, "text": text, "disable_web_page_preview": True}),
}


class Chat:
    """A chat as it is configured. Its address is a secret: no message shows it."""

    subscriber_kind = "chat"

    def __init__(self, service: str, address: str, text: str, chat_id: str = "", rate: float = RATE) -> None:
        self.service = service
        self.text = text
        self.chat_id = chat_id
        self.rate = rate
        self.destination = Destination(address)

    def __repr__(self) -> str:
        return f"<Chat {self.service}>"

    def render(self, event: ListenerEvent) -> str:
        """Return the body of the request for an event."""
        service = SERVICES[self.service]
        text = fill(self.text, facts_of(event, service.write)).strip()
        return msgspec.json.encode(service.body(text[:LONGEST], self.chat_id)).decode()


class ChatKind(HttpKind):
    """Chats of `EVENT_LISTENERS`."""

    name = Chat.subscriber_kind

    def destinations(self, subscribers: Collection[str]) -> Mapping[str, Destination | NoDestination]:
        found = {name: built(name) for name in subscribers}
        gone = NoDestination("EVENT_LISTENERS has no such chat, or its section is not valid", is_final=False)
        return {
            name: one.listener.destination if one and isinstance(one.listener, Chat) else gone
            for name, one in found.items()
        }

    def version(self) -> int:
        return hash(tuple((name, limit) for name, limit in self.limits().items()))

    def limits(self) -> Mapping[str, Limits]:
        chats = ((name, one.listener) for name, one in all_built().items() if isinstance(one.listener, Chat))
        return {name: Limits(max_per_second=chat.rate) for name, chat in chats}


def load_from_config(config: Config, prefix: str = "") -> Chat:
    """Return the chat with these settings. Raise `ConfigurationError` if they are not valid."""
    settings = config.get_settings()
    service = str(settings.get(prefix + "service", "")).lower()
    if service not in SERVICES:
        raise ConfigurationError(
            f"`service` is {service!r}; it can be {', '.join(SERVICES)}.{did_you_mean(service, SERVICES)}"
        )
    is_telegram = service == "telegram"
    address = _address(settings.get(prefix + "url", TELEGRAM if is_telegram else ""))
    chat_id = ""
    if is_telegram:
        token, chat_id = (str(settings.get(prefix + key, "")) for key in ("token", "chat_id"))
        if not TOKEN.fullmatch(token):
            raise ConfigurationError("`token` is no token of a Telegram bot: digits, a colon and letters.")
        if not chat_id:
            raise ConfigurationError("`chat_id` is missing: the number of a Telegram chat, or @name of a channel.")
        address = f"{address.rstrip('/')}/bot{token}/sendMessage"
    text = check_template(settings.get(prefix + "text", TEXT), settings, prefix)
    given = settings.get(prefix + "max_per_second", RATE)
    try:
        rate = float(given)
    except (TypeError, ValueError):
        rate = 0.0
    if not 0 < rate <= FASTEST:
        raise ConfigurationError(f"`max_per_second` is {given!r}; give a number above 0, at most {FASTEST}.")
    return Chat(service, address, text, chat_id, rate)


def _address(url: Any) -> str:
    """Return a URL. What is wrong is said without it."""
    try:
        parts = urlsplit(str(url))
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or not str(url).isprintable() or " " in str(url):
        raise ConfigurationError("`url` is no address of an incoming webhook: it begins with https:// and a host.")
    return str(url)

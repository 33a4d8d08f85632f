"""The queues of this project as an AsyncAPI 3 document: what is published where."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

import heliostat
from heliostat.conf import conf
from heliostat.events.types import resources
from heliostat.listeners.configured import Configured, configured
from heliostat.queues.base import Queue
from heliostat.queues.messages import CONTENT_TYPE
from heliostat.queues.named import SCHEME, NoSuchQueue, named_queue
from heliostat.queues.schema import message_schema, schema_of

SCHEMAS = "#/components/schemas"
MESSAGES = "#/components/messages"


def document(types: dict[str, str]) -> dict[str, Any]:
    """Return the document. It names servers and streams, and no credentials."""
    channels: dict[str, Any] = {}
    servers: dict[str, Any] = {}
    for name, queue, patterns in _queues():
        address = queue.address()
        server = f"{address.protocol}-{address.host}".translate(str.maketrans(".:/,", "----"))
        servers[server] = {"host": address.host, "protocol": address.protocol}
        published = [one for one in types if any(fnmatchcase(one, pattern) for pattern in patterns)]
        channels[name] = {
            "address": address.name,
            "servers": [{"$ref": f"#/servers/{server}"}],
            "messages": {one: {"$ref": f"{MESSAGES}/{one}"} for one in published},
        }
    objects = {name: schema for name, schema in schema_of(types)["$defs"].items() if name in resources()}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": f"Events of {conf.site_url}", "version": heliostat.__version__},
        "defaultContentType": CONTENT_TYPE,
        "servers": servers,
        "channels": channels,
        "operations": {
            f"publish-{name}": {"action": "send", "channel": {"$ref": f"#/channels/{name}"}} for name in channels
        },
        "components": {
            "messages": {
                name: {
                    "name": name,
                    "title": name,
                    "summary": text,
                    "contentType": CONTENT_TYPE,
                    "payload": message_schema(name, text, SCHEMAS),
                }
                for name, text in types.items()
            },
            "schemas": objects,
        },
    }


def _queues() -> list[tuple[str, Queue, tuple[str, ...]]]:
    """Return the queues of the settings under names of AsyncAPI, with the event types that are published there."""
    found = [
        (one.name, one.listener, tuple(one.events))
        for one in configured()
        if isinstance(one, Configured) and isinstance(one.listener, Queue)
    ]
    for name in conf.queues:
        try:
            found.append((f"hooks-{name}", named_queue(f"{SCHEME}{name}").queue, ("*",)))
        except NoSuchQueue:
            continue  # the system check says why
    return found

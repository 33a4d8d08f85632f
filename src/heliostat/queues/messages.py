"""Events as CloudEvents 1.0 in structured JSON: what every queue is sent. `docs/queues.md` describes each attribute.

The text is put together around the body that is stored with the event, which is JSON already: 1 µs a message, where to
parse it and write it again would take 15.
"""

from __future__ import annotations

from functools import cache

import msgspec

from heliostat.delivery.kinds import Job
from heliostat.json_values import is_json_type
from heliostat.outbox.bodies import to_json

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
DATA_SCHEMA = "urn:heliostat:event:1"
"""The version of the default `data`: another number where a consumer would have to be changed."""
JSON_TYPE = "application/json"
PLAIN_TEXT = "text/plain"
DEFAULT_DATA = f'"datacontenttype":"{JSON_TYPE}","dataschema":"{DATA_SCHEMA}"'

# Where the parts of a stored body begin: `outbox.bodies` writes them in this order, and JSON escapes any `"` in a text.
TYPE = ',"type":"'
TIME = '","timestamp":'
RESOURCE = ',"object_type":"'
KEY = '","object_id":'
ACTION = ',"event_type":"'
NO_KEY = "null"


class Message(msgspec.Struct, frozen=True):
    """A message, and the callback that it is of."""

    job: Job
    body: bytes

    @property
    def id(self) -> str:
        """Return the id of the callback: the same at every attempt, another one for each subscriber of the event."""
        return self.job.message_id

    @property
    def type(self) -> str:
        """Return the type of the event."""
        event = self.job.event_body
        return event[(start := event.index(TYPE) + len(TYPE)) : event.index(TIME, start)]

    @property
    def key(self) -> str:
        """Return the resource and the key of the event's object, with a colon between them."""
        event = self.job.event_body
        resource_at = event.index(RESOURCE) + len(RESOURCE)
        return f"{event[resource_at : event.index(KEY, resource_at)]}:{_key(event, resource_at) or ''}"


class _Context(msgspec.Struct):
    uri: str | None = None


_context = msgspec.json.Decoder(_Context)
_encode = msgspec.json.Encoder().encode


def message_of(job: Job, source: str, content_type: str = JSON_TYPE) -> Message:
    """Return the message of a callback. `source` is a JSON text; `content_type` that of the subscriber's own body."""
    event = job.event_body
    time_at = event.index(TIME)
    resource_at = event.index(RESOURCE, time_at)
    if job.body is event:
        data = event
        described = DEFAULT_DATA
    else:
        data, kind = _own_data(job.body, content_type or PLAIN_TEXT)
        described = f'"datacontenttype":{to_json(kind, "a content type")}'
    text = (
        f'{{"specversion":"1.0",{event[1:time_at]}","source":{source},"time":{event[time_at + len(TIME) : resource_at]}'
        f'{_subject(event, resource_at, job.context)},{described},"data":{data}}}'
    )
    return Message(job, text.encode())


def _own_data(body: str, content_type: str) -> tuple[str, str]:
    """Return a body of the subscriber's own as JSON, and its content type.

    What was made as a text before its hook was given a JSON type stays a text: it must not add to the message.
    """
    if not is_json_type(content_type):
        return to_json(body, "a body"), content_type
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return to_json(body, "a body"), PLAIN_TEXT
    return body, content_type


def _subject(event: str, resource_at: int, context: str) -> str:
    """Return the attribute `subject`: the object's own address, or `app.model/key`; empty where there is no object."""
    uri = _context.decode(context).uri
    resource = event[resource_at + len(RESOURCE) : event.index(KEY, resource_at)]
    if uri is None or uri.startswith(path := _path_of(resource)):
        key = _key(event, resource_at)
        if key is None:
            return ""
        if uri is None or uri == path + key:
            return f',"subject":"{resource}/{key}"'
    return f',"subject":{_encode(uri).decode()}'


@cache
def _path_of(resource: str) -> str:
    """Return how the address begins that stands for those of objects which have none of their own."""
    return f"/{resource.replace('.', '/')}/"


def _key(event: str, start: int) -> str | None:
    """Return the key of the object, as it is between quotes in JSON; None where there is no object."""
    key_at = event.index(KEY, start) + len(KEY)
    key = event[key_at : event.index(ACTION, key_at)]
    return None if key == NO_KEY else key[1:-1] if key.startswith('"') else key

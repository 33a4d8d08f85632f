"""Events that other programs or triggers wrote: a worker looks up their subscribers, and writes their callbacks.

Such a row has `matched = FALSE`. Its body is a JSON object with any of the keys `object_serialization`, `changes`,
`arguments` and `payload`; the rest of what is sent is made of the row's columns.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from django.db import OperationalError, connections, transaction
from django.db.models import Model

from heliostat.events.event import Event, Phase
from heliostat.events.matching import registry
from heliostat.events.secrets import generic_secrets, has_secret_key
from heliostat.events.snapshot import rebuilt, visible_fields
from heliostat.events.types import model_of
from heliostat.outbox.bodies import context_of, to_json
from heliostat.outbox.dialect import EVENT, dialect_for
from heliostat.outbox.rendering import rendering
from heliostat.outbox.write import Rows, callback_rows, write_callbacks

logger = logging.getLogger("heliostat.outbox")

AT_ONCE = 200


class Row(NamedTuple):
    """An event as it was written."""

    id: Any
    resource: str
    action: str
    object_id: str | None
    body: str
    created_at: datetime | str


class _Facts(msgspec.Struct):
    object_serialization: dict[str, Any] = {}
    changes: dict[str, tuple[Any, Any]] = {}
    arguments: dict[str, Any] = {}
    payload: Any = None


def match_events(using: str) -> int:
    """Match the oldest events that nobody matched yet, each exactly once however many workers do so.

    Only durable subscribers are notified. Return how many events there were, AT_ONCE at most. One that cannot be
    understood notifies nobody: what is wrong with it is kept in its `context`, and in the log. Raises
    `OperationalError` where a database is in trouble.
    """
    dialect = dialect_for(using)
    with connections[using].cursor() as cursor:
        cursor.execute(
            f"SELECT {dialect.text('id')} FROM {EVENT} WHERE {dialect.unmatched} ORDER BY created_at LIMIT %s",
            [AT_ONCE],
        )
        ids = [id_ for (id_,) in cursor.fetchall()]
    if not ids:
        return 0
    registry.catch_up()  # somebody in another process may have asked just before these happened
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        rows = _locked_rows(cursor, ids, using)
        written: list[Rows] = []
        for row in rows:
            try:
                with transaction.atomic(using=using), rendering():
                    written.append(_matched(cursor, row, using))
            except OperationalError:  # the database's trouble, not the event's: it is looked at again
                raise
            except Exception as error:  # whatever the row, or a subscriber's condition or template, does
                problem = f"{type(error).__name__}: {error}"
                logger.error("event %s, written by another program, notifies nobody: %s", row.id, problem)
                _write_back(cursor, row, to_json({"problem": problem}, "the problem of an event"), row.body)
        callbacks = [one for each in written for one in each.callbacks]
        write_callbacks(cursor, callbacks, using, [one for each in written for one in each.failed])
    return len(rows)


def _locked_rows(cursor: Any, ids: list[Any], using: str) -> list[Row]:
    """Those of them that no other worker takes or took."""
    dialect = dialect_for(using)
    cursor.execute(
        f"SELECT {dialect.text('id')}, resource, action, object_id, body, created_at FROM {EVENT} "
        f"WHERE {dialect.among('id', ids)} AND {dialect.unmatched} ORDER BY created_at {dialect.lock}",
        dialect.keys(ids),
    )
    return [Row(*row) for row in cursor.fetchall()]


def _matched(cursor: Any, row: Row, using: str) -> Rows:
    event = _event_of(row, using)
    durable = [one for one in registry.matcher.match(event) if one.phase is Phase.DURABLE]
    rows = callback_rows(event, durable, using, (OperationalError,))
    _write_back(cursor, row, context_of(event), rows.body)
    if row.object_id != event.object_id:  # it is a secret
        cursor.execute(f"UPDATE {EVENT} SET object_id = NULL WHERE id = %s", [row.id])
    return rows


def _write_back(cursor: Any, row: Row, context: str, body: str) -> None:
    cursor.execute(f"UPDATE {EVENT} SET matched = TRUE, context = %s, body = %s WHERE id = %s", [context, body, row.id])


def _event_of(row: Row, using: str) -> Event:
    if not row.body:
        raise ValueError("its body is empty; write a JSON object, {} at least")
    if not (row.resource and row.action):
        raise ValueError("it has no resource, or no action")
    facts = msgspec.json.decode(row.body, type=_Facts)
    model = model_of(row.resource)
    snapshot = _visible(facts.object_serialization, model, using)
    return Event(
        id=UUID(row.id),
        time=_moment(row.created_at, using),
        resource=row.resource,
        action=row.action,
        object_id=None if model is not None and has_secret_key(model) else row.object_id,
        snapshot=snapshot,
        changes=_visible_changes(facts, model, using),
        arguments=facts.arguments,
        payload=facts.payload,
        using=using,
        instance=rebuilt(row.resource, snapshot, using),
    )


def _visible(values: Mapping[str, Any], model: type[Model] | None, using: str) -> Mapping[str, Any]:
    """Of a model, the fields that subscribers may see, by their names; a trigger knows columns, secret ones too."""
    if model is None:
        return values
    known = _by_column(values, model)
    seen = {name: (attname, convert(known[name])) for name, attname, convert in visible_fields(model) if name in known}
    hidden = generic_secrets(model, dict(seen.values()), using)
    return {name: value for name, (_, value) in seen.items() if name not in hidden}


def _visible_changes(facts: _Facts, model: type[Model] | None, using: str) -> Mapping[str, tuple[Any, Any]]:
    if model is None:
        return facts.changes
    now, changes = _by_column(facts.object_serialization, model), _by_column(facts.changes, model)
    old = _visible({**now, **{name: pair[0] for name, pair in changes.items()}}, model, using)
    new = _visible({**now, **{name: pair[1] for name, pair in changes.items()}}, model, using)
    return {name: (old[name], new[name]) for name in changes if name in old and name in new}


def _by_column(values: Mapping[str, Any], model: type[Model]) -> dict[str, Any]:
    names = {field.column: field.name for field in model._meta.concrete_fields}
    return {names.get(key, key): value for key, value in values.items()}


def _moment(written: datetime | str, using: str) -> datetime:
    moment = datetime.fromisoformat(written) if isinstance(written, str) else written
    return moment if moment.tzinfo else moment.replace(tzinfo=connections[using].timezone or UTC)

"""What a user may view, and what may be in a payload for them: asked of Django's authentication backends.

While payloads are rendered, a user is read once for each change, and answers about them are kept in two memories, so
that none outlives what it was asked about. Answers that were read outside a transaction, or in one that has since
committed, count for the whole process for HELIOSTAT_PERMISSION_CACHE seconds. Answers inside a transaction may follow
from its own changes, which can be rolled back: they count only while one change is rendered.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from django.contrib.auth import get_user_model
from django.core.signals import setting_changed
from django.db import router, transaction
from django.db.models import Model
from django.utils.module_loading import import_string

from heliostat.conf import Conf, conf
from heliostat.events.keys import key_of
from heliostat.outbox.rendering import memory
from heliostat.permissions import has_permission

MOST_REMEMBERED = 10_000

Question = tuple[Any, ...]
Answer = tuple[float, Any]
"""When it was read (monotonic seconds), and what was read."""

_committed: dict[Question, Answer] = {}


class Policy(Protocol):
    """Whether a user who is not a superuser may receive events of a model; of one of them, where its key is given."""

    def __call__(self, user: Any, model: type[Model], object_id: str) -> bool: ...


def policy() -> Policy:
    """Return the function that `HELIOSTAT_MAY_HOOK` names; raise `ImportError` where there is none."""
    found: Policy = import_string(conf.may_hook)
    return found


def may_view(user: Any, model: type[Model], obj: Model | None = None) -> bool:
    """Return whether an active user has Django's permission to view a model, or this one object of it."""
    return has_permission(user, "view", model, obj)


def may_be_sent(user_id: Any, model: type[Model], obj: Model | None = None) -> bool:
    """Return whether a payload for the user with this key may hold data of a model, or of this one object.

    A superuser may be sent everything; others what they may view, or what the site's own rule in HELIOSTAT_MAY_HOOK
    says; an inactive or deleted one nothing. Answers about permissions are kept for seconds.
    """
    user = _user(user_id)
    if user is None or not user.is_active:
        return False
    if getattr(user, "is_superuser", False):
        return True
    question = (*_identity(user), model, None if obj is None else (obj._state.db, obj.pk))
    return bool(_remembered(question, user, lambda: _may_be_sent(user, model, obj)))


def forget_answers(**_: object) -> None:
    """Ask everything again."""
    _committed.clear()


setting_changed.connect(forget_answers)


def _user(user_id: Any) -> Any | None:
    """The user as the database has it now, with permissions not looked up yet; None where it is deleted."""
    known, question = memory(), ("user", user_id)
    if question not in known:
        model = get_user_model()
        known[question] = model._base_manager.using(router.db_for_write(model)).filter(pk=user_id).first()
    return known[question]


def _may_be_sent(user: Any, model: type[Model], obj: Model | None) -> bool:
    if conf.may_hook != Conf.may_hook.default:
        return bool(policy()(user, model, "" if obj is None else key_of(obj)))
    return may_view(user, model._meta.concrete_model or model, obj)


def _identity(user: Any) -> Question:
    """What distinguishes a user from another that later has the same key: in a restored database, in the next test."""
    return (
        user._state.db,
        user.pk,
        user.get_username(),
        getattr(user, "password", ""),
        getattr(user, "date_joined", ""),
    )


def _remembered(question: Question, user: Any, ask: Callable[[], Any]) -> Any:
    now, here = time.monotonic(), memory()
    for answers in (here, _committed):
        if (known := answers.get(question)) is not None and now - known[0] < conf.permission_cache:
            return known[1]
    answer = (now, ask())
    here[question] = answer
    _keep_when_committed(question, answer, user._state.db)
    return answer[1]


def _keep_when_committed(question: Question, answer: Answer, using: str) -> None:
    connection = transaction.get_connection(using)

    def keep() -> None:
        if connection.in_atomic_block:  # a test that runs what waits for a commit commits nothing
            return
        if len(_committed) >= MOST_REMEMBERED:
            _committed.clear()
        _committed[question] = answer

    transaction.on_commit(keep, using=using)

"""What a user may view, and what a payload for them may hold, by Django's authentication backends.

While payloads are rendered, a user is read once for each change, and answers about them are kept in two memories, so
that no answer outlives its object. Answers that were read outside a transaction, or in one that has since
committed, count for the whole process for HELIOSTAT_PERMISSION_CACHE seconds. Answers inside a transaction may follow
from its own changes, which can be rolled back: they count only while one change is rendered.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.signals import setting_changed
from django.db import router, transaction
from django.db.models import Model, QuerySet
from django.db.models.signals import m2m_changed, post_save
from django.utils.module_loading import import_string

from heliostat.conf import Conf, conf
from heliostat.events.event import Event
from heliostat.events.keys import key_of
from heliostat.events.querysets import models_read
from heliostat.outbox.rendering import memory, memory_of
from heliostat.permissions import has_permission
from heliostat.redaction import redacted
from heliostat.webhooks.exceptions import InvalidPayloadError

MOST_REMEMBERED = 10_000
FETCHED = "objects fetched for owners"  # in the memory of an event

Question = tuple[Any, ...]
Answer = tuple[float, bool]
"""When it was read (monotonic seconds), and what was read."""

_committed: dict[Question, Answer] = {}
generation = 0  # of answers; another number when they may have changed


def policy() -> Callable[[Any, type[Model], str], object]:
    """Return the function that `HELIOSTAT_MAY_HOOK` names; raise `ImportError` where there is none.

    It says whether a user who is not a superuser may receive events of a model; of one object, where its key is given.
    """
    found: Callable[[Any, type[Model], str], object] = import_string(conf.may_hook)
    return found


def may_be_sent(user_id: Any, model: type[Model], obj: Model | None = None, *, is_new: bool = False) -> bool:
    """Return whether a payload for the user with this key may hold data of a model, or of this one object.

    A superuser may be sent everything; others what they may view, or what the site's own rule in HELIOSTAT_MAY_HOOK
    says; an inactive or deleted one nothing. Answers about permissions are kept for seconds; with `is_new` none of
    before this change counts, which may be the one that hides the object.
    """
    user = _user(user_id)
    if user is None or not user.is_active:
        return False
    if getattr(user, "is_superuser", False):
        return True
    # Another user may later have the same key: in a restored database, in the next test.
    identity = (user.get_username(), getattr(user, "password", ""), getattr(user, "date_joined", ""))
    one = None if obj is None else (obj._state.db, obj.pk)
    question = (user._state.db, user.pk, *identity, model, one)
    now, here = time.monotonic(), memory()
    for answers in (here,) if is_new else (here, _committed):
        if (known := answers.get(question)) is not None and now - known[0] < conf.permission_cache:
            return known[1]
    if conf.may_hook == Conf.may_hook.default:
        answer = has_permission(user, "view", model._meta.concrete_model or model, obj)
    else:
        answer = bool(policy()(user, model, "" if obj is None else key_of(obj)))
    if obj is None or obj.pk is not None:  # without a key, another object has the same question
        here[question] = (now, answer)
        _keep_when_committed(question, (now, answer), user._state.db)
    return answer


def forget_answers(**_: object) -> None:
    """Forget all answers."""
    global generation  # noqa: PLW0603  answers are kept where they are used, and compare this number
    generation += 1
    _committed.clear()


setting_changed.connect(forget_answers)


def permissions_changed(update_fields: Iterable[str] | None = None, **_: object) -> None:
    """Forget what this process changes. Other processes notice it after HELIOSTAT_PERMISSION_CACHE seconds."""
    if update_fields is None or set(update_fields) != {"last_login"}:
        forget_answers()


def connect() -> None:
    """Connect to the signals of users and permissions, at start."""
    user = get_user_model()
    post_save.connect(permissions_changed, sender=user, dispatch_uid="heliostat.webhooks.permissions")
    group = apps.get_model("auth.Group") if apps.is_installed("django.contrib.auth") else None
    for model, name in ((user, "user_permissions"), (user, "groups"), (group, "permissions")):
        if (relation := getattr(model, name, None)) is not None:  # a user model of a project's own may have none
            uid = "heliostat.webhooks.permissions"
            m2m_changed.connect(permissions_changed, sender=relation.through, dispatch_uid=uid)


def _user(user_id: Any) -> Any | None:
    """Return the user as the database has it now, with permissions not looked up yet; None where it is deleted."""
    known, question = memory(), ("user", user_id)
    if question not in known:
        model = get_user_model()
        known[question] = model._base_manager.using(router.db_for_write(model)).filter(pk=user_id).first()
    return known[question]


def _keep_when_committed(question: Question, answer: Answer, using: str) -> None:
    connection = transaction.get_connection(using)

    def keep() -> None:
        if connection.in_atomic_block:  # a test that runs what waits for a commit commits nothing
            return
        if len(_committed) >= MOST_REMEMBERED:
            _committed.clear()
        _committed[question] = answer

    transaction.on_commit(keep, using=using)


class Viewer:
    """The owner of a hook. They may view what their permissions allow, or everything where these are not enforced."""

    def __init__(self, event: Event, owner_id: Any = None, *, is_enforced: bool = False) -> None:
        self._event = event
        self._owner_id = owner_id
        self._is_enforced = is_enforced

    def may(self, model: type[Model], obj: Model | None = None) -> bool:
        """Return whether data of a model, or of this one object, may be sent to them."""
        return not self._is_enforced or may_be_sent(self._owner_id, model, obj)

    def hides(self, value: Any) -> bool:
        """Return whether a value holds objects or querysets that this viewer may not be sent."""
        if not self._is_enforced or not value:
            return False
        hidden: list[Any] = []
        redacted(value, whole=True, leaf=lambda one: one if self._shown(one) is one else hidden.append(one))
        return bool(hidden)

    def shown(self, value: Any) -> Any:
        """Return a value with None in place of objects, on their own or in lists, that they may not view."""
        return redacted(value, whole=True, leaf=self._shown) if self._is_enforced else value

    def _shown(self, value: Any) -> Any:
        if isinstance(value, Model):
            return value if self.may(value._meta.model, value) else None
        if isinstance(value, QuerySet):
            return value if all(map(self.may, models_read(value))) else None
        return value

    def follow(self, instance: Model, field: Any) -> None:
        """Count an object that is about to be fetched; raise `InvalidPayloadError` where it is one too many.

        Objects that an event's templates have fetched already cost nothing.
        """
        if field.is_cached(instance):
            return
        fetched = memory_of(self._event).setdefault(FETCHED, {})
        fetched[self._owner_id] = fetched.get(self._owner_id, 0) + 1
        if fetched[self._owner_id] > conf.render_relations:
            raise InvalidPayloadError(
                f"The templates of one owner follow at most {conf.render_relations} relations for one event "
                "(HELIOSTAT_RENDER_RELATIONS): name fewer objects, or use fewer hooks."
            )

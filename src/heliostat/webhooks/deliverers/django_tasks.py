"""Deliverers by Django Tasks, on the backend of the setting `TASKS`: of Django 6, or of its backport before."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from django.apps import apps

from heliostat.webhooks.deliverers.base import HookDeliverer, HooksDeliverer

if TYPE_CHECKING or not find_spec("django.tasks"):
    from django_tasks import task
else:
    from django.tasks import task


class _ByDjangoTasks:
    """A deliverer that needs a backend whose tables exist."""

    @classmethod
    def problem(cls) -> str:
        package = type(deliver_hooks.get_backend()).__module__.rpartition(".")[0]
        if not package or not find_spec(f"{package}.models") or apps.get_containing_app_config(f"{package}.models"):
            return ""
        return f"the backend of TASKS keeps its tasks in the database; add {package!r} to INSTALLED_APPS, and migrate"


class DjangoTaskHooksDeliverer(_ByDjangoTasks, HooksDeliverer):
    """Create one task for the callbacks of a commit, which sends each with the element deliverer."""

    def deliver_hooks(self, callbacks: Sequence[int], using: str) -> None:
        deliver_hooks.enqueue(list(callbacks), using)


class DjangoTaskHookDeliverer(_ByDjangoTasks, HookDeliverer):
    """Create one task for each callback."""

    def deliver_hook(self, callback: int, using: str) -> None:
        deliver_hook.enqueue(callback, using)


@task()
def deliver_hooks(callbacks: list[int], using: str) -> None:
    """Send these callbacks, each by the element deliverer."""
    HooksDeliverer.deliver(callbacks, using)


@task()
def deliver_hook(callback: int, using: str) -> None:
    """Send one callback."""
    HookDeliverer.deliver(callback, using)


deliver_hooks_using_django_task = DjangoTaskHooksDeliverer.deliver
deliver_hook_using_django_task = DjangoTaskHookDeliverer.deliver

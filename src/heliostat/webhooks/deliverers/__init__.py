"""Deliverers that are ready: paths for `HOOK_COLLECTION_DELIVERER` (`deliver_hooks…`) and `HOOK_ELEMENT_DELIVERER`."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# By module, which is imported when it is first used: some need what is not installed everywhere.
_MODULES = {
    "deliver_hook": "base",
    "deliver_hook_using_django_task": "django_tasks",
    "deliver_hook_using_task": "celery",
    "deliver_hooks": "base",
    "deliver_hooks_by_worker": "base",
    "deliver_hooks_using_asyncio": "background",
    "deliver_hooks_using_asyncio_task": "celery",
    "deliver_hooks_using_django_task": "django_tasks",
    "deliver_hooks_using_task": "celery",
}
__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    ours = name.replace("_using_eventlet", "_using_asyncio")  # what document 002 calls it
    if ours in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[ours]}"), ours)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""What views ask: who is let in, and which objects there are for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponseBase

from heliostat.objects import find_object
from heliostat.permissions import has_permission
from heliostat.rights.conf import rights_settings
from heliostat.rights.visibility import VisibleQuerySet

View = Callable[..., HttpResponseBase]


def open_to_readers(view: View) -> View:
    """Return a view for users who are logged in and, with HELIOSTAT_OPEN_READ, for all visitors."""
    for_users = login_required(view)

    @wraps(view)
    def opened(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return (view if rights_settings.open_read else for_users)(request, *args, **kwargs)

    return opened


def object_for(request: HttpRequest, objects: QuerySet[Any], key: object, action: str = "view") -> Any:
    """Return the object with this key, for a user who may do this to it.

    Raises `Http404` where there is none, or none that they may view: the two look alike; and `PermissionDenied` where
    they may view it, but not do this.
    """
    assert isinstance(objects, VisibleQuerySet)
    found = find_object(objects.visible_to(request.user), key)
    if found is None:
        raise Http404("There is nothing with this key, or it is not shared with you.")
    if action != "view" and not has_permission(request.user, action, type(found), found):
        raise PermissionDenied
    return found


def check_may_add(request: HttpRequest, model: type[Model], to: Model | None = None) -> None:
    """Raise `PermissionDenied` where a user may not add an object of this model, or not to this other object."""
    if not has_permission(request.user, "add", model, to):
        raise PermissionDenied

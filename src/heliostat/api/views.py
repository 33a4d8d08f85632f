"""Hooks, deliveries and event types over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from heliostat.api import deliveries, hooks
from heliostat.api.base import Conflict, HeliostatView, NewestFirst
from heliostat.api.described import CHANGE, RESEND_ALL, RESEND_SOME, ROTATE, SUBSCRIBE, described
from heliostat.api.policy import (
    check_deliveries,
    check_may,
    check_resend_all,
    may_add_hook,
    may_read_body,
    own_hooks,
    owns,
    visible_hooks,
    with_subscribers,
)
from heliostat.conf import conf
from heliostat.listeners import PublishesAPIReads
from heliostat.objects import get_object
from heliostat.outbox import resending
from heliostat.outbox.models import Attempt, Callback, Status
from heliostat.outbox.queries import OfSubscribers
from heliostat.permissions import permitted
from heliostat.webhooks import operations
from heliostat.webhooks.exceptions import HookDisabledError
from heliostat.webhooks.models import Hook
from heliostat.webhooks.owners import why_stopped

KEY = "[0-9]{1,18}"
READING = ("retrieve", "metadata", "resend")
VERBS = {"retrieve": "view", "resend": "view", "destroy": "delete"}  # all else changes a hook
PREVIEW = OpenApiParameter("preview", bool, description="Only count.")
CONFLICT = OpenApiResponse(description="This cannot be done in the present state.")


class HookViewSet(
    PublishesAPIReads,
    HeliostatView,
    mixins.ListModelMixin,
    mixins.RetrieveModelMixin,
    mixins.CreateModelMixin,
    mixins.UpdateModelMixin,
    mixins.DestroyModelMixin,
    GenericViewSet[Hook],
):
    """Webhooks: which events they receive, and where. You see your own; with permissions, those of others."""

    queryset = Hook.objects.none()
    serializer_class = hooks.HookSerializer
    pagination_class = NewestFirst
    lookup_value_regex = KEY

    def get_queryset(self) -> QuerySet[Hook]:
        found = visible_hooks(self.request.user) if self.action == "list" else Hook.objects.all()
        return found.select_related("model")

    def get_object(self) -> Hook:
        """Return the hook if this user may do to it what they request; locked, where it is to be changed.

        Raises `Http404` where they may not see it, `PermissionDenied` where they may only see it.
        """
        hook = get_object(self.get_queryset(), self.kwargs["pk"])
        action = VERBS.get(self.action, "change")
        check_may(self.request.user, action, hook)
        if self.action in READING:
            self.read_object = hook
            return hook
        hook = get_object(Hook.objects.select_for_update(), hook.pk)
        check_may(self.request.user, action, hook)  # it may have changed hands
        return hook

    @described(
        request=hooks.HookSerializer,
        responses={201: hooks.NewHookSerializer, 409: CONFLICT},
        examples=SUBSCRIBE,
    )
    def create(self, request: Request) -> Response:
        """Make a hook. The answer holds its secret, this once."""
        with transaction.atomic():
            if not may_add_hook(request.user):
                raise Conflict(f"You have {conf.hooks_per_user} hooks; delete one first.")
            serializer = self.get_serializer(data=request.data)
            serializer.is_valid(raise_exception=True)
            made = hooks.NewHookSerializer(serializer.save(), context=self.get_serializer_context())
        return Response(made.data, status=status.HTTP_201_CREATED)

    @described(examples=SUBSCRIBE)
    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change a hook as a whole; what is left out stays."""
        with transaction.atomic():
            return super().update(request, *args, **kwargs)

    @described(examples=CHANGE)
    def partial_update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Change some fields of a hook."""
        return super().partial_update(request, *args, **kwargs)

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Delete a hook. Its waiting callbacks are cancelled."""
        with transaction.atomic():
            return super().destroy(request, *args, **kwargs)

    @described(request=None, responses={202: deliveries.DeliverySerializer, 409: CONFLICT})
    @action(detail=True, methods=["post"])
    def ping(self, request: Request, pk: str) -> Response:
        """Send this hook, and nobody else, a test event of the type heliostat.ping."""
        with self._held() as hook:
            try:
                callback = operations.ping(hook)
            except HookDisabledError as error:
                raise Conflict(error.message) from error
        context = self.get_serializer_context()
        return Response(deliveries.DeliverySerializer(callback, context=context).data, status=status.HTTP_202_ACCEPTED)

    @described(request=None, responses=hooks.HookSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: str) -> Response:
        """Pause a hook: its callbacks wait."""
        return self._after(operations.pause)

    @described(request=None, responses=hooks.HookSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: str) -> Response:
        """Resume a paused hook: its waiting callbacks are sent, the oldest first."""
        return self._after(operations.resume)

    @described(request=None, responses=hooks.HookSerializer)
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, pk: str) -> Response:
        """Enable a hook for events from now on."""
        return self._after(operations.enable)

    @described(request=None, responses=hooks.HookSerializer)
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, pk: str) -> Response:
        """Disable a hook. Its waiting callbacks are cancelled."""
        return self._after(operations.disable)

    @described(request=hooks.RotateSerializer, responses=hooks.SecretSerializer, examples=ROTATE)
    @action(detail=True, methods=["post"], url_path="rotate-secret")
    def rotate_secret(self, request: Request, pk: str) -> Response:
        """Make a new secret, shown this once. The old one signs too until the overlap ends."""
        parameters = hooks.RotateSerializer(data=request.data or {})
        parameters.is_valid(raise_exception=True)
        hours = parameters.validated_data.get("overlap_hours")
        overlap = None if hours is None else timedelta(hours=hours)
        with self._held() as hook:
            if reason := why_stopped(hook):
                raise PermissionDenied(f"The secret cannot be changed while {reason}.")
            operations.rotate_secret(hook, overlap, parameters.validated_data.get("signature", ""))
        return Response(hooks.SecretSerializer(hook).data)

    @described(
        request=hooks.ResendAllSerializer,
        parameters=[PREVIEW],
        responses={200: deliveries.CountSerializer, 202: deliveries.ResentSerializer},
        examples=RESEND_ALL,
    )
    @action(detail=True, methods=["post"])
    def resend(self, request: Request, pk: str) -> Response:
        """Send again what failed since a time, at most 10,000 at once; with ?preview=true, only count it."""
        parameters = hooks.ResendAllSerializer(data=request.data)
        parameters.is_valid(raise_exception=True)
        hook = self.get_object()
        if not (owns(request.user, hook) or permitted(request.user, "change", Callback)):
            raise PermissionDenied
        since, ended = parameters.validated_data["since"], Status(parameters.validated_data["ended_as"])
        which = (hook.subscriber, since)
        check_resend_all(request.user, hook, resending.ended_since(*which, status=ended))
        if request.query_params.get("preview", "").lower() in ("true", "1", "yes"):
            return _count(resending.failed_since(*which, status=ended), status.HTTP_200_OK)
        count = resending.resend_all(*which, status=ended, limit=resending.LIMIT)
        remaining = resending.failed_since(*which, status=ended)
        return Response({"count": count, "remaining": remaining}, status=status.HTTP_202_ACCEPTED)

    @contextmanager
    def _held(self) -> Iterator[Hook]:
        """Lock the hook: no other request can change it."""
        with transaction.atomic():
            yield self.get_object()

    def _after(self, act: Any) -> Response:
        with self._held() as hook:
            act(hook)
            return Response(self.get_serializer(hook).data)


class DeliveryViewSet(PublishesAPIReads, HeliostatView, GenericViewSet[Any]):
    """The deliveries of webhooks: sent, being sent and waiting."""

    queryset = Callback.objects.none()
    serializer_class = deliveries.DeliverySerializer
    pagination_class = NewestFirst
    lookup_value_regex = KEY

    def get_queryset(self) -> QuerySet[Callback]:
        found = Callback.objects.filter(subscriber__startswith="hook:").select_related("event")
        return found.defer("body", "event__body", "event__context") if self.action == "list" else found

    @described(parameters=[deliveries.DeliveryQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the deliveries of your webhooks, newest first; or of one of them."""
        query = deliveries.DeliveryQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        found = query.narrow(self.get_queryset())
        hook, own = query.validated_data.get("hook"), own_hooks(request.user)
        sees_all = permitted(request.user, "view", Callback)
        if hook is not None:
            if not (sees_all or own.filter(pk=hook).exists()):
                raise Http404
            found = found.filter(subscriber=f"hook:{hook}")
        rows = found if sees_all or hook is not None else OfSubscribers(found, with_subscribers(own, found.db))
        return self._page(rows, deliveries.DeliverySerializer)

    def get_object(self) -> Callback:
        found: Callback = super().get_object()
        check_deliveries(self.request.user, "change" if self.action == "resend" else "view", [found])
        return found

    @described(responses=deliveries.WholeDeliverySerializer)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One delivery, with the body that is sent."""
        context = self.get_serializer_context()
        return Response(deliveries.WholeDeliverySerializer(self.get_object(), context=context).data)

    @described(responses=deliveries.AttemptSerializer(many=True))
    @action(detail=True)
    def attempts(self, request: Request, pk: str) -> Response:
        """List the attempts at a delivery, newest first."""
        callback = self.get_object()
        context = {"may_read_body": may_read_body(request.user, callback)}
        return self._page(Attempt.objects.filter(callback=callback), deliveries.AttemptSerializer, **context)

    @described(request=None, responses={202: deliveries.CountSerializer, 409: CONFLICT})
    @action(detail=True, methods=["post"])
    def resend(self, request: Request, pk: str) -> Response:
        """Send one again, with the same id and body."""
        if not (count := resending.resend([self.get_object().pk])):
            raise Conflict("It waits or is being sent, or its body still cannot be rendered (see status_details).")
        return _count(count, status.HTTP_202_ACCEPTED)

    @described(
        operation_id="deliveries_resend_some",
        request=deliveries.SelectionSerializer,
        responses={202: deliveries.CountSerializer},
        examples=RESEND_SOME,
    )
    @action(detail=False, methods=["post"], url_path="resend", url_name="resend-some")
    def resend_some(self, request: Request) -> Response:
        """Send a selection again, except callbacks that wait or are being sent."""
        parameters = deliveries.SelectionSerializer(data=request.data)
        parameters.is_valid(raise_exception=True)
        ids = set(parameters.validated_data["deliveries"])
        found = list(self.get_queryset().filter(pk__in=ids).defer("body", "event__body", "event__context"))
        if len(found) < len(ids):
            raise Http404
        check_deliveries(request.user, "change", found)
        return _count(resending.resend(ids), status.HTTP_202_ACCEPTED)

    def _page(self, rows: Any, serializer: Any, **context: Any) -> Response:
        page = self.paginate_queryset(rows)
        whole = {**self.get_serializer_context(), **context}
        return self.get_paginated_response(serializer(page, many=True, context=whole).data)


def _count(count: int, code: int) -> Response:
    return Response({"count": count}, status=code)

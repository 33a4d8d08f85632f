"""All that was given up since a time is sent again: counted first, then confirmed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminSplitDateTime
from django.core.exceptions import PermissionDenied
from django.db import router
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views import View

from heliostat.outbox import resending
from heliostat.outbox.models import Callback, Status


class SendFailedForm(forms.Form):
    """Which of them."""

    since = forms.SplitDateTimeField(
        widget=AdminSplitDateTime,
        initial=lambda: (timezone.now() - timedelta(days=1)).replace(microsecond=0),
        label="Failed or cancelled since",
    )
    subscriber = forms.CharField(
        required=False, max_length=255, label="Subscriber", help_text="For example hook:7. Empty: everyone."
    )
    status = forms.ChoiceField(
        choices=[(Status.ERROR.value, "given up"), (Status.CANCELLED.value, "cancelled")], label="Status"
    )


class SendFailedView(View):
    """A form; its answer with the count; and, once confirmed, the sending."""

    page: Any = None

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        if not self.page.has_resend_permission(request):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest) -> HttpResponse:
        form = SendFailedForm(initial={"subscriber": request.GET.get("subscriber", "")[:255]})
        return self._answer(request, form, None)

    def post(self, request: HttpRequest) -> HttpResponse:
        form = SendFailedForm(request.POST)
        if not form.is_valid():
            return self._answer(request, form, None)
        asked = form.cleaned_data
        which = (asked["subscriber"].strip(), asked["since"], router.db_for_write(Callback))
        status = Status(asked["status"])
        if "confirmed" not in request.POST:
            return self._answer(request, form, resending.failed_since(*which, status=status))
        count = resending.resend_all(*which, status=status, limit=resending.LIMIT)
        messages.success(request, f"{count} will be sent again.")
        if remaining := resending.failed_since(*which, status=status):
            messages.warning(request, f"{remaining} more are left for another time.")
        return HttpResponseRedirect(self._list())

    def _answer(self, request: HttpRequest, form: SendFailedForm, count: int | None) -> HttpResponse:
        context = {
            **self.page.admin_site.each_context(request),
            "title": "Resend failed callbacks",
            "opts": self.page.opts,
            "form": form,
            "count": count,
            "list": self._list(),
            "media": self.page.media + form.media,
        }
        return TemplateResponse(request, "admin/heliostat_outbox/callback/send_failed.html", context)

    def _list(self) -> str:
        site: admin.AdminSite = self.page.admin_site
        return reverse(f"{site.name}:{self.page.opts.app_label}_callback_changelist")

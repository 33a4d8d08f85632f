"""In the process of the change, right after its commit; and the default, which leaves all to the worker."""

from __future__ import annotations

from heliostat.webhooks.deliverers.base import HookDeliverer, HooksDeliverer, WorkerHooksDeliverer

deliver_hooks = HooksDeliverer.deliver
deliver_hook = HookDeliverer.deliver
deliver_hooks_by_worker = WorkerHooksDeliverer.deliver

"""Settings of processes beside the tests: the same database, another deliverer, a lease that ends soon after a kill."""

import os

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES

DATABASES = {"default": {**DATABASES["default"], "NAME": os.environ["HELIOSTAT_TEST_DATABASE"]}}
READY = "heliostat.webhooks.deliverers"
HOOK_COLLECTION_DELIVERER = f"{READY}.{os.environ.get('HELIOSTAT_TEST_DELIVERER', 'deliver_hooks_using_task')}"
HOOK_ELEMENT_DELIVERER = f"{READY}.deliver_hook_using_task"
HELIOSTAT_LEASE = 2.0

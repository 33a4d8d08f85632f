from __future__ import annotations

import sys
from typing import Any

from heliostat.commands import ExplainedCommand
from heliostat.dataproducts.storing import retrieve
from heliostat.observations.facility import UnknownFacility
from heliostat.observations.models import ObservationRecord, ObservationStatus
from heliostat.text import escape


class Command(ExplainedCommand):
    help = (
        "Retrieve the data products of all completed observations that are not here yet. "
        "Exits with 1 if any facility failed; the others are retrieved all the same."
    )
    example = """\
example:
  manage.py downloaddata
"""

    def handle(self, *_args: Any, **_options: Any) -> None:
        completed = ObservationRecord.objects.filter(status=ObservationStatus.COMPLETED).order_by("id")
        saved = failed = 0
        for observation in completed.select_related("target").iterator(chunk_size=500):
            label = escape(f"{observation} ({observation.observation_id})")
            try:
                products = retrieve(observation)
            except UnknownFacility as error:
                self.stdout.write(f"{label}: skipped. {escape(error)}")
            except Exception as error:  # one that fails stops nobody
                failed += 1
                self.stderr.write(f"{label}: failed. {escape(error)}")
            else:
                saved += len(products)
                for product in products:
                    self.stdout.write(f"{label}: {escape(product)}")
        self.stdout.write(f"{saved} saved, {failed} failed")
        if failed:
            sys.exit(1)

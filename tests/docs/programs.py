"""The programs that the documents use, beside Python's."""

from __future__ import annotations

import shutil

import pytest
from django.conf import settings


def needs(*programs: str) -> None:
    """Skip the test where one is not installed; in CI, fail it."""
    for program in programs:
        if not shutil.which(program):
            if settings.IN_CI:
                pytest.fail(f"{program} is not installed")
            pytest.skip(f"{program} is not installed")

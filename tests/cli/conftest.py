"""A project made by `heliostat new`, migrated and with a user: made once, copied for each test."""

from __future__ import annotations

from tests.cli.projects import made, mytom

__all__ = ["made", "mytom"]

"""Settings of the program in a network of its own: safe by default, as in production."""

from tests.chaos.settings import *  # noqa: F403

HELIOSTAT_ALLOW_NETWORKS: list[str] = []
HELIOSTAT_CONNECT_TIMEOUT = 0.5
HELIOSTAT_REQUEST_TIMEOUT = 10.0
HELIOSTAT_RETRY_FIRST = 1000.0

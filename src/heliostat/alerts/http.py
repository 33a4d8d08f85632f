"""Asking a broker by HTTP, with every limit stated. For brokers, bundled or yours."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import requests

import heliostat
from heliostat.alerts.alerts import BrokerError

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 10.0
TOTAL_TIMEOUT = 30.0
MAX_BYTES = 20 * 1024 * 1024
USER_AGENT = f"Heliostat/{heliostat.__version__} (TOM)"


def get_json(url: str, parameters: Mapping[str, Any] | None = None) -> Any:
    """Return the JSON at an address. Raises `requests.RequestException` or `BrokerError`."""
    deadline = time.monotonic() + TOTAL_TIMEOUT
    with requests.get(
        url,
        params=dict(parameters or {}),
        timeout=(CONNECT_TIMEOUT, READ_TIMEOUT),
        headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
        stream=True,
    ) as response:
        response.raise_for_status()
        body = bytearray()
        for chunk in response.iter_content(64 * 1024):
            body += chunk
            if len(body) > MAX_BYTES:
                raise BrokerError("The broker's answer is too large.")
            if time.monotonic() > deadline:
                raise requests.ReadTimeout("The answer drips.", request=response.request)
    try:
        return json.loads(body)
    except ValueError:
        raise BrokerError("The broker's answer is not JSON.") from None

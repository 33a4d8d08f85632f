"""What went wrong with a broker, in a sentence for people. Addresses are cut to the host: the rest may hold a token."""

from __future__ import annotations

from urllib.parse import urlsplit

import requests

from heliostat.alerts.alerts import BrokerError

LONGEST = 300


def sentence_of(error: BaseException) -> str:
    """Why a broker gave no alerts, or only some."""
    if isinstance(error, BrokerError):
        return str(error)
    if isinstance(error, requests.JSONDecodeError):
        return "The broker's answer is not JSON."
    if isinstance(error, requests.RequestException):
        return _of_request(error)
    if isinstance(error, KeyError):
        return f"Something is missing in the broker's answer, or in the query: {error.args[0] if error.args else error}"
    return f"The broker module failed: {type(error).__name__}: {error}"[:LONGEST]


def _of_request(error: requests.RequestException) -> str:
    host = urlsplit(error.request.url or "").hostname if error.request is not None else None
    who = f"The broker at {host}" if host else "The broker"
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"{who} answered with status {error.response.status_code} {error.response.reason or ''}".rstrip() + "."
    if isinstance(error, requests.Timeout):
        return f"{who} did not answer in time."
    if isinstance(error, requests.ConnectionError):
        return f"{who} cannot be reached{_detail(error)}."
    return f"{who} could not be asked: {type(error).__name__}."


def _detail(error: requests.ConnectionError) -> str:
    text = str(error)
    for sign, meaning in (
        ("NameResolutionError", ": its name is not known"),
        ("Connection refused", ": the connection was refused"),
        ("Connection aborted", ": it closed the connection"),
        ("Remote end closed", ": it closed the connection"),
        ("Read timed out", ": it did not answer in time"),
    ):
        if sign in text:
            return meaning
    return ""

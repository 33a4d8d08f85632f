"""Receive webhooks while you develop: verify each signature and print what arrives.

The first deliveries can be made to fail, so that you see retries at work. Ctrl-C and SIGTERM end it.
Exits with 1 if a signature was wrong, or if it cannot listen.
"""

from __future__ import annotations

import argparse
import json
import signal
import time
from typing import Any

from heliostat.cli.say import BOLD, GREEN, RED, CommandFailed, aside, say
from heliostat.delivery.signing import key_of
from heliostat.option_types import amount, host_name, port_number, whole_number
from heliostat.testing.receiver import Answer, Delivery, Receiver
from heliostat.text import escape

HELP = "receive webhooks and print them"
EXAMPLE = """\
examples:
  heliostat listen --secret whsec_...                       verify and print
  heliostat listen --fail 503 --times 2 --retry-after 1     be down twice, then up
  heliostat listen --json --count 10 > deliveries.jsonl     keep the first ten
"""
SHOWN_LINES = 30
LOOK = 0.05  # seconds between two looks at what arrived
STATUSES = (200, 999)  # what is no interim answer and fits into three digits


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--host", type=host_name, default="127.0.0.1", help="0.0.0.0: reachable from elsewhere (default: %(default)s)"
    )
    parser.add_argument("--port", type=port_number, default=9000, help="0: any free port (default: 9000)")
    parser.add_argument(
        "--secret", type=_secret, action="append", default=[], help="a hook's whsec_... or whpk_...; may be repeated"
    )
    parser.add_argument("--fail", type=whole_number(*STATUSES), metavar="STATUS", help="answer with this status")
    parser.add_argument("--drop", action="store_true", help="close the connection without an answer")
    parser.add_argument(
        "--times", type=whole_number(0), metavar="N", help="--fail or --drop only the first N requests (default: all)"
    )
    parser.add_argument("--retry-after", metavar="SECONDS", help="send Retry-After with --fail")
    parser.add_argument("--delay", type=amount, default=0.0, metavar="SECONDS", help="answer only after this")
    parser.add_argument("--json", action="store_true", help="one line of JSON for each delivery")
    parser.add_argument("--count", type=whole_number(1), metavar="N", help="stop after N deliveries")
    parser.add_argument(
        "--until-idle", type=amount, nargs="?", const=3.0, metavar="SECONDS",
        help="stop when nothing has arrived for so long (3 when not said)",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Receive until stopped."""
    try:
        receiver = Receiver(
            secret=options.secret,
            answers=_answers(options),
            host=options.host,
            port=options.port,
            on_delivery=_print_json if options.json else print_delivery,
        )
    except OSError as error:
        raise CommandFailed(
            f"cannot listen on {options.host}:{options.port}: {error.strerror}. "
            f"Choose another one with --port, or --port 0 for any that is free."
        ) from error
    stopped: list[int] = []  # no lock, which the thread that the signal interrupts might hold
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: stopped.append(number))
    with receiver:
        report = aside if options.json else say
        report(f"Listening on {receiver.url}  (stop with Ctrl-C)")
        _wait(receiver, stopped, options.count, options.until_idle)
        _rest(options.delay + 0.1, stopped)  # let the last answer leave
    return 1 if any(delivery.verified is False for delivery in receiver.deliveries) else 0


def _secret(text: str) -> str:
    try:
        key_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _answers(options: argparse.Namespace) -> Any:
    headers = {"Retry-After": options.retry_after} if options.retry_after else {}
    good = Answer(delay=options.delay)
    bad = Answer(options.fail or 200, headers, delay=options.delay, drop=options.drop)

    def answer(delivery: Delivery) -> Answer:
        failing = options.times is None or delivery.number <= options.times
        return bad if failing and (options.fail or options.drop) else good

    return answer


def _wait(receiver: Receiver, stopped: list[int], count: int | None, idle: float | None) -> None:
    begin = time.monotonic()
    while not stopped:
        time.sleep(LOOK)
        deliveries = receiver.deliveries
        if count is not None and len(deliveries) >= count:
            break
        last = deliveries[-1].seen_at if deliveries else begin
        if idle is not None and time.monotonic() - last >= idle:
            break


def _rest(seconds: float, stopped: list[int]) -> None:
    until = time.monotonic() + seconds
    while not stopped and time.monotonic() < until:
        time.sleep(LOOK)


def print_delivery(delivery: Delivery, answer: Answer) -> None:
    """One block of readable lines."""
    outcome = "no answer" if answer.drop else str(answer.status)
    say(f"{time.strftime('%H:%M:%S')}  {escape(f'{delivery.method} {delivery.path}')}  answered: {outcome}", BOLD)
    again = f"  (seen before, {_ordinal(delivery.times_seen)} time)" if delivery.times_seen > 1 else ""
    say(f"  id         {escape(delivery.id or 'none')}{again}")
    text, colour = signature(delivery)
    say(f"  signature  {escape(text)}", colour)
    say(f"  event      {escape(event_type(delivery) or 'unknown')}")
    lines = escape(_pretty(delivery), "\n\t").split("\n")
    say("\n".join(f"  | {line}" for line in lines[:SHOWN_LINES]))  # marked: a body can look like the lines above
    if len(lines) > SHOWN_LINES:
        say(f"  ... and {len(lines) - SHOWN_LINES} lines more (--json shows all)")
    say()


def signature(delivery: Delivery) -> tuple[str, str]:
    """What is to be said of a delivery's signature, and in which colour."""
    if "webhook-signature" not in delivery.headers:
        return "none", RED if delivery.verified is False else ""
    if delivery.verified is None:
        return "not checked (give --secret)", ""
    return ("verified", GREEN) if delivery.verified else (f"WRONG: {delivery.problem}", RED)


def event_type(delivery: Delivery) -> str:
    """Return the type of the event, when the body is JSON and has one."""
    try:
        return str(delivery.json.get("type", ""))
    except (ValueError, AttributeError, RecursionError):
        return ""


def _pretty(delivery: Delivery) -> str:
    try:
        return json.dumps(delivery.json, indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return delivery.body.decode("utf-8", "backslashreplace")


def _print_json(delivery: Delivery, answer: Answer) -> None:
    try:
        body = delivery.json
    except (ValueError, RecursionError):
        body = delivery.body.decode("utf-8", "backslashreplace")
    say(
        json.dumps(
            {
                "number": delivery.number,
                "method": delivery.method,
                "path": delivery.path,
                "id": delivery.id,
                "times_seen": delivery.times_seen,
                "verified": delivery.verified,
                "answered": None if answer.drop else answer.status,
                "headers": dict(delivery.headers.items()),
                "body": body,
            }
        )
    )


def _ordinal(number: int) -> str:
    endings = {1: "st", 2: "nd", 3: "rd"}
    return f"{number}{'th' if number % 100 in (11, 12, 13) else endings.get(number % 10, 'th')}"

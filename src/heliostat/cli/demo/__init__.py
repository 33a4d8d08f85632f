"""See Heliostat at work: a TOM with data, a code hook, an e-mail listener and a webhook to a receiver.

The demo lives in the folder demo, and is there again when you start it again. With --once it runs the same
path without a browser, in a temporary folder, and fails unless every subscriber was notified.
"""

from __future__ import annotations

import argparse
import json
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

from heliostat.cli.demo import project, walk
from heliostat.cli.demo.project import Demo
from heliostat.cli.say import BOLD, GREEN, CommandFailed, say, step
from heliostat.cli.serve import Site, address, bind, prepare
from heliostat.option_types import port_number

if TYPE_CHECKING:
    from heliostat.testing.receiver import Delivery, Receiver

HELP = "see it at work (--once: without a browser)"
EXAMPLE = """\
examples:
  heliostat demo                ready to click; Ctrl-C stops it
  heliostat demo --once         check the whole path and exit
"""
RECEIVER_PORT = 9000  # or any that is free
UPDATE_EVERY = 10.0  # seconds between looks at the facility
EXPOSURE = 30.0  # seconds


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--once", action="store_true", help="run the path by itself, then exit: 0 if all went well")
    parser.add_argument("--port", type=port_number, default=8000, help="of the web server (default: 8000)")
    parser.add_argument("--directory", type=Path, default=Path("demo"), help="where it lives (default: demo)")
    parser.add_argument("--reset", action="store_true", help="delete the demo's data and start again")


def run(options: argparse.Namespace) -> int:
    """Run the demo."""
    if options.once:
        with TemporaryDirectory(prefix="heliostat-demo-") as folder:
            return _once(Demo(Path(folder)))
    return _show(Demo(options.directory.resolve()), options.port, reset=options.reset)


def _once(demo: Demo) -> int:
    site, receiver, user, _ = _set_up(demo, port=0, receiver_ports=(0,))
    from heliostat.testing.events import captured_events

    serving = threading.Thread(target=site.run, kwargs={"signals": False}, name="site")
    with receiver:
        serving.start()
        try:
            with urlopen(site.address, timeout=10) as page:  # noqa: S310 - our own
                step(f"web server answers {page.status} at {site.address}; worker running, receiver at {receiver.url}")
            step(f"REST API at {site.address}/api/ lists {_hooks_over_the_api(site.address, user)} hook")
            with captured_events() as events:
                _walk(user, exposure=1.0, wait=True)
            expected = walk.expected(events)
            all_notified = walk.Witness(demo, receiver).report(expected)
            complete = len(expected) == walk.ALERTS + 2  # the targets, the query, the observation
        finally:
            site.stop()
            serving.join()
    if not (all_notified and complete):
        raise CommandFailed(f"not every subscriber was notified of everything ({len(expected)} events happened)")
    say(f"Every subscriber was notified: {len(expected)} events, 3 subscribers each.", GREEN)
    return 0


def _hooks_over_the_api(site: str, user: Any) -> int:
    headers = {"Authorization": f"Token {project.token(user)}"}
    with urlopen(Request(f"{site}/api/hooks/", headers=headers), timeout=10) as answer:  # noqa: S310 - our own
        return len(json.load(answer)["results"])


def _show(demo: Demo, port: int, *, reset: bool) -> int:
    if reset:
        demo.remove()
    site, receiver, user, password = _set_up(demo, port, (RECEIVER_PORT, 0), on_delivery=_print_delivery)
    with receiver:
        _walk(user, exposure=EXPOSURE, wait=False)
        done = threading.Event()
        updating = threading.Thread(target=_keep_updating, args=(done,), name="updatestatus")
        updating.start()
        try:
            return site.run(lambda _: _announce(demo, site, receiver, user, password))
        finally:
            done.set()
            updating.join()


def _set_up(
    demo: Demo, port: int, receiver_ports: tuple[int, ...], on_delivery: Any = None
) -> tuple[Site, Receiver, Any, str]:
    """Everything that both ways of running it need."""
    listener = bind("127.0.0.1", port, "heliostat demo")
    made = demo.make()
    step(f"{'made' if made else 'found'} the project in {demo.project}")
    demo.load(address(listener))
    prepare(migrate=True)
    user, password = project.user(demo)
    receiver = _receiver(receiver_ports, on_delivery)
    hook = project.make_webhook(receiver.url, user)
    receiver.secrets.append(hook.reveal_secret())
    step(f"user {user}, a code hook, an e-mail listener and a webhook are there")
    return Site(listener), receiver, user, password


def _receiver(ports: tuple[int, ...], on_delivery: Any) -> Receiver:
    from heliostat.testing.receiver import Receiver

    for port in ports:
        try:
            return Receiver(port=port, on_delivery=on_delivery)
        except OSError as error:
            problem = error
    raise CommandFailed(f"the receiver cannot listen: {problem}")


def _walk(user: Any, *, exposure: float, wait: bool) -> None:
    from heliostat import acting_as

    with acting_as(user):
        query = walk.query(user)
        target = walk.targets(query, user)[0]
        if not wait and target.observations.exists():
            return
        record = walk.observation(target, user, exposure)
        if wait:
            walk.complete(record)


def _keep_updating(done: threading.Event) -> None:
    """What a timer does in a real TOM: `heliostat updatestatus`."""
    from django.core.management import call_command
    from django.db import connection

    try:
        while not done.wait(UPDATE_EVERY):
            call_command("updatestatus", verbosity=0)
    finally:
        connection.close()


def _print_delivery(delivery: Delivery, _: Any) -> None:
    from heliostat.cli.listen import event_type, signature

    text, colour = signature(delivery)
    step(f"webhook received: {event_type(delivery)}, signature {text}", colour)


def _announce(demo: Demo, site: Site, receiver: Receiver, user: Any, password: str) -> None:
    step("worker running")
    say(f"\n  {site.address}/         the TOM\n  {site.address}/admin/   the admin", BOLD)
    say(f"  log in as {project.USERNAME} with the password {password}\n", BOLD)
    say(f"  the REST API: curl -H 'Authorization: Token {project.token(user)}' {site.address}/api/hooks/")
    say(f"  webhooks go to {receiver.url} and are printed here")
    say(f"  e-mails are written into {demo.mail}")
    say(f"  the code hook writes into {demo.lines}")
    say(f"  the observation completes about {EXPOSURE:.0f} s from its start\n\nStop with Ctrl-C.")

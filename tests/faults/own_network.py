"""A program in a network of its own, whose names a server of its own answers for: one event, notified to many hosts.

Started by `unshare`; prints as JSON what came of each host.
"""

from __future__ import annotations

import fcntl
import json
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

PUBLIC, OTHER = "93.184.216.34", "1.1.1.1"
HOSTS = {
    "public": [PUBLIC],
    "private": ["127.0.0.1"],
    "metadata": ["169.254.169.254"],
    "mixed": [PUBLIC, "127.0.0.1"],
    "mapped": [PUBLIC, "::ffff:127.0.0.1"],
    "second": [OTHER, PUBLIC],
    "silent": None,
    "missing": [],
}
A, AAAA, NXDOMAIN, SERVFAIL = 1, 28, 3, 2
SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFADDR, IFF_UP = 0x8913, 0x8914, 0x8916, 0x1


def set_up_network(addresses: list[str]) -> None:
    """The loopback of this network has public addresses, too."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))
        for number, address in enumerate(addresses):
            name = f"lo:{number}".encode()
            fcntl.ioctl(
                any_socket, SIOCSIFADDR, struct.pack("16sHH4s8x", name, socket.AF_INET, 0, socket.inet_aton(address))
            )


def ask_own_server(folder: Path) -> None:
    (folder / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    subprocess.run(["mount", "--bind", str(folder / "resolv.conf"), "/etc/resolv.conf"], check=True)
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    threading.Thread(target=answer_all, args=(server,), daemon=True).start()


def answer_all(server: socket.socket) -> None:
    while True:
        question, client = server.recvfrom(512)
        if answer := answered(question):
            server.sendto(answer, client)


def answered(message: bytes) -> bytes | None:
    """A DNS answer in the form of RFC 1035, or none where the server is silent."""
    end = message.index(b"\0", 12)
    kind = struct.unpack("!H", message[end + 1 : end + 3])[0]
    question = message[12 : end + 5]
    first = message[13 : 13 + message[12]].decode()
    addresses = HOSTS.get(first, [])
    if addresses is None:
        return None
    family = socket.AF_INET6 if kind == AAAA else socket.AF_INET
    wanted = [one for one in addresses if (":" in one) == (kind == AAAA)] if kind in (A, AAAA) else []
    packed = [socket.inet_pton(family, one) for one in wanted]
    records = b"".join(struct.pack("!HHHIH", 0xC00C, kind, 1, 0, len(one)) + one for one in packed)
    flags = 0x8180 | (0 if addresses else NXDOMAIN)
    return message[:2] + struct.pack("!HHHHH", flags, 1, len(packed), 0, 0) + question + records


def notify_all(port: int) -> dict[str, list[str]]:
    """By host: the outcome and the error."""
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0, run_syncdb=True)
    from heliostat.outbox.models import Attempt
    from heliostat.testing import drain_outbox
    from heliostat.webhooks.models import Hook
    from tests.example.models import Vehicle

    hooks = {
        Hook.objects.create(
            signals=["example.vehicle.created"], target=f"http://{name}.example:{port}/"
        ).subscriber: name
        for name in HOSTS
    }
    Vehicle.objects.create(name="55")
    drain_outbox()
    attempts = Attempt.objects.select_related("callback")
    return {hooks[one.callback.subscriber]: [one.outcome, one.error] for one in attempts}


def main() -> None:
    set_up_network([PUBLIC])
    with tempfile.TemporaryDirectory() as folder:
        ask_own_server(Path(folder))
        from heliostat.testing import Receiver

        with Receiver(host=PUBLIC) as public, Receiver(port=public.port) as private:
            notified = notify_all(public.port)
            print(
                json.dumps({"notified": notified, "public": len(public.deliveries), "private": len(private.deliveries)})
            )


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    main()

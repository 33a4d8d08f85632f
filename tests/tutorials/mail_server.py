"""An SMTP server on loopback that wants STARTTLS and a login, as the document's does, and remembers its messages."""

from __future__ import annotations

import base64
import datetime
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Session(socketserver.StreamRequestHandler):
    server: Any

    def handle(self) -> None:
        self.say("220 ready")
        login, is_safe = "", False
        while line := self.rfile.readline():
            word, _, rest = line.decode().strip().partition(" ")
            match word.upper():
                case "EHLO":
                    self.say(f"250-here\r\n250 {'AUTH PLAIN' if is_safe else 'STARTTLS'}")
                case "STARTTLS":
                    self.say("220 go on")
                    self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
                    self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")
                    is_safe = True
                case "AUTH":
                    login = base64.b64decode(rest.split()[1]).decode().replace("\0", " ").strip()
                    self.say("235 welcome")
                case "MAIL" if not login:
                    self.say("530 log in first")
                case "DATA":
                    self.say("354 go on")
                    text = b"".join(iter(self.rfile.readline, b".\r\n")).decode()
                    self.server.messages.append((login, text))
                    self.say("250 kept")
                case "QUIT":
                    self.say("221 bye")
                    return
                case _:
                    self.say("250 fine")

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())
        self.wfile.flush()


@contextmanager
def mail_server(folder: Path) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Give the host and port of a server, and the list of what it gets: (user and password, message)."""
    server: Any = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session)
    server.daemon_threads = True
    server.messages = []
    server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.context.load_cert_chain(certificate(folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}", server.messages
    finally:
        server.shutdown()
        server.server_close()


def certificate(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    pem = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (path := folder / "server.pem").write_bytes(pem + key.private_bytes(serialization.Encoding.PEM, *form))
    return path

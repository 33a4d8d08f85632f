"""A broker on loopback: it answers as it is notified, and fails in every way that brokers do."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, str, bytes]
JSON = "application/json"


class _Handler(BaseHTTPRequestHandler):
    broker: BrokerServer

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.broker.asked.append((url.path, parse_qs(url.query), dict(self.headers)))
        fault = getattr(self, f"fault_{url.path.strip('/')}", None)
        if fault is not None:
            fault()
            return
        status, kind, body = self.broker.answer(url.path, parse_qs(url.query))
        self.start(status, kind, len(body))
        self.wfile.write(body)

    def start(self, status: int, kind: str, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def fault_hang(self) -> None:
        self.broker.release.wait(20)

    def fault_drip(self) -> None:
        self.start(200, JSON, 1000)
        for _ in range(200):
            if self.broker.release.wait(0.05):
                return
            self.wfile.write(b" ")
            self.wfile.flush()

    def fault_reset(self) -> None:
        self.connection.close()

    def fault_html(self) -> None:
        body = b"<h1>Oh <script>alert(1)</script></h1>"
        self.start(503, "text/html", len(body))
        self.wfile.write(body)

    def fault_teapot(self) -> None:
        self.start(418, "text/html", 0)

    def fault_text(self) -> None:
        self.start(200, "text/html", 6)
        self.wfile.write(b"<html>")

    def log_message(self, *_: Any) -> None:
        pass


class BrokerServer:
    """`answer` is asked for path and query, and gives status, content type and body."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, list[str]], dict[str, str]]] = []
        self.answer: Callable[[str, dict[str, list[str]]], Answer] = lambda _path, _query: (200, JSON, b"[]")
        self.release = threading.Event()  # lets those that hang go
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"broker": self}))
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign, assignment]
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> BrokerServer:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()


def as_json(value: Any, status: int = 200) -> Answer:
    return status, JSON, json.dumps(value).encode()

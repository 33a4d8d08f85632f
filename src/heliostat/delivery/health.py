"""A port of a worker: `/healthz` for supervisors, `/metrics` for Prometheus."""

from __future__ import annotations

import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from django.db import Error as DatabaseError
from django.db import connections

from heliostat.delivery.metrics import CONTENT_TYPE, exposition
from heliostat.delivery.worker import Worker
from heliostat.exceptions import ConfigurationError

TEXT = "text/plain; charset=utf-8"


class HealthServer:
    """Answers on a thread of its own while the worker works. Raises `OSError` where the address cannot be had."""

    def __init__(self, worker: Worker, host: str, port: int) -> None:
        self._server = (_Server6 if ":" in host else _Server)((host, port), _Handler)
        self._server.worker = worker
        self.host, self.port = host, int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://[{self.host}]:{self.port}" if ":" in self.host else f"http://{self.host}:{self.port}"

    def __enter__(self) -> HealthServer:
        threading.Thread(target=self._server.serve_forever, args=(0.2,), name="heliostat-health", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    worker: Worker


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10  # seconds that a client may keep a thread waiting

    def do_GET(self) -> None:
        worker, path = self.server.worker, self.path.partition("?")[0]
        if path == "/metrics":
            self._send_metrics(worker)
        elif path != "/healthz":
            self._send(HTTPStatus.NOT_FOUND, b"Ask for /healthz or /metrics.\n")
        elif problem := worker.problem():
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, f"{problem}\n".encode())
        else:
            self._send(HTTPStatus.OK, b"well\n")

    do_HEAD = do_GET

    def _send_metrics(self, worker: Worker) -> None:
        status, content_type = HTTPStatus.OK, CONTENT_TYPE
        try:
            body = exposition(worker.using, worker)
        except ConfigurationError as error:
            status, body, content_type = HTTPStatus.NOT_IMPLEMENTED, f"{error}\n".encode(), TEXT
        except DatabaseError:
            status, body, content_type = HTTPStatus.SERVICE_UNAVAILABLE, b"the database is out of reach\n", TEXT
        finally:
            connections.close_all()
        self._send(status, body, content_type)

    def _send(self, status: HTTPStatus, body: bytes, content_type: str = TEXT) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Log no line for each request."""

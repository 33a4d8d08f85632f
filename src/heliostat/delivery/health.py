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


class HealthServer(ThreadingHTTPServer):
    """Answers on a thread of its own while the worker works. Raises `OSError` where the address cannot be had."""

    daemon_threads = True

    def __init__(self, worker: Worker, host: str, port: int) -> None:
        self.worker = worker
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.server_port}"

    def __enter__(self) -> HealthServer:
        threading.Thread(target=self.serve_forever, args=(0.2,), name="heliostat-health", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: HealthServer
    timeout = 10  # seconds that a client may keep a thread waiting

    def do_GET(self) -> None:
        worker, path = self.server.worker, self.path.partition("?")[0]
        status, body, content_type = HTTPStatus.OK, b"well\n", TEXT
        try:
            if path == "/metrics":
                body, content_type = exposition(worker.using, worker), CONTENT_TYPE
            elif path != "/healthz":
                status, body = HTTPStatus.NOT_FOUND, b"Ask for /healthz or /metrics.\n"
            elif problem := worker.problem():
                status, body = HTTPStatus.SERVICE_UNAVAILABLE, f"{problem}\n".encode()
        except ConfigurationError as error:
            status, body = HTTPStatus.NOT_IMPLEMENTED, f"{error}\n".encode()
        except DatabaseError:
            status, body = HTTPStatus.SERVICE_UNAVAILABLE, b"the database is out of reach\n"
        finally:
            connections.close_all()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, format: str, *arguments: Any) -> None:
        """Log no line for each request."""

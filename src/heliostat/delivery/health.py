"""A port where a worker says how it is: `/healthz` for supervisors, `/metrics` for Prometheus."""

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
        self._server = _server_for(host)((host, port), _Handler)
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


def _server_for(host: str) -> type[_Server]:
    return _Server6 if ":" in host else _Server


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10  # seconds that a client may keep a thread waiting

    def do_GET(self) -> None:
        answers = {"/healthz": self._health, "/metrics": self._metrics}
        answer = answers.get(self.path.partition("?")[0])
        self._send(*answer() if answer else (HTTPStatus.NOT_FOUND, "Ask for /healthz or /metrics.\n", TEXT))

    do_HEAD = do_GET

    def _health(self) -> tuple[HTTPStatus, str, str]:
        problem = self.server.worker.problem()
        return (HTTPStatus.SERVICE_UNAVAILABLE, f"{problem}\n", TEXT) if problem else (HTTPStatus.OK, "well\n", TEXT)

    def _metrics(self) -> tuple[HTTPStatus, str, str]:
        try:
            figures = exposition(self.server.worker.using, self.server.worker)
        except ConfigurationError as error:
            return HTTPStatus.NOT_IMPLEMENTED, f"{error}\n", TEXT
        except DatabaseError:
            return HTTPStatus.SERVICE_UNAVAILABLE, "the database is out of reach\n", TEXT
        finally:
            connections.close_all()
        return HTTPStatus.OK, figures.decode(), CONTENT_TYPE

    def _send(self, status: HTTPStatus, text: str, content_type: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """That somebody asked is nothing to report."""

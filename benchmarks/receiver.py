"""A receiver that is quicker than any sender: nothing but epoll, kept connections, and one answer.

    python -m benchmarks.receiver PORTS DELAY

Listens on so many free ports and prints them as a JSON list; answers `200 OK` to all, after DELAY seconds. GET /count
answers how many POSTs came; GET /arrived when each came to a path /probe, by the object that its body is about.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from collections import deque

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LENGTH = b"content-length:"
OBJECT = b'"object_id":'  # a number, or a text


class Receiver:
    def __init__(self, ports: int, delay: float) -> None:
        self.delay = delay
        self.count = 0
        self.arrived: dict[str, float] = {}
        self.poll = select.epoll()
        self.sockets = dict(self._listen() for _ in range(ports))
        self.open: dict[int, socket.socket] = {}
        self.partly: dict[int, bytes] = {}
        self.late: deque[tuple[float, int]] = deque()

    def _listen(self) -> tuple[int, socket.socket]:
        listening = socket.create_server(("127.0.0.1", 0), backlog=1024)
        listening.setblocking(False)
        self.poll.register(listening, select.EPOLLIN)
        return listening.fileno(), listening

    def serve(self) -> None:
        while True:
            wait = max(0.0, self.late[0][0] - time.monotonic()) if self.late else -1
            for descriptor, _ in self.poll.poll(wait):
                if descriptor in self.sockets:
                    self._accept(self.sockets[descriptor])
                else:
                    self._read(descriptor)
            while self.late and self.late[0][0] <= time.monotonic():
                self._say(self.late.popleft()[1], OK)

    def _accept(self, listening: socket.socket) -> None:
        connection, _ = listening.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.open[connection.fileno()] = connection
        self.poll.register(connection, select.EPOLLIN)

    def _read(self, descriptor: int) -> None:
        try:
            data = self.open[descriptor].recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self.partly.pop(descriptor, None)
            self.open.pop(descriptor).close()
            return
        data = self.partly.pop(descriptor, b"") + data
        end = data.find(b"\r\n\r\n") + 4
        if end < 4 or len(data) < end + _length(data[:end]):
            self.partly[descriptor] = data
        else:
            self._answer(descriptor, data, end)

    def _answer(self, descriptor: int, data: bytes, end: int) -> None:
        if data.startswith(b"POST"):
            self.count += 1
            if data.startswith(b"POST /probe"):
                start = data.find(OBJECT, end) + len(OBJECT)
                self.arrived[data[start : data.index(b",", start)].decode().strip('"')] = time.monotonic()
            if self.delay:
                self.late.append((time.monotonic() + self.delay, descriptor))
            else:
                self._say(descriptor, OK)
        else:
            answer = json.dumps(self.arrived if data.startswith(b"GET /arrived") else self.count).encode()
            self._say(descriptor, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))

    def _say(self, descriptor: int, answer: bytes) -> None:
        connection = self.open.get(descriptor)
        if connection is not None:
            connection.sendall(answer)


def _length(head: bytes) -> int:
    start = head.lower().find(LENGTH)
    return int(head[start + len(LENGTH) : head.index(b"\r", start)]) if start >= 0 else 0


if __name__ == "__main__":
    receiver = Receiver(int(sys.argv[1]), float(sys.argv[2]))
    print(json.dumps([listening.getsockname()[1] for listening in receiver.sockets.values()]), flush=True)
    receiver.serve()

"""A receiver that is quicker than any sender: it counts requests, answers 200, and says when each came.

python -m benchmarks.receiver PORT [--times FILE]
"""

from __future__ import annotations

import asyncio
import sys
import time

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Counting(asyncio.Protocol):
    """Reads no more of HTTP than the length of the body."""

    arrived: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.buffer = b""

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.buffer) < end + 4 + length:
                return
            if head.startswith(b"get /times"):
                body = "\n".join(map(repr, self.arrived)).encode()
                self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            else:
                self.arrived.append(time.monotonic())
                self.transport.write(ANSWER)
            self.buffer = self.buffer[end + 4 + length :]


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Counting, "127.0.0.1", port, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))

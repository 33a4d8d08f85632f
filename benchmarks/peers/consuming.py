"""A no-op consumer of FastStream or of taskiq, in the benchmark's own environment, without Django.

python -m benchmarks.peers.consuming faststream|taskiq URL STREAM COUNT

Writes COUNT messages of 1 KiB, each in its system's own form, and prints the CPU microseconds for each to a no-op.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

EVENT: dict[str, Any] = {"specversion": "1.0", "type": "bench.vehicle.created", "data": {"plan": "x" * 880}}
AT_ONCE = 500


class Count:
    """Counts calls, and the CPU time from the first tenth of them to the last."""

    def __init__(self, count: int) -> None:
        self.count, self.seen, self.began, self.cpu = count, 0, 0.0, 0.0
        self.done = asyncio.Event()

    def one(self) -> None:
        self.seen += 1
        if self.seen == self.count // 10:
            self.began = time.process_time()
        if self.seen == self.count:
            self.cpu = (time.process_time() - self.began) / (self.count - self.count // 10) * 1e6
            self.done.set()


async def faststream(url: str, stream: str, counted: Count) -> None:
    import redis.asyncio
    from faststream.redis import RedisBroker, StreamSub

    client = redis.asyncio.Redis.from_url(url)
    await client.xgroup_create(stream, "bench", "0", mkstream=True)
    for start in range(0, counted.count, AT_ONCE):
        pipe = client.pipeline(transaction=False)
        for number in range(start, start + AT_ONCE):
            pipe.xadd(stream, {"__data__": json.dumps({**EVENT, "id": str(number)})})
        await pipe.execute()
    broker = RedisBroker(url, logger=None)

    @broker.subscriber(stream=StreamSub(stream, group="bench", consumer="one", max_records=100))
    async def noop(_event: dict[str, Any]) -> None:
        counted.one()

    async with broker:
        await broker.start()
        await counted.done.wait()


async def taskiq(url: str, stream: str, counted: Count) -> None:
    from taskiq.api import run_receiver_task
    from taskiq_redis import RedisStreamBroker

    broker = RedisStreamBroker(url, queue_name=stream, consumer_id="0")

    @broker.task
    async def noop(_event: dict[str, Any]) -> None:
        counted.one()

    await broker.startup()
    for number in range(counted.count):
        await noop.kiq({**EVENT, "id": str(number)})
    running = asyncio.create_task(run_receiver_task(broker))
    await counted.done.wait()
    running.cancel()
    await broker.shutdown()


async def main() -> None:
    who, url, stream, count = sys.argv[1:]
    counted = Count(int(count))
    await {"faststream": faststream, "taskiq": taskiq}[who](url, stream, counted)
    print(json.dumps(counted.cpu))


if __name__ == "__main__":
    asyncio.run(main())

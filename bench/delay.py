"""A proxy that keeps every request back for a while, as a long way to the store would.

Job: its `port`, the port that it forwards `to`, and `milliseconds`.

A delay line for each connection: whatever comes from the client goes on so much later, in its order, however much is
on its way. Answers go back at once. It ends with its standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from typing import Any

from bench import sockets
from devstack.ports import HOST


class _Upstream(asyncio.Protocol):
    """The connection to the server, made with the client's."""

    def __init__(self, client: asyncio.WriteTransport) -> None:
        self._client = client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        sockets.no_delay(transport)

    def data_received(self, data: bytes) -> None:
        self._client.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._client.close()


class _Client(asyncio.Protocol):
    def __init__(self, to: int, seconds: float) -> None:
        self._to, self._seconds = to, seconds
        self._early: list[bytes] = []  # due before the server's side was there
        self._upstream: asyncio.WriteTransport | None = None
        self._gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        sockets.no_delay(transport)
        self._transport: Any = transport
        self._loop = asyncio.get_running_loop()
        self._connecting = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        try:
            made, _ = await self._loop.create_connection(lambda: _Upstream(self._transport), HOST, self._to)
        except OSError:
            self._transport.close()
            return
        if self._gone:
            made.close()
            return
        for data in self._early:
            made.write(data)
        self._upstream = made

    def data_received(self, data: bytes) -> None:
        self._loop.call_later(self._seconds, self._pass_on, data)

    def _pass_on(self, data: bytes) -> None:
        if self._upstream is None:
            self._early.append(data)
        else:
            self._upstream.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._gone = True
        if self._upstream is not None:
            self._loop.call_later(self._seconds, self._upstream.close)


async def serve(job: dict[str, Any]) -> None:
    loop = asyncio.get_running_loop()
    seconds = job["milliseconds"] / 1000
    server = await loop.create_server(lambda: _Client(job["to"], seconds), HOST, job["port"], backlog=1024)
    print("{}", flush=True)
    # Only the bench holds the other end: it closes when the bench ends, however that comes about.
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        sockets.run(serve(json.loads(sys.argv[1])))

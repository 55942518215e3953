"""A server on loopback in the place of a store, or in front of one: what the bench's and the tests' are built on."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from devstack.http_messages import END, Connection, Messages, run
from devstack.ports import HOST


class Requests(Connection):
    """A client's connection, cut into requests."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._messages = Messages()
        self._continued = False

    def data_received(self, data: bytes) -> None:
        for head, body in self._messages.feed(data):
            self._continued = False
            self.asked(head, body)
        if not self._continued and b"expect: 100-continue" in self._messages.begun.lower():
            self._continued = True
            self.transport.write(b"HTTP/1.1 100 Continue" + END)

    @abstractmethod
    def asked(self, head: bytes, body: bytes) -> None:
        """One request has come whole. Answers go out by `transport`, in the order of the requests."""


async def listen(accept: Callable[[], Connection], port: int, tls: ssl.SSLContext | None = None) -> asyncio.Server:
    """:param port: 0: any that is free."""
    return await asyncio.get_running_loop().create_server(accept, HOST, port, backlog=1024, ssl=tls)


def serve(accept: Callable[[dict[str, Any]], Callable[[], Connection]]) -> None:
    """Be a server process: of the job in the first argument, as JSON, on its `port`, to the end of standard input."""

    async def work() -> None:
        job = json.loads(sys.argv[1])
        server = await listen(accept(job), job["port"])
        print("{}", flush=True)
        # Only who started it holds the other end: it closes when that process ends, however that comes about.
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        server.close()

    run(work())

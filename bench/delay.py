"""A proxy that keeps every request back for a while, as a long way to the store would.

Job: its `port`, the port that it forwards `to`, and `milliseconds`.

A delay line for each connection: whatever comes from the client goes on so much later, in its order, however much is
on its way. Answers go back at once. It looks into nothing, so that it costs next to no processor time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from devstack.http_messages import Connection
from devstack.http_server import serve
from devstack.ports import HOST


class _Upstream(Connection):
    """The connection to the server, made with the client's."""

    def __init__(self, client: asyncio.Transport) -> None:
        self._client = client

    def data_received(self, data: bytes) -> None:
        self._client.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._client.close()


class _Client(Connection):
    def __init__(self, job: dict[str, Any]) -> None:
        self._to, self._seconds = job["to"], job["milliseconds"] / 1000

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._loop = asyncio.get_running_loop()
        connecting = self._loop.create_connection(lambda: _Upstream(self.transport), HOST, self._to)
        self._server = self._loop.create_task(connecting)
        self._server.add_done_callback(lambda made: self.transport.close() if made.exception() else None)

    def data_received(self, data: bytes) -> None:
        self._later(lambda server: server.write(data))

    def connection_lost(self, error: Exception | None) -> None:
        self._later(lambda server: server.close())

    def _later(self, do: Callable[[asyncio.Transport], None]) -> None:
        """After the delay, and once the server's side is there."""
        self._loop.call_later(self._seconds, self._server.add_done_callback, lambda made: do(made.result()[0]))


if __name__ == "__main__":
    serve(lambda job: partial(_Client, job))

"""HTTP/1.1 by hand, with as little work as possible: messages cut out of what a connection brings, both ways."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine, Iterator
from typing import Any

import uvloop

END = b"\r\n\r\n"


class Messages:
    """Cuts what comes over one connection into messages (head, body); with a length or chunked."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        self._buffer += data
        while (found := self._next()) is not None:
            yield found

    @property
    def begun(self) -> bytes:
        """The head of a message whose body has not come yet."""
        head, end, _ = self._buffer.partition(END)
        return bytes(head) if end else b""

    def _next(self) -> tuple[bytes, bytes] | None:
        end = self._buffer.find(END)
        if end < 0:
            return None
        head, first = bytes(self._buffer[:end]), end + len(END)
        fields = head.lower()
        if b"transfer-encoding: chunked" in fields:
            last = self._buffer.find(b"0" + END, first)
            if last < 0:
                return None
            length, beyond = last - first, last + 1 + len(END)
        else:
            _, found, rest = fields.partition(b"content-length:")
            length = int(rest.partition(b"\r\n")[0]) if found else 0
            beyond = first + length
        if len(self._buffer) < beyond:
            return None
        body = bytes(self._buffer[first : first + length])
        del self._buffer[:beyond]
        return head, body


class Connection(asyncio.Protocol):
    """One end of a connection; small writes are sent at once."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        connected = transport.get_extra_info("socket")
        if connected is not None:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run it to its end, in uvloop's faster loop."""
    return uvloop.run(work)

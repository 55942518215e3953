"""HTTP with as little work as possible: what a server can do is not to be hidden by its client."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine, Iterable
from typing import Any
from urllib.parse import urlsplit

# No answer that long is in order: whatever hangs is to end with a message.
ANSWER_TIMEOUT = 60.0

Took = Callable[[int, bytes], None]


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run it to its end, in uvloop's faster loop where there is one."""
    loop = _new_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.close()


def _new_loop() -> asyncio.AbstractEventLoop:
    with contextlib.suppress(ImportError):
        import uvloop

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()


def address(endpoint_url: str) -> tuple[str, int]:
    url = urlsplit(endpoint_url)
    return url.hostname or "", url.port or 80


def no_delay(transport: asyncio.BaseTransport) -> None:
    """Send small writes at once."""
    connected = transport.get_extra_info("socket")
    if connected is not None:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Answers:
    """Cuts what comes over one connection into answers (status, body); with a length or chunked."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterable[tuple[int, bytes]]:
        self._buffer += data
        while (found := self._next()) is not None:
            yield found

    def _next(self) -> tuple[int, bytes] | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = bytes(self._buffer[:end]).lower()
        status, first = int(head[9:12]), end + 4
        if b"transfer-encoding: chunked" in head:
            last = self._buffer.find(b"0\r\n\r\n", first)
            if last < 0:
                return None
            length, beyond = last - first, last + 5
        else:
            _, found, rest = head.partition(b"content-length:")
            length = int(rest.partition(b"\r\n")[0]) if found else 0
            beyond = first + length
        if len(self._buffer) < beyond:
            return None
        body = bytes(self._buffer[first : first + length])
        del self._buffer[:beyond]
        return status, body


async def send_all(endpoint_url: str, requests: Iterable[bytes], connections: int, took: Took) -> None:
    """Send every request over so many kept connections, each as soon as the one before it was answered.

    :raises TimeoutError: no answer came for a minute.
    :raises ConnectionError: the server hung up.
    """
    waiting = iter(requests)
    host, port = address(endpoint_url)
    loop = asyncio.get_running_loop()
    senders = [_Sender(waiting, took, loop.create_future()) for _ in range(connections)]
    await asyncio.gather(*(loop.create_connection(lambda s=sender: s, host, port) for sender in senders))  # type: ignore[misc]
    ends = [sender.done for sender in senders]
    try:
        answered = -1
        while pending := [end for end in ends if not end.done()]:
            await asyncio.wait(pending, timeout=ANSWER_TIMEOUT, return_when=asyncio.FIRST_EXCEPTION)
            for end in ends:
                if end.done():
                    end.result()
            now = sum(sender.answered for sender in senders)
            if now == answered and pending:
                raise TimeoutError(f"{endpoint_url} has not answered for {ANSWER_TIMEOUT:.0f} s")
            answered = now
    finally:
        for sender in senders:
            sender.close()


class _Sender(asyncio.Protocol):
    def __init__(self, waiting: Iterable[bytes], took: Took, done: asyncio.Future[None]) -> None:
        self._waiting, self._took, self.done = iter(waiting), took, done
        self._answers = Answers()
        self.answered = 0
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        no_delay(transport)
        self._transport = transport  # type: ignore[assignment]
        self._send()

    def data_received(self, data: bytes) -> None:
        for status, body in self._answers.feed(data):
            self.answered += 1
            try:
                self._took(status, body)
            except Exception as error:
                if not self.done.done():
                    self.done.set_exception(error)
                return
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the server hung up"))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _send(self) -> None:
        request = next(iter(self._waiting), None)
        if request is None:
            if not self.done.done():
                self.done.set_result(None)
        elif self._transport is not None:
            self._transport.write(request)

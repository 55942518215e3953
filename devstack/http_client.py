"""Signed S3 requests over plain sockets: what a server can do is not hidden by the work of its client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from devstack.http_messages import END, Connection, Messages

# No answer that long is in order: whatever hangs is to end with a message.
ANSWER_TIMEOUT = 60.0

Took = Callable[[int, bytes], None]


@dataclass(frozen=True)
class Signer:
    """Who asks, and which region."""

    access_key: str
    secret_key: str
    region: str

    def sign(self, method: str, url: str, headers: dict[str, str], body: bytes = b"") -> dict[str, str]:
        """The headers, with those of the signature."""
        request = AWSRequest(method, url, headers, body)
        S3SigV4Auth(Credentials(self.access_key, self.secret_key), "s3", self.region).add_auth(request)
        return {name: str(value) for name, value in request.headers.items()}

    def put(self, endpoint_url: str, bucket: str, key: str, headers: dict[str, str], body: bytes = b"") -> bytes:
        """A PUT as it goes over the wire."""
        path = quote(f"/{bucket}/{key}")
        signed = self.sign("PUT", endpoint_url + path, headers, body)
        lines = [f"PUT {path} HTTP/1.1", f"Host: {urlsplit(endpoint_url).netloc}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in signed.items()]
        return "\r\n".join(lines).encode() + END + body


async def send_all(
    endpoint_url: str, requests: Iterable[bytes], connections: int, took: Took, *, tries: int = 1
) -> None:
    """Send every request over so many kept connections, each as soon as the one before it was answered.

    :param took: is told status and body of each answer; what it raises ends everything.
    :param tries: how often one is sent where the server is busy (500 and above) or hangs up.
    :raises TimeoutError: no answer came for a minute.
    :raises OSError: the server cannot be reached, or hung up.
    """
    waiting = iter(requests)
    senders = [_Sender(endpoint_url, waiting, took, tries) for _ in range(connections)]
    ends = [sender.done for sender in senders]
    try:
        await asyncio.gather(*(sender.connect() for sender in senders))
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


class _Sender(Connection):
    """One connection, and what is sent over it."""

    def __init__(self, endpoint_url: str, waiting: Iterator[bytes], took: Took, tries: int) -> None:
        self._url, self._waiting, self._took, self._tries = urlsplit(endpoint_url), waiting, took, tries
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[None] = self._loop.create_future()
        self.answered = 0
        self._request: bytes | None = None  # not answered yet
        self._tried = 0

    async def connect(self) -> None:
        secure = self._url.scheme == "https"
        host, port = self._url.hostname or "", self._url.port or (443 if secure else 80)
        await self._loop.create_connection(lambda: self, host, port, ssl=secure or None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._messages = Messages()
        self._send()

    def data_received(self, data: bytes) -> None:
        for head, body in self._messages.feed(data):
            status = int(head[9:12])
            if status >= 500 and self._may_try_again():
                self._loop.call_later(self._pause, self._send)
                continue
            self.answered += 1
            self._request = None
            try:
                self._took(status, body)
            except Exception as error:
                self._end(error)
                return
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if self.done.done():
            return
        if self._may_try_again():
            self._loop.call_later(self._pause, lambda: self._loop.create_task(self._connect_again()))
        else:
            self._end(error or ConnectionError("the server hung up"))

    def close(self) -> None:
        self._end()
        if transport := getattr(self, "transport", None):
            transport.close()

    def _send(self) -> None:
        if self._request is None:
            self._request, self._tried = next(self._waiting, None), 0
        if self._request is None:
            self._end()
        elif not self.transport.is_closing():
            self._tried += 1
            self.transport.write(self._request)

    def _may_try_again(self) -> bool:
        return self._tried < self._tries

    @property
    def _pause(self) -> float:
        return float(0.1 * 2**self._tried)

    async def _connect_again(self) -> None:
        try:
            await self.connect()
        except OSError as error:
            self._end(error)

    def _end(self, error: Exception | None = None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)

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
    waiting, answered = iter(requests), 0

    def count(status: int, body: bytes) -> None:
        nonlocal answered
        answered += 1
        took(status, body)

    pending = {asyncio.ensure_future(_send(endpoint_url, waiting, count, tries)) for _ in range(connections)}
    try:
        while pending:
            before = answered
            ended, pending = await asyncio.wait(pending, timeout=ANSWER_TIMEOUT, return_when=asyncio.FIRST_EXCEPTION)
            for sender in ended:
                sender.result()
            if pending and answered == before:
                raise TimeoutError(f"{endpoint_url} has not answered for {ANSWER_TIMEOUT:.0f} s")
    finally:
        for sender in pending:
            sender.cancel()
        await asyncio.gather(*pending, return_exceptions=True)


async def _send(endpoint_url: str, waiting: Iterator[bytes], took: Took, tries: int) -> None:
    """Over one connection; over a new one where the server hung up."""
    url = urlsplit(endpoint_url)
    host, port = url.hostname or "", url.port or (443 if url.scheme == "https" else 80)
    loop, secure = asyncio.get_running_loop(), url.scheme == "https" or None
    _, connection = await loop.create_connection(_Asking, host, port, ssl=secure)
    try:
        for request in waiting:
            for tried in range(1, tries + 1):
                try:
                    if connection.transport.is_closing():
                        _, connection = await loop.create_connection(_Asking, host, port, ssl=secure)
                    status, body = await connection.ask(request)
                    if status < 500 or tried == tries:
                        break
                except OSError:
                    if tried == tries:
                        raise
                await asyncio.sleep(0.1 * 2**tried)
            took(status, body)
    finally:
        connection.transport.close()


class _Asking(Connection):
    """One connection: a request, then its answer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._messages = Messages()
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    def ask(self, request: bytes) -> asyncio.Future[tuple[int, bytes]]:
        """:raises ConnectionError: the server hung up."""
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        for head, body in self._messages.feed(data):
            if self._answer and not self._answer.done():
                self._answer.set_result((int(head[9:12]), body))

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(error or ConnectionError("the server hung up"))

"""A child that lists one page after the other. Job: `port`, `bucket`, and `how`.

`raw` reads each page and drops it, the least that anyone can do; `boto3` takes it apart, as a plain script would.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from urllib.parse import quote

from include.local.awkward import LEGACY
from include.local.bench.child import Job, serve
from include.local.bench.clients import client
from include.local.ports import HOST

_TOKEN, _COUNT = (b"<NextContinuationToken>", b"</NextContinuationToken>"), (b"<KeyCount>", b"</KeyCount>")


def prepare(job: Job) -> Callable[[], Job]:
    if job["how"] == "raw":
        return lambda: {"keys": _raw(job["port"], job["bucket"])}
    endpoint = {"endpoint": f"http://{HOST}:{job['port']}", "access_key": "any", "secret_key": "any"}
    pages = client(endpoint).get_paginator("list_objects_v2").paginate(Bucket=job["bucket"], Prefix=LEGACY)
    return lambda: {"keys": sum(len(page.get("Contents", [])) for page in pages)}


def _raw(port: int, bucket: str) -> int:
    target, keys = f"/{bucket}?list-type=2&prefix={quote(LEGACY, safe='')}", 0
    token: bytes | None = b""
    buffer = bytearray(1024 * 1024)
    with socket.create_connection((HOST, port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while token is not None:
            more = f"&continuation-token={quote(token, safe='')}" if token else ""
            connection.sendall(f"GET {target}{more} HTTP/1.1\r\nHost: {HOST}:{port}\r\n\r\n".encode())
            start = _read(connection, buffer)
            keys += int(_between(start, _COUNT) or 0)
            token = _between(start, _TOKEN)
    return keys


def _read(connection: socket.socket, buffer: bytearray) -> bytes:
    """Read one answer; answers its start, in which all that is needed stands."""
    start, length = b"", None
    got = 0
    while length is None or got < length:
        read = connection.recv_into(buffer)
        if not read:
            raise ConnectionError("the server hung up")
        got += read
        if length is None:
            start += bytes(buffer[: min(read, 4096)])
            head, found, _ = start.partition(b"\r\n\r\n")
            if found:
                said = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
                length = len(head) + len(found) + int(said)
    return start


def _between(text: bytes, tags: tuple[bytes, bytes]) -> bytes | None:
    _, found, rest = text.partition(tags[0])
    return rest.partition(tags[1])[0] if found else None


if __name__ == "__main__":
    serve(prepare)

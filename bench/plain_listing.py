"""A child that lists a bucket in one of several ways. Job: `port`, `bucket`, `access_key`, `secret_key` and `how`.

One page after the other: `raw` reads each and drops it, the least that anyone can do (unsigned: only the stub answers);
`receipt` does so with our own client; `boto3` takes it apart, as a plain script would. `lanes` is ours, without ledger.
"""

from __future__ import annotations

import gc
import json
import os
import socket
from collections.abc import Callable
from html import unescape
from typing import cast
from urllib.parse import quote

from bench.child import Job, serve
from bench.clients import client
from devstack.awkward import LEGACY
from devstack.ports import HOST
from devstack.s3 import REGION
from s3_migration.s3.hook import BulkS3Hook
from s3_migration.s3.transport import CrtTransport

_TOKEN, _COUNT = (b"<NextContinuationToken>", b"</NextContinuationToken>"), (b"<KeyCount>", b"</KeyCount>")


def prepare(job: Job) -> Callable[[], Job]:
    bucket = job["bucket"]
    if job["how"] == "raw":
        return lambda: {"keys": _raw(job["port"], bucket)}
    job = {"endpoint": f"http://{HOST}:{job['port']}", "access_key": "any", "secret_key": "any", **job}
    if job["how"] == "boto3":
        pages = client(job).get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=LEGACY)
        return lambda: {"keys": sum(len(page.get("Contents", [])) for page in pages)}
    hook = _hook(job)
    hook.transport.list_page(bucket, LEGACY, "\uffff")  # the clients are made, and a connection
    if job["how"] == "receipt":
        return lambda: {"keys": _receipt(hook, bucket)}
    gc.freeze()  # as every step does
    return lambda: {"keys": sum(len(page) for page in hook.list_objects(bucket, LEGACY))}


def _hook(job: Job) -> BulkS3Hook:
    extra = {"endpoint_url": job["endpoint"], "region_name": REGION}
    connection = {"conn_type": "aws", "login": job["access_key"], "password": job["secret_key"], "extra": extra}
    os.environ["AIRFLOW_CONN_LISTED"] = json.dumps(connection)
    return BulkS3Hook("listed")


def _receipt(hook: BulkS3Hook, bucket: str) -> int:
    """The pages as they come, counted and dropped."""
    token: bytes | None = b""
    keys = 0
    while token is not None:
        query = f"encoding-type=url&list-type=2&prefix={quote(LEGACY, safe='')}"
        query += f"&continuation-token={quote(unescape(token.decode()), safe='')}" if token else ""
        answer = cast("CrtTransport", hook.transport).client.ask("ListObjectsV2", "GET", bucket, "", query=query)
        keys += answer.body.count(b"<Key>")
        token = _between(answer.body, _TOKEN)
    return keys


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

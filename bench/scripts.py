"""Children that work as the scripts do that people write with boto3; keys and region come with the environment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import boto3
import psycopg
from botocore.config import Config

from bench.child import Work
from devstack.awkward import LEGACY, PRODUCTION

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

THREADS = 32


def threads(endpoint: str, source: str, bucket: str) -> Work:
    """Copy all, with many threads."""
    s3 = boto3.client("s3", endpoint_url=endpoint, config=Config(max_pool_connections=THREADS))

    def work() -> None:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=source, Prefix=LEGACY)
        with ThreadPoolExecutor(THREADS) as pool:
            for page in pages:
                list(pool.map(partial(_copy, s3, source, bucket), (entry["Key"] for entry in page.get("Contents", []))))

    return work


def one_by_one(endpoint: str, source: str, bucket: str, database: str, sample: int) -> Work:
    """Move the first objects and their rows, as the seed of this project did."""
    s3, rows = boto3.client("s3", endpoint_url=endpoint), psycopg.connect(database, autocommit=True)

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

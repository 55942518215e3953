"""A child that copies as most scripts do: boto3, 32 threads, one copy_object each.

Job: `endpoint`, `access_key`, `secret_key`, `source`, `bucket`, `objects`.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from bench.child import Job, serve
from bench.clients import client
from devstack.awkward import LEGACY, PRODUCTION

THREADS = 32


def prepare(job: Job) -> Callable[[], None]:
    s3 = client(job, THREADS)

    def copy(key: str) -> None:
        s3.copy_object(
            Bucket=job["bucket"],
            Key=PRODUCTION + key.removeprefix(LEGACY),
            CopySource={"Bucket": job["source"], "Key": key},
        )

    def work() -> None:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=job["source"], Prefix=LEGACY)
        with ThreadPoolExecutor(THREADS) as pool:
            for page in pages:
                list(pool.map(copy, [entry["Key"] for entry in page.get("Contents", [])]))

    return work


if __name__ == "__main__":
    serve(prepare)

"""The boto3 client of the scripts that ours is measured against."""

from __future__ import annotations

from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from bench.child import Job
from devstack.s3 import REGION

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def client(job: Job, connections: int = 1) -> S3Client:
    return boto3.client(
        "s3",
        endpoint_url=job["endpoint"],
        aws_access_key_id=job["access_key"],
        aws_secret_access_key=job["secret_key"],
        region_name=REGION,
        config=Config(s3={"addressing_style": "path"}, max_pool_connections=connections),
    )

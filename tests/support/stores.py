"""Two buckets behind a proxy that breaks things, and the hook under test as Airflow connects it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import pytest
from botocore import retryhandler

from devstack.http_client import Signer
from devstack.s3 import REGION
from s3_migration.model.declaration import Engine
from s3_migration.model.objects import S3Object, Version
from s3_migration.s3.hook import BulkS3Hook
from s3_migration.s3.types import Copy, CopyResult, DeleteResult, Deletions
from tests.support.connections import client, connect_s3
from tests.support.many import delete_many, put_many
from tests.support.proxy import Proxy

KEY, TARGET = "image/a.png", "avatar/a.png"
MIB = 1024 * 1024
LARGE = b"x" * (MIB + 1)  # for `of_parts`

# Of the hook's client: every request is sent this often before it fails.
ATTEMPTS = 6


@dataclass
class Stores:
    """Two buckets; the hook under test as Airflow connects it, and an administrator's client beside it."""

    legacy: str
    production: str
    s3: Any
    proxy: Proxy
    identity: str = "migrator"
    options: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def hook(self) -> BulkS3Hook:
        return self.connect(self.identity, **self.options)

    def put(self, body: bytes = b"body", key: str = KEY, **kwargs: Any) -> Version:
        """Write into legacy."""
        etag = self.s3.put_object(Bucket=self.legacy, Key=key, Body=body, **kwargs)["ETag"]
        return Version(len(body), etag.strip('"'))

    def put_many(self, keys: list[str]) -> None:
        """Write into legacy, each key with itself as its body."""
        put_many(self.s3.meta.endpoint_url, Signer("admin", "secret", REGION), self.legacy, keys)

    def put_target(self, body: bytes, key: str = TARGET) -> Version:
        """Write into production."""
        etag = self.s3.put_object(Bucket=self.production, Key=key, Body=body)["ETag"]
        return Version(len(body), etag.strip('"'))

    def target(self, key: str = TARGET) -> bytes | None:
        """What production holds."""
        try:
            return bytes(self.s3.get_object(Bucket=self.production, Key=key)["Body"].read())
        except self.s3.exceptions.NoSuchKey:
            return None

    def list(self, bucket: str, prefix: str = "") -> dict[str, S3Object]:
        return {entry.key: entry for page in self.hook.list_objects(bucket, prefix) for entry in page}

    def copy_all(self, *copies: Copy) -> list[CopyResult]:
        return list(self.hook.copy_objects(self.legacy, self.production, copies))

    def copy(self, version: Version, replaces: str | None = None, target: str = TARGET) -> CopyResult:
        (result,) = self.copy_all(Copy(KEY, target, version, replaces))
        return result

    def delete(self, *versions: tuple[str, str], seconds: float = 60) -> dict[str, DeleteResult]:
        return {result.key: result for result in self.deletions(*versions, seconds=seconds).results}

    def deletions(self, *versions: tuple[str, str], seconds: float = 60) -> Deletions:
        return self.hook.delete_versions(self.legacy, versions, time.monotonic() + seconds)

    def of_parts(self) -> Stores:
        """The same, whose copies of more than a megabyte are made of parts of 5 MiB, the least that S3 allows."""
        return replace(self, options={**self.options, "copy_limit": MIB, "part_size": 5 * MIB})

    def uploads(self) -> list[Any]:
        """Unfinished ones, in production."""
        return list(self.s3.list_multipart_uploads(Bucket=self.production).get("Uploads", []))

    def drop(self, key: str = KEY) -> None:
        self.s3.delete_object(Bucket=self.legacy, Key=key)

    def empty(self) -> None:
        """As new: buckets are dear to make, so the tests share them."""
        self.proxy.heal()
        for bucket in (self.legacy, self.production):
            pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
            delete_many(self.s3, bucket, [entry["Key"] for page in pages for entry in page.get("Contents", [])])
        self.proxy.clear()
        self.hook.take_requests()

    def connect(self, identity: str = "migrator", **options: Any) -> BulkS3Hook:
        """A hook as Airflow connects it, which makes every retry and waits for none."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(retryhandler, "delay_exponential", lambda *args, **kwargs: 0)
            connect_s3(patch, self.proxy.endpoint_url, identity)
            hook = BulkS3Hook("legacy_s3", **options)
            assert hook.client
        return hook


@contextmanager
def made_stores(endpoint_url: str, engine: Engine) -> Iterator[Stores]:
    name, admin = secrets.token_hex(4), client(endpoint_url)
    with Proxy(endpoint_url) as proxy:
        stores = Stores(f"legacy-{name}", f"production-{name}", admin, proxy, options={"engine": engine})
        for bucket in (stores.legacy, stores.production):
            admin.create_bucket(Bucket=bucket)
        yield stores
        stores.empty()
        stores.hook.close()
        # Each bucket keeps volumes of the store to itself.
        for bucket in (stores.legacy, stores.production):
            admin.delete_bucket(Bucket=bucket)

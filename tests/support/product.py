"""A product to be moved: its declaration, its two buckets and its table."""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from devstack import product
from devstack.http_client import Signer
from devstack.postgres import Postgres
from devstack.s3 import REGION, SeaweedFS
from s3_migration.model.declaration import Declaration

from .connections import client, connect_database, connect_s3, kept_sessions
from .databases import made_database
from .many import delete_many, put_many


def declare(legacy: str = "legacy-s3", production: str = "production-s3", **fields: Any) -> Declaration:
    """A declaration as in include/migrations/avatars.yaml, small and without a grace period."""
    return Declaration.model_validate(product.declare(legacy, production, **{"retries": 0, **fields}))


@dataclass
class Product:
    """One company's avatars: two buckets and a table, as an administrator sees them."""

    declaration: Declaration
    s3: Any
    database: psycopg.Connection[tuple[Any, ...]]
    endpoint_url: str
    database_uri: str
    connections: dict[str, str] = field(default_factory=dict)

    def put(self, side: str, key: str, body: bytes = b"x", **kwargs: Any) -> str:
        """Write an object into `legacy` or `production`; answers its ETag without quotes."""
        answer = self.s3.put_object(Bucket=self.bucket(side), Key=key, Body=body, **kwargs)
        return str(answer["ETag"]).strip('"')

    def put_many(self, side: str, keys: Sequence[str]) -> None:
        """Each with its key as its body, with a third of the work."""
        put_many(self.endpoint_url, self.signer, self.bucket(side), keys)

    @property
    def signer(self) -> Signer:
        """The administrator's."""
        return Signer("admin", "secret", REGION)

    def bucket(self, side: str) -> str:
        return str(getattr(self.declaration, side).bucket)

    def objects(self, side: str) -> dict[str, str]:
        """ETag by key, of all the bucket."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket(side))
        return {entry["Key"]: entry["ETag"].strip('"') for page in pages for entry in page.get("Contents", [])}

    def remove(self, side: str, *keys: str) -> None:
        for key in keys:
            self.s3.delete_object(Bucket=self.bucket(side), Key=key)

    def empty(self, side: str) -> None:
        held = self.objects(side)
        delete_many(self.s3, self.bucket(side), held)
        # The server keeps their folders, and lets no object be copied to where one is if nothing may be there.
        folders = {key[: at + 1] for key in held for at, letter in enumerate(key) if letter == "/"}
        for folder in sorted(folders, key=len, reverse=True):
            if folder.count("/") > 1:
                self.s3.delete_object(Bucket=self.bucket(side), Key=folder)
        for upload in self.s3.list_multipart_uploads(Bucket=self.bucket(side)).get("Uploads", []):
            self.s3.abort_multipart_upload(Bucket=self.bucket(side), Key=upload["Key"], UploadId=upload["UploadId"])

    def body(self, side: str, key: str) -> bytes:
        return bytes(self.s3.get_object(Bucket=self.bucket(side), Key=key)["Body"].read())

    def row(self, *paths: str | None) -> None:
        self.database.cursor().executemany("INSERT INTO avatars (path) VALUES (%s)", [(path,) for path in paths])

    def rows(self) -> list[str | None]:
        """All paths, in the order of their ids."""
        return [path for (path,) in self.database.execute("SELECT path FROM avatars ORDER BY id")]

    def sql(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        cursor = self.database.execute(text, values or None)
        return cursor.fetchall() if cursor.description else []

    def problems(self) -> dict[str, str | None]:
        return dict(self.sql("SELECT legacy_key, problem FROM s3_migration.ledger"))  # type: ignore[arg-type]

    def seed(self, *keys: str) -> None:
        """An object in legacy with a body of its own, and its row."""
        for key in keys:
            self.put("legacy", key, f"body of {key}".encode())
        self.row(*keys)


# Pairs of buckets, emptied, of each store: the first object of a new bucket waits 0.2 s for volumes of its own, and a
# store has only so many of them.
_emptied: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)


@contextmanager
def made_product(postgres: Postgres, s3: SeaweedFS, monkeypatch: pytest.MonkeyPatch) -> Iterator[Product]:
    """An empty product; Airflow's connections (by environment) are the migrator's, with the shipped rights.

    Whoever changes a bucket itself (its policy, its versions) changes it back.
    """
    admin, free = client(s3.endpoint_url), _emptied[s3.endpoint_url]
    pair = free.pop(0) if free else _new_buckets(admin)
    with made_database(postgres) as connection, kept_sessions(monkeypatch):
        name = connection.info.dbname
        made = Product(declare(*pair), admin, connection, s3.endpoint_url, postgres.dsn(name))
        connect_s3(monkeypatch, s3.endpoint_url)
        connect_database(monkeypatch, postgres.port, name)
        yield made
    for side in ("legacy", "production"):
        made.empty(side)
    free.append(pair)


def _new_buckets(admin: Any) -> tuple[str, str]:
    name = secrets.token_hex(4)
    pair = f"legacy-{name}", f"production-{name}"
    for bucket in pair:
        admin.create_bucket(Bucket=bucket)
    return pair

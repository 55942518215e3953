"""What only a look before and one after a move can tell: nothing that was not to change was changed, and no content.

What is whole now, `python -m s3_migration verify` tells. Own listing and SQL here too, nothing of the ledger's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from psycopg import Connection, sql

from s3_migration.model.declaration import Declaration
from s3_migration.model.key_mapping import KeyMapping
from s3_migration.model.reference import Reference

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


# A reference, the row's id, and the place in its array.
Place = tuple[Reference, int, int]


@dataclass(frozen=True)
class World:
    """All there is: content (MD5) by key of both buckets, and each path of the rows by where it stands."""

    legacy: dict[str, str]
    production: dict[str, str]
    rows: dict[Place, str | None]


def look(declaration: Declaration, s3: S3Client, database: Connection[Any]) -> World:
    """Take the whole world down, as an administrator."""
    rows = {place: path for reference in declaration.references for place, path in _paths(database, reference)}
    return World(_contents(s3, declaration.legacy.bucket), _contents(s3, declaration.production.bucket), rows)


def _paths(database: Connection[Any], reference: Reference) -> Iterator[tuple[Place, str | None]]:
    table, column = sql.Identifier(reference.schema, reference.table), sql.Identifier(reference.column)
    for number, value in database.execute(sql.SQL("SELECT id, {} FROM {}").format(column, table)):
        for place, path in enumerate(value if reference.array else [value]):
            yield (reference, number, place), path


def _contents(s3: S3Client, bucket: str) -> dict[str, str]:
    found = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for entry in page.get("Contents", []):
            etag = entry["ETag"].strip('"')
            if "-" in etag:  # of a multipart upload: not the MD5 of the content
                body = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
                etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
            found[entry["Key"]] = etag
    return found


def broken_promises(keys: KeyMapping, before: World, after: World, *, moved: bool = True) -> list[str]:
    """What a whole move of a quiet product without conflicts should have done, and did not.

    :param moved: False after a mode that deletes nothing.
    """
    return [*_objects(keys, before, after, moved), *_rows(before, after)]


def _objects(keys: KeyMapping, before: World, after: World, moved: bool) -> Iterator[str]:
    for key, content in before.legacy.items():
        if not key.startswith(keys.legacy_prefix):
            if after.legacy.get(key) != content:
                yield f"legacy {key!r} is none of ours and was changed"
            continue
        if after.production.get(keys.production_key(key)) != content:
            yield f"legacy {key!r}: production does not hold its content"
        if moved and key in after.legacy:
            yield f"legacy {key!r} is still there"
    for key in after.legacy.keys() - before.legacy.keys():
        yield f"legacy {key!r} appeared"

    for key, content in before.production.items():
        if after.production.get(key) != content:
            yield f"production {key!r} was there before and was changed"


def _rows(before: World, after: World) -> Iterator[str]:
    if before.rows.keys() != after.rows.keys():
        yield "rows were added or removed"
    for where, path in before.rows.items():
        reference, number, _ = where
        expected, keys = path, reference.keys
        if path is not None and path.startswith(keys.legacy_path_prefix):
            rest = path[len(keys.legacy_path_prefix) :]
            named = unquote(rest) if reference.url_encoded else rest
            copy = keys.production_prefix + named
            if keys.legacy_prefix + named in before.legacy or copy in before.production:
                expected = keys.production_path_prefix + rest
        if after.rows.get(where) != expected:
            yield f"{reference.name} of row {number}: {path!r} became {after.rows.get(where)!r}, expected {expected!r}"

"""Fill the product: `make seed N=1000` puts 1,000 avatars into legacy-s3, and a row for each into the database.

    python -m devstack.seed --objects N [--awkward] [--conflicts]

Goes to the stack that `make up` started (`.local/stack.env`), or to any other S3 where S3_ENDPOINT_URL is set (with
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_DEFAULT_REGION) and any other PostgreSQL where DB_CONN_STRING is set.
May be repeated: what is there stays single, and what has been moved is not brought back.
"""

from __future__ import annotations

import argparse
import os
import shlex
import struct
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError
from tqdm import tqdm

from devstack import awkward
from devstack.awkward import LEGACY, PRODUCTION, SMALLEST_PART, Case
from devstack.environment import reach_loopback_directly
from devstack.errors import LocalError
from devstack.http_client import Signer, send_all
from devstack.http_messages import run
from devstack.product import BUCKETS, TABLE, create_buckets
from devstack.s3 import client_of
from devstack.stack import DIRECTORY

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CONNECTIONS = 16
_ALL_CASES = awkward.GREEN + awkward.CONFLICTS
_LEGACY_BUCKET, _PRODUCTION_BUCKET = BUCKETS
_S3_VARIABLES = ("S3_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION")


@dataclass(frozen=True)
class Target:
    """Where to, and as whom."""

    endpoint_url: str
    access_key: str
    secret_key: str
    region: str
    database: str

    @classmethod
    def find(cls, environment: Mapping[str, str], file: Path = DIRECTORY / "stack.env") -> Target:
        """The environment's S3 (its keys count only together with its endpoint) and database, else the stack's.

        :raises LocalError: neither names them.
        """
        values = dict(token.split("=", 1) for token in shlex.split(file.read_text())) if file.exists() else {}
        if "S3_ENDPOINT_URL" in environment:
            values |= {name: environment[name] for name in _S3_VARIABLES if name in environment}
        if "DB_CONN_STRING" in environment:
            values["DB_CONN_STRING"] = environment["DB_CONN_STRING"]
        needed = (*_S3_VARIABLES, "DB_CONN_STRING")
        if missing := [name for name in needed if name not in values]:
            raise LocalError(f"{', '.join(missing)} not set, and no stack is up ({file}); next: make up")
        return cls(*(values[name] for name in needed))

    def client(self) -> S3Client:
        return client_of(self.endpoint_url, self.access_key, self.secret_key, self.region)

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """:raises LocalError: S3 or PostgreSQL cannot be reached, or refuses."""
        try:
            yield
        except psycopg.Error as error:
            first = str(error).strip().partition("\n")[0]
            raise LocalError(f"PostgreSQL: {first}; is it up, and DB_CONN_STRING right?") from error
        except (ClientError, BotoCoreError) as error:
            raise LocalError(f"S3 at {self.endpoint_url}: {error}; is it up, and are the keys right?") from error


def png(number: int) -> bytes:
    """A valid PNG of one pixel, whose colour is the number."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 16, 6, 0, 0, 0)  # one pixel, 16 bits of red, green, blue and alpha
    pixel = zlib.compress(b"\0" + number.to_bytes(8, "big"))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixel) + chunk(b"IEND", b"")


def seed_avatars(target: Target, database: psycopg.Connection[Any], count: int) -> None:
    """`image/avatar-<n>.png` for n from 1: the objects first, so that no row ever names nothing."""
    rows = database.execute(
        "SELECT n FROM generate_series(1, %s) AS n JOIN avatars ON path = format('%%savatar-%%s.png', %s::text, n)",
        [count, PRODUCTION],
    )
    moved = {number for (number,) in rows}
    if moved:
        print(f"{len(moved):,} of them have been moved already, and stay where they are")
    numbers = [number for number in range(1, count + 1) if number not in moved]
    put_avatars(target, _LEGACY_BUCKET, numbers)
    added = _add_rows(database, (f"{LEGACY}avatar-{number}.png" for number in numbers))
    print(f"{len(numbers):,} objects, {added:,} new rows")


def put_avatars(target: Target, bucket: str, numbers: Sequence[int]) -> None:
    """:raises LocalError: the server refuses, or does not answer."""

    def took(status: int, body: bytes) -> None:
        if status != 200:
            raise OSError(f"{status} {body[:300].decode(errors='replace')}")
        bar.update()

    signer, described = Signer(target.access_key, target.secret_key, target.region), {"Content-Type": "image/png"}
    keys = ((number, f"{LEGACY}avatar-{number}.png") for number in numbers)
    requests = (signer.put(target.endpoint_url, bucket, key, described, png(number)) for number, key in keys)
    with tqdm(total=len(numbers), desc="objects", unit="", disable=None) as bar:
        try:
            run(send_all(target.endpoint_url, requests, _CONNECTIONS, took, tries=5))
        except OSError as error:  # TimeoutError is one
            raise LocalError(f"cannot write to {target.endpoint_url} ({bucket}): {error}") from error


def _add_rows(database: psycopg.Connection[Any], paths: Iterable[str | None]) -> int:
    """Add rows by COPY, as often as a path is given, less the rows that name it already."""
    with database.transaction():
        database.execute("CREATE TEMPORARY TABLE wanted (n serial, path varchar) ON COMMIT DROP")
        with database.cursor().copy("COPY wanted (path) FROM STDIN") as copy:
            for path in paths:
                copy.write_row([path])
        return database.execute(
            """INSERT INTO avatars (path)
               SELECT path
               FROM (SELECT *, row_number() OVER (PARTITION BY path ORDER BY n) AS nth FROM wanted) AS wanted
               LEFT JOIN (SELECT path AS known, count(*) AS rows FROM avatars GROUP BY path) AS there
                   -- An equality of expressions, for a hash join also where the path is NULL.
                   ON coalesce('=' || known, '') = coalesce('=' || path, '')
               WHERE nth > coalesce(rows, 0)
               ORDER BY n"""
        ).rowcount


def seed_awkward(target: Target, database: psycopg.Connection[Any], cases: Iterable[Case]) -> None:
    """The awkward cases that the server can hold, each once: objects first, rows last."""
    s3, transfer = target.client(), TransferConfig(SMALLEST_PART, multipart_chunksize=SMALLEST_PART, use_threads=False)
    there = _awkward_objects(s3)
    new = [case for case in cases if not _is_seeded(database, case, there)]
    for case in tqdm(new, desc="awkward", unit="", disable=None):
        described: dict[str, Any] = {"ContentType": case.content_type, "Metadata": dict(case.metadata)}
        described |= {"Tagging": case.tags} if case.tags else {}
        for bucket, key, body in _objects(case):
            with suppress(ClientError, BotoCoreError):  # whether it holds the key is seen in the listing
                s3.upload_fileobj(BytesIO(body), bucket, key, described, Config=transfer)
    there = _awkward_objects(s3)
    held = [case for case in new if all((bucket, key) in there for bucket, key, _ in _objects(case))]
    left_out = [case for case in new if case not in held]
    of_use = {(bucket, key) for case in _ALL_CASES if case not in left_out for bucket, key, _ in _objects(case)}
    for bucket, key in there - of_use:
        with suppress(ClientError, BotoCoreError):
            s3.delete_object(Bucket=bucket, Key=key)
    for bucket, key in awkward.FOREIGN_OBJECTS:
        s3.put_object(Bucket=bucket, Key=key, Body=b"none of the migration's business")
    paths = [path for case in held for path in case.paths]
    added = _add_rows(database, [*paths, *awkward.FOREIGN_PATHS])
    print(f"{len(held)} awkward cases, {added} new rows")
    if left_out:
        print(f"left out, since this server cannot hold the key: {', '.join(case.name for case in left_out)}")


def _objects(case: Case) -> Iterator[tuple[str, str, bytes]]:
    if case.legacy is not None:
        yield _LEGACY_BUCKET, case.legacy_key, case.legacy
    if case.production is not None:
        yield _PRODUCTION_BUCKET, case.production_key, case.production


def _awkward_objects(s3: S3Client) -> set[tuple[str, str]]:
    """Bucket and key of all that is there: listed together, since asked for by name a server may echo the name."""
    found = set()
    for bucket, prefix in ((_LEGACY_BUCKET, LEGACY), (_PRODUCTION_BUCKET, PRODUCTION)):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix + awkward.DIRECTORY):
            found |= {(bucket, entry["Key"]) for entry in page.get("Contents", [])}
    return found


def _is_seeded(database: psycopg.Connection[Any], case: Case, there: set[tuple[str, str]]) -> bool:
    """Whether the case is there, or was moved since: its rows tell, and without rows the copy in production."""
    if case.rows:
        both = [LEGACY + case.rest, PRODUCTION + case.rest]
        return bool(database.execute("SELECT 1 FROM avatars WHERE path = ANY(%s) LIMIT 1", [both]).fetchone())
    return (_PRODUCTION_BUCKET, case.production_key) in there


def seed(target: Target, *, objects: int, awkward_cases: bool = False, conflicts: bool = False) -> None:
    """:raises LocalError: S3 or PostgreSQL cannot be reached, or refuses."""
    with target.in_use(), psycopg.connect(target.database, autocommit=True, connect_timeout=10) as database:
        create_buckets(target)
        database.execute(TABLE)
        seed_avatars(target, database, objects)
        cases = (awkward.GREEN if awkward_cases else ()) + (awkward.CONFLICTS if conflicts else ())
        if cases:
            seed_awkward(target, database, cases)


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no number of avatars; give 0 or more, e.g. 1000")
    return int(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=_number, default=1000, metavar="N", help="avatars (default: %(default)s)")
    parser.add_argument("--awkward", action="store_true", help="every awkward key and case as well")
    parser.add_argument("--conflicts", action="store_true", help="cases that make a run red as well")
    options = parser.parse_args()
    reach_loopback_directly()
    try:
        target = Target.find(os.environ)
        seed(target, objects=options.objects, awkward_cases=options.awkward, conflicts=options.conflicts)
    except LocalError as error:
        sys.exit(f"make seed: {error}")
    except KeyboardInterrupt:
        sys.exit("make seed: interrupted; repeat it to go on")


if __name__ == "__main__":
    main()

"""Both buckets, by plain boto3: listed to the end, and asked about single keys."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import unquote_to_bytes

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.sdk.exceptions import AirflowException
from botocore.exceptions import BotoCoreError, ClientError

from s3_migration.model.declared_store import Store
from s3_migration.second_opinion.errors import CannotJudge
from s3_migration.second_opinion.judgement import Object
from s3_migration.second_opinion.scratch import Found
from s3_migration.second_opinion.spelling import Side

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

T = TypeVar("T")
# Pages that wait to be written down.
_WAITING = 8
_BLOCK = 1 << 20
# Bytes. In S3 no longer key can exist, and stores refuse to be asked for one.
_LONGEST_KEY = 1024


class Bucket:
    """One side of the move, below its prefix.

    :raises CannotJudge: of any method: Airflow has no such connection, or the store refuses or does not answer.
    """

    def __init__(self, side: Side, store: Store) -> None:
        self.side, self.store = side, store
        self._prefix = store.prefix.encode()
        with self._explained():
            hook = S3Hook(aws_conn_id=store.conn_id)
            hook.get_connection(store.conn_id)  # or S3Hook takes whatever credentials it finds
            self._client = cast("S3Client", hook.get_conn())

    @contextmanager
    def _explained(self) -> Iterator[None]:
        place = f"s3://{self.store.bucket}/{self.store.prefix} (connection {self.store.conn_id!r})"
        try:
            yield
        except ClientError as error:
            code, said = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
            raise CannotJudge(f"{place}: {error.operation_name}: {code} {said}. Fix: {_fix(code)}.") from error
        except (BotoCoreError, AirflowException) as error:
            raise CannotJudge(
                f"{place}: {error}. Fix: run it where Airflow is configured, and correct the connection."
            ) from error

    def try_out(self) -> None:
        """So that what is missing is known at once, and not after all rows were read."""
        with self._explained():
            self._client.list_objects_v2(Bucket=self.store.bucket, Prefix=self.store.prefix, MaxKeys=1)

    def pages(self) -> Iterator[list[Found]]:
        """Every object below the prefix."""
        with self._explained():
            # Encoded by the store, since XML cannot say every key. Decoded here: boto3 spoils what is no UTF-8.
            asked = {"Bucket": self.store.bucket, "Prefix": self.store.prefix, "EncodingType": "url"}
            listing = f"the listing of s3://{self.store.bucket}/{self.store.prefix}"
            before: set[bytes] = set()
            for page in self._client.get_paginator("list_objects_v2").paginate(**cast("Any", asked)):
                found = list(self._found(page))
                yield found
                if not page.get("IsTruncated"):
                    continue
                if not page.get("NextContinuationToken"):
                    raise CannotJudge(
                        f"{listing} breaks off: IsTruncated, and no NextContinuationToken. Fix: try again; else the "
                        f"store cannot be listed"
                    )
                # Not by their order, which some stores do not keep.
                rests = {each.rest for each in found}
                if rests and rests <= before:
                    raise CannotJudge(
                        f"{listing} does not go on: after {self.key(found[-1].rest)} it shows nothing but objects of "
                        f"the page before. Fix: try again; else the store cannot be listed"
                    )
                before = rests

    def _found(self, page: Any) -> Iterator[Found]:
        encoded = page.get("EncodingType") == "url"
        for entry in page.get("Contents", []):
            key = entry["Key"]
            bare = unquote_to_bytes(key.replace("+", " ")) if encoded else key.encode(errors="surrogateescape")
            if not bare.startswith(self._prefix):
                raise CannotJudge(
                    f"the listing of s3://{self.store.bucket}/{self.store.prefix} shows {key!r}, which is not below "
                    f"the prefix. Fix: the store, which cannot be listed"
                )
            yield Found(self.side, bare[len(self._prefix) :], Object(entry["Size"], entry["ETag"].strip('"')))

    def key(self, rest: bytes) -> str:
        """For people: of bytes that are no UTF-8 their escapes."""
        return (self._prefix + rest).decode(errors="backslashreplace")

    def look_up(self, rest: bytes, first: Object | None) -> Object | None:
        """The object now.

        :param first: what the listing showed, for a key that nobody can ask for: one that is too long, or no UTF-8.
        """
        if len(self._prefix + rest) > _LONGEST_KEY:
            return first
        try:
            key = (self._prefix + rest).decode()
        except UnicodeDecodeError:
            return first
        with self._explained():
            try:
                # Of a key with a slash at its end a store may show a folder that is no object.
                if not key.endswith("/"):
                    shown = self._client.head_object(Bucket=self.store.bucket, Key=key)
                    encrypted = "kms" in shown.get("ServerSideEncryption", "") or "SSECustomerAlgorithm" in shown
                    return Object(shown["ContentLength"], shown["ETag"].strip('"'), encrypted)
            except ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                if status == 404:
                    return None
                if status != 400:  # no legal key for this store, or encrypted with its owner's key: a listing tells
                    raise
            listed = self._client.list_objects_v2(Bucket=self.store.bucket, Prefix=key, MaxKeys=1, EncodingType="url")
            return next((found.shown for found in self._found(listed) if found.rest == rest), None)

    def digest(self, rest: bytes) -> bytes | None:
        """Of the content; None of one that cannot be had."""
        digest = hashlib.sha256()
        try:
            key = (self._prefix + rest).decode()
            for block in self._client.get_object(Bucket=self.store.bucket, Key=key)["Body"].iter_chunks(_BLOCK):
                digest.update(block)
        except (UnicodeDecodeError, ClientError, BotoCoreError):
            return None
        return digest.digest()


def _fix(code: str) -> str:
    if code in {"NoSuchBucket", "404"}:
        return "correct the bucket in the declaration; without it nothing can be compared"
    if code in {"AccessDenied", "403"}:
        return "give the identity s3:ListBucket of the bucket and s3:GetObject below the prefix"
    return "correct the connection, or try again"


def read_at_once(sources: Sequence[Iterable[T]]) -> Generator[T, None, None]:
    """What all of them give, as it comes: a thread each; their first error ends it."""
    given: queue.Queue[T | BaseException | None] = queue.Queue(_WAITING)
    stop = threading.Event()

    def hand_over(item: T | BaseException | None) -> None:
        while not stop.is_set():
            try:
                return given.put(item, timeout=0.5)
            except queue.Full:
                continue

    def read(source: Iterable[T]) -> None:
        try:
            for item in source:
                hand_over(item)
                if stop.is_set():
                    return
        except BaseException as error:
            hand_over(error)
        else:
            hand_over(None)

    # Daemons: an answer that does not come must not keep Ctrl-C from ending it.
    threads = [threading.Thread(target=read, args=[source], daemon=True) for source in sources]
    try:
        for thread in threads:
            thread.start()
        at_work = len(threads)
        while at_work:
            item = given.get()
            if isinstance(item, BaseException):
                raise item
            if item is None:
                at_work -= 1
            else:
                yield item
    finally:
        stop.set()

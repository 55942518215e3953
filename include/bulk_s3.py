"""All requests to S3: bulk, conditional, counted."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

from include.kinds import Verdict, Version, after_refusal

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, ListObjectsV2OutputTypeDef

# One DeleteObjects request takes this many keys, one page of a listing holds as many.
BATCH = 1_000
# CopyObject takes objects up to 5 GiB; above that the copy is made of parts.
COPY_LIMIT = 5 * 1024**3
MOST_PARTS = 10_000
EMPTY_ETAG = "d41d8cd98f00b204e9800998ecf8427e"
# SeaweedFS shows a folder that only the keys below it imply, but neither lists nor deletes it: it is no object.
IMPLIED_FOLDER_ETAG = f"{EMPTY_ETAG}-0"
# A live product may rewrite an object while it is copied; past this many tries a person is told.
MOST_TRIES = 5

# Such a key cannot be named in a DeleteObjects body for every store: XML 1.0 has no way to write most control
# characters, and white space at either end is trimmed by some parsers.
_NO_XML = re.compile("[^\x20-\x7e\x80-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|^\\s|\\s$")
_COPIED_HEADERS = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
    "Metadata",
    "StorageClass",
    "WebsiteRedirectLocation",
)


class NoAnswer(Exception):
    """The store said 200 and nothing more: whether it did what was asked is not known."""


_ERRORS = (ClientError, BotoCoreError, NoAnswer)


@dataclass(frozen=True)
class S3Object:
    """A key as the store shows it now. `etag` has no quotes; `size` is in bytes."""

    key: str
    size: int
    etag: str
    modified: datetime

    @property
    def version(self) -> Version:
        return Version(self.size, self.etag)


@dataclass(frozen=True)
class Copy:
    """One copy to make, of exactly this version, onto nothing or onto our own earlier copy."""

    key: str
    target: str
    version: Version
    replaces: str | None = None  # ETag of our earlier copy


@dataclass(frozen=True)
class CopyResult:
    """What became of a copy. `kind` is None when production holds the content now, else the state's name."""

    copy: Copy  # with the version that was really copied
    target: Version | None = None
    modified: datetime | None = None
    requested: bool = True  # False: the content was there before
    kind: str | None = None
    detail: str | None = None  # `code: message` of the store
    code: str = ""


@dataclass(frozen=True)
class DeleteResult:
    """What became of a deletion. `kind` is None when the object is gone."""

    key: str
    kind: str | None = None
    now: S3Object | None = None  # what is there instead
    detail: str | None = None
    code: str = ""


def error_code(error: Exception) -> str:
    """The store's code of an error, `ConnectionError` where no answer came."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code") or "Unknown")
    return "ConnectionError" if isinstance(error, (HTTPClientError, ConnectionError)) else type(error).__name__


def error_text(error: Exception) -> str:
    message = error.response.get("Error", {}).get("Message") if isinstance(error, ClientError) else error
    return f"{error_code(error)}: {message}"[:500]


class BulkS3Hook(S3Hook):
    """`S3Hook` for many objects at once: conditional copies and deletes, streamed listings, counted requests.

    :param requests_in_flight: how many requests run at once.
    :param attempts: how often a request is sent before it fails.
    :param copy_limit: bytes above which a copy is made of parts.
    """

    def __init__(
        self,
        aws_conn_id: str,
        *,
        requests_in_flight: int = 32,
        attempts: int = 6,
        copy_limit: int = COPY_LIMIT,
        part_size: int = 256 * 1024**2,
        **kwargs: Any,
    ) -> None:
        super().__init__(aws_conn_id=aws_conn_id, **kwargs)
        self.requests_in_flight = requests_in_flight
        self.attempts = attempts
        self.copy_limit = copy_limit
        self.part_size = part_size
        self.requests: Counter[tuple[str, str]] = Counter()
        self._counting = threading.Lock()

    # -- the client ---------------------------------------------------------------------------------------------

    def _get_config(self, config: Config | None = None) -> Config:
        ours = Config(
            max_pool_connections=self.requests_in_flight,
            # Mode standard gives up early when many requests at once meet a 503: normal while S3 splits a prefix.
            retries={"mode": "legacy", "total_max_attempts": self.attempts},
            connect_timeout=10,
            read_timeout=60,
        )
        # What the connection's config_kwargs say wins.
        return super()._get_config(ours.merge(config or self.config))

    @cached_property
    def client(self) -> S3Client:
        if self.aws_conn_id:
            self.get_connection(self.aws_conn_id)  # or S3Hook takes whatever credentials the worker has
        client = cast("S3Client", self.get_conn())
        client.meta.events.register("response-received.s3", self._count)
        return client

    def _count(
        self, event_name: str, parsed_response: dict[str, Any] | None, exception: Exception | None, **_: Any
    ) -> None:
        operation = event_name.rpartition(".")[2]
        if parsed_response is None:
            outcome = type(exception).__name__
        else:
            outcome = str(parsed_response.get("ResponseMetadata", {}).get("HTTPStatusCode", "?"))
        with self._counting:
            self.requests[operation, outcome] += 1

    def take_requests(self) -> Counter[tuple[str, str]]:
        """Requests sent since the last call, retries included, by (operation, HTTP status or exception)."""
        with self._counting:
            taken, self.requests = self.requests, Counter()
        return taken

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        _ = self.client  # made here: creating a client is not thread-safe
        return ThreadPoolExecutor(self.requests_in_flight, thread_name_prefix="s3")

    def close(self) -> None:
        """Give up what is queued; requests in flight end by themselves."""
        if "_pool" in self.__dict__:
            self._pool.shutdown(wait=False, cancel_futures=True)

    # -- reading ------------------------------------------------------------------------------------------------

    def list_objects(self, bucket: str, prefix: str) -> Iterator[list[S3Object]]:
        """Every object below the prefix, page by page, in the store's own order; a key may come twice."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        for page in pages:
            yield _objects(page)

    def head(self, bucket: str, key: str) -> S3Object | None:
        """The object now; None only where the store says 404.

        :raises ClientError: any other refusal.
        """
        try:
            answer = self.client.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                return None
            raise
        etag = answer["ETag"].strip('"')
        if key.endswith("/") and etag == IMPLIED_FOLDER_ETAG:
            return None
        return S3Object(key, answer["ContentLength"], etag, answer["LastModified"])

    def head_objects(self, bucket: str, keys: Iterable[str]) -> Iterator[list[S3Object]]:
        """Those of the keys that are there, in pages; one request a key, many at once."""
        found = self._pool.map(lambda key: self._head_any(bucket, key), keys)
        page = [entry for entry in found if entry is not None]
        if page:
            yield page

    def _head_any(self, bucket: str, key: str) -> S3Object | None:
        """As `head`, of keys that may be no legal ones: rows can name anything."""
        try:
            return self.head(bucket, key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 400:
                raise
        # A key that the store cannot hold, or an expired token, about which a HEAD has no word: a listing tells.
        page = self.client.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
        return next((entry for entry in _objects(page) if entry.key == key), None)

    def _compare(
        self, source_bucket: str, source: S3Object, bucket: str, target: S3Object, replaces: str | None
    ) -> Verdict:
        try:
            same = self._same_bytes(source_bucket, source, bucket, target)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] in {404, 412}:
                return Verdict.RETRY  # one of them was rewritten since we looked
            raise
        if same:
            return Verdict.SAME
        return Verdict.SUPERSEDED if replaces else Verdict.CONFLICT

    def _same_bytes(self, source_bucket: str, source: S3Object, bucket: str, target: S3Object) -> bool:
        first = self.client.get_object(Bucket=source_bucket, Key=source.key, IfMatch=f'"{source.etag}"')["Body"]
        second = self.client.get_object(Bucket=bucket, Key=target.key, IfMatch=f'"{target.etag}"')["Body"]
        with first, second:
            size = 1024 * 1024
            while True:
                one, other = first.read(size), second.read(size)
                if one != other:
                    return False
                if not one:
                    return True

    # -- copying ------------------------------------------------------------------------------------------------

    def copy_objects(self, source_bucket: str, bucket: str, copies: Sequence[Copy]) -> Iterator[CopyResult]:
        """Make the copies, many at once; each result as it comes. Raises for none of them."""
        tasks = [self._pool.submit(self._copy, source_bucket, bucket, copy) for copy in copies]
        try:
            for task in as_completed(tasks):
                yield task.result()
        finally:
            for task in tasks:
                task.cancel()

    def _copy(self, source_bucket: str, bucket: str, copy: Copy) -> CopyResult:
        try:
            return self._copy_until_judged(source_bucket, bucket, copy)
        except _ERRORS as error:
            return CopyResult(copy, kind="failed", detail=error_text(error), code=error_code(error))

    def _copy_until_judged(self, source_bucket: str, bucket: str, copy: Copy) -> CopyResult:
        refused = ""
        for _ in range(MOST_TRIES):
            try:
                etag, modified = self._send_copy(source_bucket, bucket, copy)
                return CopyResult(copy, Version(copy.version.size, etag), modified)
            except ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                if status not in {404, 409, 412} or error_code(error) == "NoSuchBucket":
                    raise
                refused = error_text(error)
            source, target = self.head(source_bucket, copy.key), self.head(bucket, copy.target)
            verdict = after_refusal(
                copy.version,
                copy.replaces,
                source.version if source else None,
                target.version if target else None,
            )
            if verdict is Verdict.COMPARE and source and target:
                verdict = self._compare(source_bucket, source, bucket, target, copy.replaces)
            if verdict is Verdict.GONE:
                return CopyResult(copy, kind="withdrawn", detail=refused)
            if verdict is Verdict.SAME and target:
                return CopyResult(copy, target.version, target.modified, requested=False)
            if verdict in {Verdict.SUPERSEDED, Verdict.CONFLICT} and target:
                held = f"production holds {target.size} bytes, ETag {target.etag}, since {target.modified}"
                return CopyResult(copy, kind=verdict.value, detail=held)
            if verdict is Verdict.REWRITTEN and source:
                # What was to be copied is there: an earlier try of ours, whose mark a crash lost.
                ours = target is not None and target.version == copy.version
                copy = replace(copy, version=source.version, replaces=target.etag if ours and target else copy.replaces)
            elif copy.replaces and target is None:
                copy = replace(copy, replaces=None)  # our earlier copy is gone, and legacy still has the object
            elif status == 404 and copy.key.endswith("/") and copy.version == Version(0, EMPTY_ETAG):
                # SeaweedFS lists folder markers and shows them, but says NoSuchKey to their copy.
                etag, modified = self._put_empty(source_bucket, bucket, copy)
                return CopyResult(copy, Version(0, etag), modified)
        kind = "changed" if verdict is Verdict.REWRITTEN else "failed"
        return CopyResult(
            copy, kind=kind, detail=f"{MOST_TRIES} tries, last {refused}", code="ConditionalRequestConflict"
        )

    def _send_copy(self, source_bucket: str, bucket: str, copy: Copy) -> tuple[str, datetime]:
        if copy.version.size > self.copy_limit:
            return self._copy_in_parts(source_bucket, bucket, copy)
        answer = self.client.copy_object(
            Bucket=bucket,
            Key=copy.target,
            CopySource={"Bucket": source_bucket, "Key": copy.key},
            CopySourceIfMatch=f'"{copy.version.etag}"',
            **_target_condition(copy),
        )
        return _said(answer, "CopyObjectResult", "ETag").strip('"'), _said(answer, "CopyObjectResult", "LastModified")

    def _copy_in_parts(self, source_bucket: str, bucket: str, copy: Copy) -> tuple[str, datetime]:
        """A multipart copy takes no headers, metadata or tags along by itself: read and set them."""
        head = self.client.head_object(Bucket=source_bucket, Key=copy.key, IfMatch=f'"{copy.version.etag}"')
        kept = {name: head[name] for name in _COPIED_HEADERS if head.get(name)}  # type: ignore[literal-required]
        if head.get("TagCount"):
            tags = self.client.get_object_tagging(Bucket=source_bucket, Key=copy.key)["TagSet"]
            kept["Tagging"] = "&".join(f"{_quote(tag['Key'])}={_quote(tag['Value'])}" for tag in tags)
        target: dict[str, Any] = {"Bucket": bucket, "Key": copy.target}
        upload = self.client.create_multipart_upload(**target, **kept)["UploadId"]
        try:
            parts: list[CompletedPartTypeDef] = []
            length = max(self.part_size, -(-copy.version.size // MOST_PARTS))
            for number, first in enumerate(range(0, copy.version.size, length), start=1):
                last = min(first + length, copy.version.size) - 1
                answer = self.client.upload_part_copy(
                    **target,
                    UploadId=upload,
                    PartNumber=number,
                    CopySource={"Bucket": source_bucket, "Key": copy.key},
                    CopySourceIfMatch=f'"{copy.version.etag}"',
                    CopySourceRange=f"bytes={first}-{last}",
                )
                parts.append({"PartNumber": number, "ETag": _said(answer, "CopyPartResult", "ETag")})
            done = self.client.complete_multipart_upload(
                **target, UploadId=upload, MultipartUpload={"Parts": parts}, **_target_condition(copy)
            )
        except BaseException:
            with suppress(*_ERRORS):  # why it failed matters more
                self.client.abort_multipart_upload(**target, UploadId=upload)
            raise
        etag = _said(done, "ETag")
        made = self.client.head_object(**target, IfMatch=etag)
        return etag.strip('"'), made["LastModified"]

    def _put_empty(self, source_bucket: str, bucket: str, copy: Copy) -> tuple[str, datetime]:
        head = self.client.head_object(Bucket=source_bucket, Key=copy.key, IfMatch=f'"{copy.version.etag}"')
        kept = {name: head[name] for name in _COPIED_HEADERS if head.get(name)}  # type: ignore[literal-required]
        target: dict[str, Any] = {"Bucket": bucket, "Key": copy.target, "Body": b"", **kept}
        try:
            put = self.client.put_object(**target, **_target_condition(copy))
        except ClientError as error:
            if error_code(error) != "PreconditionFailed" or self.head(bucket, copy.target) is not None:
                raise
            put = self.client.put_object(**target)  # refused for the sake of a folder that is only implied
        made = self.client.head_object(Bucket=bucket, Key=copy.target)
        return put["ETag"].strip('"'), made["LastModified"]

    # -- deleting -----------------------------------------------------------------------------------------------

    def delete_versions(self, bucket: str, versions: Sequence[tuple[str, str]]) -> list[DeleteResult]:
        """Delete each key only while it still has this ETag: a thousand a request.

        :param versions: (key, ETag) pairs.
        """
        single = [pair for pair in versions if _NO_XML.search(pair[0])]
        bulk = [pair for pair in versions if not _NO_XML.search(pair[0])]
        batches = [bulk[first : first + BATCH] for first in range(0, len(bulk), BATCH)]
        results = [
            result for batch in self._pool.map(lambda b: self._delete_batch(bucket, b), batches) for result in batch
        ]
        results += self._pool.map(lambda pair: self._delete_one(bucket, *pair), single)
        etags = dict(versions)
        return [self._explain_refusal(bucket, result, etags[result.key]) for result in results]

    def _delete_batch(self, bucket: str, batch: Sequence[tuple[str, str]]) -> list[DeleteResult]:
        """The per-key errors stand inside a 200."""
        try:
            answer = self.client.delete_objects(
                Bucket=bucket, Delete={"Objects": [{"Key": key, "ETag": f'"{etag}"'} for key, etag in batch]}
            )
        except _ERRORS as error:
            return [_not_deleted(key, error_code(error), error_text(error)) for key, _ in batch]
        gone = {entry["Key"] for entry in answer.get("Deleted", [])}
        errors = {entry["Key"]: entry for entry in answer.get("Errors", [])}
        return [
            DeleteResult(key)
            if key in gone and key not in errors
            else _not_deleted(
                key,
                errors.get(key, {}).get("Code", "NoAnswer"),
                f"{errors.get(key, {}).get('Code', 'NoAnswer')}: {errors.get(key, {}).get('Message', '')}",
            )
            for key, _ in batch
        ]

    def _delete_one(self, bucket: str, key: str, etag: str) -> DeleteResult:
        try:
            self.client.delete_object(Bucket=bucket, Key=key, IfMatch=f'"{etag}"')
        except _ERRORS as error:
            return _not_deleted(key, error_code(error), error_text(error))
        return DeleteResult(key)

    def _explain_refusal(self, bucket: str, result: DeleteResult, etag: str) -> DeleteResult:
        """A refused condition may mean: deleted already, or rewritten since."""
        if result.code not in {"PreconditionFailed", "NoSuchKey", "404", "412"}:
            return result
        try:
            now = self.head(bucket, result.key)
        except _ERRORS as error:
            return _not_deleted(result.key, error_code(error), error_text(error))
        if now is None:
            return DeleteResult(result.key)
        return replace(result, kind="changed", now=now) if now.etag != etag else result


def _said(answer: Mapping[str, Any], *names: str) -> Any:
    """A part of a 200's answer that cannot be done without."""
    value: Any = answer
    for name in names:
        if name not in value:
            raise NoAnswer(f"the store said 200 without {'.'.join(names)}")
        value = value[name]
    return value


def _objects(page: ListObjectsV2OutputTypeDef) -> list[S3Object]:
    return [
        S3Object(entry["Key"], entry["Size"], entry["ETag"].strip('"'), entry["LastModified"])
        for entry in page.get("Contents", [])
    ]


def _target_condition(copy: Copy) -> dict[str, Any]:
    return {"IfMatch": f'"{copy.replaces}"'} if copy.replaces else {"IfNoneMatch": "*"}


def _not_deleted(key: str, code: str, detail: str) -> DeleteResult:
    return DeleteResult(key, kind="failed", code=code, detail=detail)


def _quote(text: str) -> str:
    return quote(text, safe="")

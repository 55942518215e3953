"""All requests to S3: bulk, conditional, counted."""

from __future__ import annotations

import logging
import re
import threading
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cached_property, partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast
from urllib.parse import quote, urlencode

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

from s3_migration.model.copy_refusal import Verdict, judge_refusal
from s3_migration.model.declaration import Engine
from s3_migration.model.objects import S3Object, Version
from s3_migration.s3 import crt_client as crt
from s3_migration.s3.congestion_window import CongestionWindow
from s3_migration.s3.crt_client import Answer, CrtClient
from s3_migration.s3.parallel_listing import TOP, Page, list_in_lanes
from s3_migration.s3.types import Copy, CopyResult, DeleteResult
from s3_migration.s3.xml import copy_result, listing_page

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, ListObjectsV2OutputTypeDef

# One DeleteObjects request takes this many keys, one page of a listing holds as many.
BATCH = 1_000
# Pages of one listing that are asked for at once; threads that take care of them, and of what boto3 does.
LANES, THREADS = 16, 32
# What is started before the first of it has been answered: enough to go on while a batch is being marked.
AHEAD = 500
# Seconds.
GATHER = 0.005
# So many HEADs cost what one page of a listing costs.
SPARSE = 12
# Bytes above which a copy may take the store so long that it needs a read time-out a part, not one for the whole.
QUICK = 256 * 1024**2
# CopyObject takes objects up to 5 GiB; above that the copy is made of parts.
COPY_LIMIT = 5 * 1024**3
MAX_PARTS = 10_000
EMPTY_ETAG = "d41d8cd98f00b204e9800998ecf8427e"
# SeaweedFS shows a folder that only the keys below it imply, but neither lists nor deletes it: it is no object.
IMPLIED_FOLDER_ETAG = f"{EMPTY_ETAG}-0"
# A live product may rewrite an object while it is copied; past this many tries a person is told.
MAX_TRIES = 5

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


class IncompleteResponse(Exception):
    """The store said 200 and nothing more: whether it did what was asked is not known."""


_ERRORS = (ClientError, BotoCoreError, IncompleteResponse)
# Refusals of a conditional copy that only a look at both sides explains.
_JUDGED = {404, 409, 412}
_PARAMETERS = {"ContinuationToken": "continuation-token", "StartAfter": "start-after"}
T = TypeVar("T")
R = TypeVar("R")
log = logging.getLogger(__name__)


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

    The requests that come by the million (CopyObject, ListObjectsV2, HeadObject) go through AWS's Common Runtime, with
    the connection's own credentials, endpoint, region, addressing style and TLS settings; all others, and those too
    where it cannot serve (`crt.unfit`), through boto3 in threads.

    :param requests_in_flight: how many requests run at once, at the most; fewer while the store says SlowDown.
    :param attempts: how often a request is sent before it fails.
    :param engine: threads for boto3 alone.
    :param copy_limit: bytes above which a copy is made of parts.
    """

    def __init__(
        self,
        aws_conn_id: str,
        *,
        requests_in_flight: int = 128,
        attempts: int = 6,
        engine: Engine = Engine.CRT,
        copy_limit: int = COPY_LIMIT,
        part_size: int = 256 * 1024**2,
        **kwargs: Any,
    ) -> None:
        super().__init__(aws_conn_id=aws_conn_id, **kwargs)
        self.requests_in_flight = requests_in_flight
        self.attempts = attempts
        self.engine = engine
        self.copy_limit = copy_limit
        self.part_size = part_size
        self.window = CongestionWindow(requests_in_flight)
        self.requests: Counter[tuple[str, str]] = Counter()
        self._counting = threading.Lock()
        self._this_thread = threading.local()

    # -- the clients --------------------------------------------------------------------------------------------

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
        """boto3's, for all but the bulk."""
        if self.aws_conn_id:
            self.get_connection(self.aws_conn_id)  # or S3Hook takes whatever credentials the worker has
        client = cast("S3Client", self.get_conn())
        client.meta.events.register("response-received.s3", self._see_response)
        return client

    @cached_property
    def _crt(self) -> CrtClient | None:
        client = self.client  # made here: creating a client is not thread-safe
        credentials = self.get_session(region_name=self.region_name).get_credentials()
        why = "so declared" if self.engine is Engine.THREADS else crt.unfit(client, credentials)
        if why or credentials is None:
            log.info("%s: requests by boto3 in threads (%s)", self.aws_conn_id, why)
            return None
        return CrtClient(client, credentials, self.verify, self.window, self.attempts, self._count)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        threads = self.requests_in_flight if self._crt is None else min(self.requests_in_flight, THREADS)
        return ThreadPoolExecutor(threads, thread_name_prefix="s3")

    def _see_response(
        self, event_name: str, parsed_response: dict[str, Any] | None, exception: Exception | None, **_: Any
    ) -> None:
        operation = event_name.rpartition(".")[2]
        if operation == "HeadBucket":  # never sent: crt.py only looks where it would have gone
            return
        if parsed_response is not None:
            outcome = str(parsed_response.get("ResponseMetadata", {}).get("HTTPStatusCode", "?"))
        else:
            outcome = error_code(exception) if exception else "?"
        self._count(operation, outcome)
        token: int | None = getattr(self._this_thread, "token", None)
        if outcome in {"429", "503"} and token is not None:
            self.window.slow_down(token)

    def _count(self, operation: str, outcome: str) -> None:
        with self._counting:
            self.requests[operation, outcome] += 1

    def take_requests(self) -> Counter[tuple[str, str]]:
        """Requests sent since the last call, retries included, by (operation, HTTP status or `ConnectionError`)."""
        with self._counting:
            taken, self.requests = self.requests, Counter()
        return taken

    def close(self) -> None:
        """Give up what is queued; requests in flight end by themselves, or are given up after some seconds."""
        if "_pool" in self.__dict__:
            self._pool.shutdown(wait=False, cancel_futures=True)
        if self.__dict__.get("_crt"):
            cast("CrtClient", self._crt).close()

    def _at_once(self, start: Callable[[T, Flow[R]], None], items: Iterable[T]) -> Generator[R, None, None]:
        """Start each item, hundreds ahead of what was answered; results as they come.

        :raises Exception: what a result is, if it is one.
        """
        flow: Flow[R] = Flow()
        waiting, ahead = 0, max(AHEAD, self.requests_in_flight)
        try:
            for item in items:
                while waiting >= ahead:
                    results = flow.results()
                    waiting -= len(results)
                    yield from results
                start(item, flow)
                waiting += 1
            while waiting:
                results = flow.results()
                waiting -= len(results)
                yield from results
        finally:
            flow.given_up.set()

    def _in_thread(self, flow: Flow[R], work: Callable[[], R]) -> None:
        """Let a thread of boto3 do it."""

        def run() -> None:
            if flow.given_up.is_set():
                return
            try:
                flow.answer(work())
            except Exception as error:
                flow.answer(error)

        try:
            self._pool.submit(run)
        except RuntimeError as error:  # closed
            flow.answer(error)

    # -- reading ------------------------------------------------------------------------------------------------

    def list_objects(self, bucket: str, prefix: str, *, in_order: bool = False) -> Iterator[list[S3Object]]:
        """Every object below the prefix, page by page; a key may come twice.

        :param in_order: of the store, one page after the other; else many at once.
        """
        ask = partial(self._pool.submit, self.list_page, bucket, prefix)
        return list_in_lanes(ask, prefix, 1 if in_order else LANES)

    def list_page(self, bucket: str, prefix: str, after: str = "", token: str | None = None) -> Page[S3Object]:
        """The first page of what comes after a key, or the page of a continuation token.

        :raises ClientError: the store refuses.
        :raises BotoCoreError: it does not answer.
        """
        where: dict[str, Any] = {"ContinuationToken": token} if token else {"StartAfter": after} if after else {}
        if self._crt is None:
            page = self.client.list_objects_v2(Bucket=bucket, Prefix=prefix, **where)
            return Page(_objects(page), page.get("NextContinuationToken"))
        query = {"encoding-type": "url", "list-type": "2", "prefix": prefix}
        query |= {_PARAMETERS[name]: value for name, value in where.items()}
        answer = self._crt.ask("ListObjectsV2", "GET", bucket, "", query=urlencode(query, quote_via=quote))
        if answer.code:
            raise _refusal("ListObjectsV2", answer)
        return listing_page(answer.body)

    def lookup(
        self, bucket: str, prefix: str, keys: Sequence[str], expected: Collection[str] = ()
    ) -> Iterator[list[S3Object]]:
        """Those of the keys that are there, in pages: by listing where they are dense, by HEAD where they are sparse.

        :param keys: sorted, below the prefix.
        :param expected: what a listing does not show of these is asked for by HEAD: a store need not list in order.
        """
        spans = [keys[first : first + BATCH] for first in range(0, len(keys), BATCH)]
        tasks = [self._pool.submit(self._lookup_span, bucket, prefix, span, expected) for span in spans]
        return self._shown(bucket, tasks)

    def _lookup_span(
        self, bucket: str, prefix: str, keys: Sequence[str], expected: Collection[str]
    ) -> tuple[list[S3Object], list[str]]:
        """What a listing shows of the keys, and those to ask for by HEAD."""
        found: dict[str, S3Object] = {}
        wanted, place, sparse = set(keys), 0, len(keys) <= SPARSE
        while place < len(keys) and not sparse:
            page = self.list_page(bucket, prefix, _just_before(keys[place]))
            found.update((entry.key, entry) for entry in page.entries if entry.key in wanted)
            reached = bisect_right(keys, page.entries[-1].key, place) if page.entries else place
            sparse = page.token is not None and reached - place <= SPARSE
            place = reached if page.token else len(keys)
        unseen = [key for key in keys[:place] if key not in found and key in expected] if expected else []
        return list(found.values()), [*unseen, *keys[place:]]

    def _shown(
        self, bucket: str, tasks: Sequence[Future[tuple[list[S3Object], list[str]]]]
    ) -> Iterator[list[S3Object]]:
        unseen: list[str] = []
        for task in tasks:
            found, ask_for = task.result()
            unseen += ask_for
            yield found
        yield from self.head_objects(bucket, unseen)

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
        return _shown(key, answer["ContentLength"], answer["ETag"], answer["LastModified"])

    def head_objects(self, bucket: str, keys: Iterable[str]) -> Iterator[list[S3Object]]:
        """Those of the keys that are there, in pages; one request a key, many at once.

        :raises ClientError: the store refuses.
        """
        page = []
        for found in self._at_once(partial(self._start_head, bucket), keys):
            if found is not None:
                page.append(found)
            if len(page) == BATCH:
                yield page
                page = []
        if page:
            yield page

    def _start_head(self, bucket: str, key: str, flow: Flow[S3Object | None]) -> None:
        def answered(answer: Answer) -> None:
            if answer.status == 404:
                flow.answer(None)
            elif answer.code:
                self._in_thread(flow, partial(self._head_any, bucket, key))
            else:
                length, modified = int(answer.headers["content-length"]), answer.headers["last-modified"]
                flow.answer(_shown(key, length, answer.headers["etag"], parsedate_to_datetime(modified)))

        if self._crt is None:
            self._in_thread(flow, partial(self._head_any, bucket, key))
        else:
            self._crt.send("HeadObject", "HEAD", bucket, key, flow.guarded(answered), given_up=flow.given_up)

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

    def copy_objects(
        self, source_bucket: str, bucket: str, copies: Iterable[Copy]
    ) -> Generator[CopyResult, None, None]:
        """Make the copies, many at once; each result as it comes. Raises for none of them."""
        return self._at_once(partial(self._start_copy, source_bucket, bucket), copies)

    def _start_copy(self, source_bucket: str, bucket: str, copy: Copy, flow: Flow[CopyResult]) -> None:
        if self._crt is None or copy.version.size > min(self.copy_limit, QUICK):
            self._in_thread(flow, partial(self._copy_in_window, source_bucket, bucket, copy))
            return

        def answered(answer: Answer) -> None:
            if not answer.code:
                flow.answer(_copied(copy, copy_result(answer.body)))
            elif answer.status in {400, 404, 409, 412} or 300 <= answer.status < 400:
                said = _refusal("CopyObject", answer) if answer.status in _JUDGED else None
                self._in_thread(flow, partial(self._copy, source_bucket, bucket, copy, said))
            else:
                flow.answer(_failed(copy, _refusal("CopyObject", answer)))

        condition = ("if-match", f'"{copy.replaces}"') if copy.replaces else ("if-none-match", "*")
        self._crt.send(
            "CopyObject",
            "PUT",
            bucket,
            copy.target,
            flow.guarded(answered),
            headers=[
                ("x-amz-copy-source", quote(f"{source_bucket}/{copy.key}", safe="/-_.~")),
                ("x-amz-copy-source-if-match", f'"{copy.version.etag}"'),
                condition,
            ],
            given_up=flow.given_up,
        )

    def _copy_in_window(self, source_bucket: str, bucket: str, copy: Copy) -> CopyResult:
        token = self._this_thread.token = self.window.enter()
        try:
            return self._copy(source_bucket, bucket, copy)
        finally:
            self._this_thread.token = None
            self.window.leave(token, answered=True)

    def _copy(self, source_bucket: str, bucket: str, copy: Copy, refusal: Exception | None = None) -> CopyResult:
        """:param refusal: what the store said to the first try, where that was made."""
        try:
            return self._copy_until_judged(source_bucket, bucket, copy, refusal)
        except _ERRORS as error:
            return _failed(copy, error)

    def _copy_until_judged(self, source_bucket: str, bucket: str, copy: Copy, refusal: Exception | None) -> CopyResult:
        refused = ""
        for _ in range(MAX_TRIES):
            try:
                if refusal is not None:
                    raise refusal
                etag, modified = self._send_copy(source_bucket, bucket, copy)
                return CopyResult(copy, Version(copy.version.size, etag), modified)
            except ClientError as error:
                refusal = None
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                if status not in _JUDGED or error_code(error) == "NoSuchBucket":
                    raise
                refused = error_text(error)
            source, target = self.head(source_bucket, copy.key), self.head(bucket, copy.target)
            verdict = judge_refusal(
                copy.version,
                copy.replaces,
                source.version if source else None,
                target.version if target else None,
            )
            if verdict is Verdict.COMPARE and source and target:
                verdict = self._compare(source_bucket, source, bucket, target, copy.replaces)
            if verdict is Verdict.GONE:
                return CopyResult(copy, problem="withdrawn", detail=refused)
            if verdict is Verdict.SAME and target:
                return CopyResult(copy, target.version, target.modified, requested=False)
            if verdict in {Verdict.SUPERSEDED, Verdict.CONFLICT} and target:
                held = f"production holds {target.size} bytes, ETag {target.etag}, since {target.modified}"
                return CopyResult(copy, problem=verdict.value, detail=held)
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
        problem = "changed" if verdict is Verdict.REWRITTEN else "failed"
        return CopyResult(
            copy, problem=problem, detail=f"{MAX_TRIES} tries, last {refused}", code="ConditionalRequestConflict"
        )

    def _send_copy(self, source_bucket: str, bucket: str, copy: Copy) -> tuple[str, str]:
        if copy.version.size > self.copy_limit:
            return self._copy_in_parts(source_bucket, bucket, copy)
        answer = self.client.copy_object(
            Bucket=bucket,
            Key=copy.target,
            CopySource={"Bucket": source_bucket, "Key": copy.key},
            CopySourceIfMatch=f'"{copy.version.etag}"',
            **_target_condition(copy),
        )
        modified = _said(answer, "CopyObjectResult", "LastModified")
        return _said(answer, "CopyObjectResult", "ETag").strip('"'), modified.isoformat()

    def _copy_in_parts(self, source_bucket: str, bucket: str, copy: Copy) -> tuple[str, str]:
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
            length = max(self.part_size, -(-copy.version.size // MAX_PARTS))
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
        return etag.strip('"'), made["LastModified"].isoformat()

    def _put_empty(self, source_bucket: str, bucket: str, copy: Copy) -> tuple[str, str]:
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
        return put["ETag"].strip('"'), made["LastModified"].isoformat()

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
                errors.get(key, {}).get("Code", "IncompleteResponse"),
                f"{errors.get(key, {}).get('Code', 'IncompleteResponse')}: {errors.get(key, {}).get('Message', '')}",
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
        return replace(result, problem="changed", now=now) if now.etag != etag else result


class Flow(Generic[R]):
    """What was started and is answered in other threads."""

    def __init__(self) -> None:
        self.given_up = threading.Event()
        self._results: SimpleQueue[R | Exception] = SimpleQueue()
        self.answer = self._results.put

    def guarded(self, handle: Callable[[Answer], None]) -> Callable[[Answer], None]:
        """What fails on the way is the result: nobody sees what is raised in the Common Runtime's threads."""

        def run(answer: Answer) -> None:
            try:
                handle(answer)
            except Exception as error:
                self.answer(error)

        return run

    def results(self) -> list[R]:
        """The next ones, one at least. They are left to gather for a moment: to wake up for each takes more time than
        all else that is done about it.

        :raises Exception: what one of them is.
        """
        results = [self._results.get()]
        time.sleep(GATHER)
        with suppress(Empty):
            while True:
                results.append(self._results.get_nowait())
        for result in results:
            if isinstance(result, Exception):
                raise result
        return cast("list[R]", results)


def _copied(copy: Copy, said: tuple[str, str] | None) -> CopyResult:
    if said is None:
        return _failed(copy, IncompleteResponse("the store said 200 without ETag or time"))
    return CopyResult(copy, Version(copy.version.size, said[0]), said[1])


def _failed(copy: Copy, error: Exception) -> CopyResult:
    return CopyResult(copy, problem="failed", detail=error_text(error), code=error_code(error))


def _refusal(operation: str, answer: Answer) -> Exception:
    """An answer of the Common Runtime's as boto3 would have raised it."""
    if not answer.status:
        return HTTPClientError(error=answer.message)
    said: Any = {
        "Error": {"Code": answer.code, "Message": answer.message},
        "ResponseMetadata": {"HTTPStatusCode": answer.status},
    }
    return ClientError(said, operation)


def _shown(key: str, size: int, etag: str, modified: datetime) -> S3Object | None:
    """What a HEAD shows, if it is an object."""
    etag = etag.strip('"')
    if key.endswith("/") and etag == IMPLIED_FOLDER_ETAG:
        return None
    return S3Object(key, size, etag, modified.isoformat())


def _just_before(key: str) -> str:
    """A key that sorts before this one, and hardly anything between them."""
    head, number = key[:-1], ord(key[-1])
    if number <= 1 or len(key.encode()) > 1024 - len(TOP.encode()):
        return head
    return f"{head}{chr(number - 1 if number != 0xE000 else 0xD7FF)}{TOP}"


def _said(answer: Mapping[str, Any], *names: str) -> Any:
    """A part of a 200's answer that cannot be done without."""
    value: Any = answer
    for name in names:
        if name not in value:
            raise IncompleteResponse(f"the store said 200 without {'.'.join(names)}")
        value = value[name]
    return value


def _objects(page: ListObjectsV2OutputTypeDef) -> list[S3Object]:
    return [
        S3Object(entry["Key"], entry["Size"], entry["ETag"].strip('"'), entry["LastModified"].isoformat())
        for entry in page.get("Contents", [])
    ]


def _target_condition(copy: Copy) -> dict[str, Any]:
    return {"IfMatch": f'"{copy.replaces}"'} if copy.replaces else {"IfNoneMatch": "*"}


def _not_deleted(key: str, code: str, detail: str) -> DeleteResult:
    return DeleteResult(key, problem="failed", code=code, detail=detail)


def _quote(text: str) -> str:
    return quote(text, safe="")

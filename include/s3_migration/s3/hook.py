"""The one face of S3: Airflow's `S3Hook` for many objects at once."""

from __future__ import annotations

import logging
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, cast

from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from botocore.config import Config

from s3_migration.model.copy_settings import AS_S3, CopySettings
from s3_migration.model.declaration import Engine
from s3_migration.model.objects import S3Object
from s3_migration.s3.boto3_requests import Boto3Requests
from s3_migration.s3.congestion_window import CongestionWindow
from s3_migration.s3.copier import COPY_LIMIT, Copier
from s3_migration.s3.crt_client import CrtClient
from s3_migration.s3.crt_connection import VERSION_4, unfit
from s3_migration.s3.deleter import Deleter
from s3_migration.s3.errors import IncompleteResponse, error_code, read_errors_of
from s3_migration.s3.expiry import ExpiringSigner
from s3_migration.s3.lookup import Lookup
from s3_migration.s3.multipart import Upload, unfinished_uploads
from s3_migration.s3.parallel_listing import Listed, NoProgress, Place, list_in_lanes
from s3_migration.s3.pipeline import Pipeline
from s3_migration.s3.properties import sends_header_lines, shown_properties
from s3_migration.s3.request_counter import RequestCounter, Requests
from s3_migration.s3.threads import Threads
from s3_migration.s3.transport import Boto3Transport, CrtTransport, Transport
from s3_migration.s3.types import Copy, CopyResult, Deletions, KeyAndEtag
from s3_migration.s3.website import Website

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from mypy_boto3_s3 import S3Client

# Headers of a HEAD, names in small letters.
Look = Mapping[str, str]
# Pages of one listing that are asked for at once; threads beside the Common Runtime.
LANES, THREADS = 16, 32
log = logging.getLogger(__name__)


class BulkS3Hook(S3Hook):
    """`S3Hook` for many objects at once: conditional copies and deletes, streamed listings, counted requests.

    The requests that come by the million (CopyObject, ListObjectsV2, HeadObject) go through AWS's Common Runtime, with
    the connection's own credentials, endpoint, region, addressing style and TLS settings; all others, and those too
    where it cannot serve (`unfit`), through boto3 in threads.

    :param requests_in_flight: how many requests run at once, at the most; fewer while the store says SlowDown.
    :param attempts: how often a request is sent before it fails.
    :param engine: threads for boto3 alone.
    :param copy_limit: bytes above which a copy is made of parts.
    :param part_size: bytes of such a part.
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
        self.counter = RequestCounter()
        self._websites: dict[str, Website] = {}

    # -- what is asked ------------------------------------------------------------------------------------------

    def list_objects(self, bucket: str, prefix: str, *, in_order: bool = False) -> Iterator[list[S3Object]]:
        """Every object below the prefix, page by page; a key may come twice. As `list_from`, from the beginning."""
        for listed in self.list_from(bucket, prefix, in_order=in_order):
            if listed.entries:
                yield listed.entries

    def list_from(
        self, bucket: str, prefix: str, places: Sequence[Place] = (), *, in_order: bool = False, once: bool = False
    ) -> Iterator[Listed[S3Object]]:
        """Every object below the prefix, and where its lane stands then; a key may come twice.

        :param places: where the lanes stood of a listing that goes on here; none: it begins.
        :param in_order: of the store, one page after the other; else many at once.
        :param once: no key may come twice.
        :raises ClientError: the store refuses.
        :raises BotoCoreError: it does not answer.
        :raises IncompleteResponse: it does not list to the end.
        :raises NotInOrder: with `once`: only `in_order` no key comes twice.
        """
        ask = partial(self.transport.threads.submit, self.transport.list_page, bucket, prefix)
        try:
            yield from list_in_lanes(ask, prefix, 1 if in_order else LANES, places, once=once)
        except NoProgress as error:
            raise IncompleteResponse(f"the listing of s3://{bucket}/{prefix}: {error}") from error

    def lookup(
        self, bucket: str, prefix: str, keys: Sequence[str], expected: Collection[str] = ()
    ) -> Iterator[list[S3Object]]:
        """Those of the keys that are there, in pages: by listing where they are dense, by HEAD where they are sparse.

        :param keys: sorted, below the prefix.
        :param expected: what a listing does not show of these is asked for by HEAD: a store need not list in order.
        """
        return self._lookup(bucket).find(prefix, keys, expected)

    def head(self, bucket: str, key: str) -> S3Object | None:
        """The object now; None only where the store says 404.

        :raises ClientError: any other refusal.
        """
        return self._requests.head(bucket, key)

    def head_objects(self, bucket: str, keys: Iterable[str]) -> Iterator[list[S3Object]]:
        """Those of the keys that are there, in pages; one request a key, many at once.

        :raises ClientError: the store refuses.
        """
        return self._lookup(bucket).head_all(keys)

    def shown_properties(self, bucket: str, keys: Sequence[str]) -> list[dict[str, str] | None]:
        """What a HEAD shows of each that copies keep, in order; None where there is no object. Many at once.

        :raises ClientError: the store refuses.
        """
        asked = [self.transport.threads.submit(shown_properties, self.client, bucket, key) for key in keys]
        return [each.result() for each in asked]

    def look(self, bucket: str, keys: Sequence[str]) -> dict[str, Look | Exception | None]:
        """By key all headers of a HEAD, checksums included; None where nothing is; or the refusal. Many at once."""

        def start(key: str, pipeline: Pipeline[tuple[str, Look | Exception | None]]) -> None:
            self.transport.start_look(bucket, key, lambda found: pipeline.answer((key, found)), pipeline.given_up)

        return dict(Pipeline[tuple[str, Look | Exception | None]](self.requests_in_flight).run(start, keys))

    def same_bytes(self, source_bucket: str, source: KeyAndEtag, bucket: str, target: KeyAndEtag) -> bool:
        """Whether both versions hold the same bytes: all of them are fetched, in the thread that asks.

        :raises ClientError: 404, 412: one of them was rewritten.
        """
        return self._requests.same_bytes(source_bucket, source, bucket, target)

    def copy_objects(
        self, source_bucket: str, bucket: str, copies: Iterable[Copy], settings: CopySettings = AS_S3
    ) -> Generator[CopyResult, None, None]:
        """Make the copies, many at once; each result as it comes. Raises for none of them.

        :param settings: what they are made with.
        """
        copier = Copier(
            self.transport,
            self._requests,
            source_bucket,
            bucket,
            copy_limit=self.copy_limit,
            part_size=self.part_size,
            website=self._website(source_bucket),
            settings=settings,
        )
        return Pipeline[CopyResult](self.requests_in_flight).run(copier.start, copies)

    def delete_versions(self, bucket: str, versions: Sequence[KeyAndEtag], until: float) -> Deletions:
        """Delete each key only while it still has this ETag: a thousand a request.

        :param versions: (key, ETag) pairs.
        :param until: time.monotonic() after which nothing is sent, and the store is told to refuse what was.
        """
        return self._deleter(bucket).delete(versions, until)

    def refuses_late(self, bucket: str, key: str, etag: str) -> bool:
        """Whether the store refuses a deletion that comes after its expiry; where it does not, the object is gone."""
        return self._deleter(bucket).refuses_late(key, etag)

    def unfinished_uploads(self, bucket: str, prefix: str) -> list[Upload]:
        """Uploads in parts that were neither completed nor given up, the first thousand: kills leave them.

        :raises ClientError: the store refuses.
        :raises BotoCoreError: it does not answer.
        """
        return unfinished_uploads(self.client, bucket, prefix)

    def take_requests(self) -> Requests:
        """Requests sent since the last call, retries included, by (operation, outcome): `200`, `503 SlowDown`."""
        return self.counter.take()

    def close(self) -> None:
        """Give up what is queued; requests in flight end by themselves, or are given up after some seconds."""
        if "transport" in self.__dict__:
            self.transport.close()

    # -- what sends it ------------------------------------------------------------------------------------------

    @cached_property
    def client(self) -> S3Client:
        """boto3's, for all but the bulk."""
        if self.aws_conn_id:
            self.get_connection(self.aws_conn_id)  # or S3Hook takes whatever credentials the worker has
        client = cast("S3Client", self.get_conn())
        read_errors_of(client)
        sends_header_lines(client)
        client.meta.events.register("response-received.s3", self._see_response)
        return client

    @cached_property
    def credentials(self) -> Credentials | None:
        return self.get_session(region_name=self.region_name).get_credentials()

    @cached_property
    def transport(self) -> Transport:
        """What sends the bulk."""
        client, credentials = self.client, self.credentials  # made here: creating a client is not thread-safe
        why = "so declared" if self.engine is Engine.THREADS else unfit(client, credentials)
        if why or credentials is None:
            log.info("%s: requests by boto3 in threads (%s)", self.aws_conn_id, why)
            return Boto3Transport(self._requests, Threads(self.requests_in_flight, self.window))
        runtime = CrtClient(client, credentials, self.verify, self.window, self.attempts, self.counter.count)
        threads = Threads(min(self.requests_in_flight, THREADS), self.window)
        return CrtTransport(runtime, Boto3Transport(self._requests, threads))

    @cached_property
    def _requests(self) -> Boto3Requests:
        return Boto3Requests(self.client)

    @cached_property
    def _signer(self) -> ExpiringSigner | None:
        """Only version 4 of S3's signatures expires."""
        client, credentials = self.client, self.credentials
        signs = credentials is not None and cast("Any", client.meta.config).signature_version in VERSION_4
        return ExpiringSigner(client, credentials) if signs and credentials else None

    def _website(self, bucket: str) -> Website:
        return self._websites.setdefault(bucket, Website(bucket, partial(self.transport.start_website, bucket)))

    def _deleter(self, bucket: str) -> Deleter:
        return Deleter(self._requests, self._signer, self.transport.threads, bucket)

    def _lookup(self, bucket: str) -> Lookup:
        return Lookup(self.transport, bucket, self.requests_in_flight)

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

    def _see_response(
        self, event_name: str, parsed_response: dict[str, Any] | None, exception: Exception | None, **_: Any
    ) -> None:
        """Each answer that boto3 gets, retries included."""
        operation = event_name.rpartition(".")[2]
        if operation == "HeadBucket":  # never sent: the endpoint of a bucket is looked up by it
            return
        if parsed_response is None:
            self.counter.count(operation, 0, error_code(exception) if exception else "?")
            return
        status = parsed_response["ResponseMetadata"]["HTTPStatusCode"]
        self.counter.count(operation, status, parsed_response.get("Error", {}).get("Code", ""))
        if status in {429, 503}:
            self.window.slow_down_here()

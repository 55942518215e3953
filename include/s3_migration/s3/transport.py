"""The requests that come by the million, by whichever engine serves: AWS's Common Runtime, or boto3 in threads.

Nobody who asks knows which one it is: an answer is a value, a refusal is the exception that boto3 would have raised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import partial
from threading import Event
from typing import Protocol, TypeVar
from urllib.parse import quote, urlencode

from s3_migration.model.error_codes import Then
from s3_migration.model.objects import S3Object
from s3_migration.s3.boto3_requests import Boto3Requests, object_of_head
from s3_migration.s3.crt_client import Answer, CrtClient
from s3_migration.s3.errors import IncompleteResponse, as_boto3
from s3_migration.s3.pages import listed_page
from s3_migration.s3.parallel_listing import Page
from s3_migration.s3.threads import Threads
from s3_migration.s3.types import Copied, Copy
from s3_migration.s3.website import may_be_website
from s3_migration.s3.xml import copy_result, listing_answer

R = TypeVar("R")
OnAnswer = Callable[[R | Exception], None]


class Transport(Protocol):
    """What is started is answered once, in any thread, by a quick `on_answer`; never, if it is given up before."""

    @property
    def threads(self) -> Threads:
        """For what is not sent by the million."""

    def list_page(self, bucket: str, prefix: str, after: str = "", token: str | None = None) -> Page[S3Object]:
        """The first page of what comes after a key, or the page of a continuation token; waits for it.

        :raises ClientError: the store refuses.
        :raises BotoCoreError: it does not answer.
        """

    def start_head(self, bucket: str, key: str, on_answer: OnAnswer[S3Object | None], given_up: Event) -> None:
        """Ask what is at a key, which need be no legal one."""

    def start_look(self, bucket: str, key: str, on_answer: OnAnswer[Mapping[str, str] | None], given_up: Event) -> None:
        """Ask for all headers of a HEAD, names in small letters, checksums included; None: there is no object."""

    def start_copy(
        self,
        source_bucket: str,
        bucket: str,
        copy: Copy,
        lines: Mapping[str, str],
        on_answer: OnAnswer[Copied],
        given_up: Event,
    ) -> None:
        """Make a copy, of up to 5 GiB, under its conditions, with these header lines."""

    def start_website(self, bucket: str, on_answer: OnAnswer[bool]) -> None:
        """Ask whether the bucket may be a website; always answered, but once it is closed."""

    def close(self) -> None:
        """Give up what is queued; requests in flight end by themselves, or are given up after some seconds."""


class Boto3Transport:
    """boto3, a thread a request."""

    def __init__(self, requests: Boto3Requests, threads: Threads) -> None:
        self.threads = threads
        self._requests = requests
        self.list_page = requests.list_page

    def start_head(self, bucket: str, key: str, on_answer: OnAnswer[S3Object | None], given_up: Event) -> None:
        self.threads.start(partial(self._requests.head_any, bucket, key), on_answer, given_up)

    def start_look(self, bucket: str, key: str, on_answer: OnAnswer[Mapping[str, str] | None], given_up: Event) -> None:
        self.threads.start(partial(self._requests.look, bucket, key), on_answer, given_up, in_window=True)

    def start_copy(
        self,
        source_bucket: str,
        bucket: str,
        copy: Copy,
        lines: Mapping[str, str],
        on_answer: OnAnswer[Copied],
        given_up: Event,
    ) -> None:
        work = partial(self._requests.copy, source_bucket, bucket, copy, lines)
        self.threads.start(work, on_answer, given_up, in_window=True)

    def start_website(self, bucket: str, on_answer: OnAnswer[bool]) -> None:
        self.threads.start(partial(self._requests.may_be_website, bucket), on_answer, Event())

    def close(self) -> None:
        self.threads.close()


class CrtTransport:
    """The Common Runtime; what it cannot settle (a redirect, a 400, a HEAD's bare refusal) is asked again by boto3."""

    def __init__(self, client: CrtClient, boto3: Boto3Transport) -> None:
        self.client = client
        self.threads = boto3.threads
        self._boto3 = boto3

    def list_page(self, bucket: str, prefix: str, after: str = "", token: str | None = None) -> Page[S3Object]:
        query = {"encoding-type": "url", "list-type": "2", "prefix": prefix}
        query |= {"continuation-token": token} if token else {"start-after": after} if after else {}
        answer = self.client.ask("ListObjectsV2", "GET", bucket, "", query=urlencode(query, quote_via=quote))
        if _unsettled(answer):
            return self._boto3.list_page(bucket, prefix, after, token)
        if answer.code:
            raise _refusal("ListObjectsV2", answer)
        listed, truncated, following = listing_answer(answer.body)
        return listed_page(f"s3://{bucket}/{prefix}", after, token, listed, truncated=truncated, token=following)

    def start_head(self, bucket: str, key: str, on_answer: OnAnswer[S3Object | None], given_up: Event) -> None:
        def shown(headers: Mapping[str, str]) -> S3Object | None:
            size, modified = int(headers["content-length"]), headers["last-modified"]
            return object_of_head(key, size, headers["etag"], parsedate_to_datetime(modified))

        self._start_head(bucket, key, shown, on_answer, given_up, self._boto3.start_head)

    def start_look(self, bucket: str, key: str, on_answer: OnAnswer[Mapping[str, str] | None], given_up: Event) -> None:
        asked = [("x-amz-checksum-mode", "ENABLED")]
        self._start_head(bucket, key, lambda headers: headers, on_answer, given_up, self._boto3.start_look, asked)

    def _start_head(
        self,
        bucket: str,
        key: str,
        shown: Callable[[Mapping[str, str]], R | None],
        on_answer: OnAnswer[R | None],
        given_up: Event,
        again: Callable[[str, str, OnAnswer[R | None], Event], None],
        asked: Sequence[tuple[str, str]] = (),
    ) -> None:
        """:param again: the same by boto3."""

        def answered(answer: Answer) -> None:
            if answer.status == 404 and answer.then is Then.JUDGE:  # and not for want of a bucket
                on_answer(None)
            elif answer.code:
                again(bucket, key, on_answer, given_up)
            else:
                on_answer(shown(answer.headers))

        handle = _guarded(answered, on_answer)
        self.client.send("HeadObject", "HEAD", bucket, key, handle, headers=asked, given_up=given_up)

    def start_copy(
        self,
        source_bucket: str,
        bucket: str,
        copy: Copy,
        lines: Mapping[str, str],
        on_answer: OnAnswer[Copied],
        given_up: Event,
    ) -> None:
        def answered(answer: Answer) -> None:
            if not answer.code:
                made = copy_result(answer.body)
                on_answer(made or IncompleteResponse("the store said 200 without ETag or time"))
            elif _unsettled(answer):
                self._boto3.start_copy(source_bucket, bucket, copy, lines, on_answer, given_up)
            else:
                on_answer(_refusal("CopyObject", answer))

        self.client.send(
            "CopyObject",
            "PUT",
            bucket,
            copy.target,
            _guarded(answered, on_answer),
            headers=[
                ("x-amz-copy-source", quote(f"{source_bucket}/{copy.key}", safe="/-_.~")),
                ("x-amz-copy-source-if-match", copy.source_condition),
                ("if-match", f'"{copy.replaces}"') if copy.replaces else ("if-none-match", "*"),
                *lines.items(),
            ],
            given_up=given_up,
        )

    def start_website(self, bucket: str, on_answer: OnAnswer[bool]) -> None:
        def answered(answer: Answer) -> None:
            if not answer.status:
                on_answer(_refusal("GetBucketWebsite", answer))
            elif _unsettled(answer):
                self._boto3.start_website(bucket, on_answer)
            else:
                on_answer(not answer.code or may_be_website(answer.code))

        self.client.send("GetBucketWebsite", "GET", bucket, "", _guarded(answered, on_answer), query="website=")

    def close(self) -> None:
        self._boto3.close()
        self.client.close()


def _guarded(handle: Callable[[Answer], None], on_error: Callable[[Exception], None]) -> Callable[[Answer], None]:
    """What fails on the way is the answer: nobody sees what is raised in the Common Runtime's threads."""

    def run(answer: Answer) -> None:
        try:
            handle(answer)
        except Exception as error:
            on_error(error)

    return run


def _unsettled(answer: Answer) -> bool:
    """Whether boto3 may know more: where the bucket is, that a token has to be renewed."""
    return bool(answer.code) and (answer.status == 400 or 300 <= answer.status < 400)


def _refusal(operation: str, answer: Answer) -> Exception:
    return as_boto3(operation, answer.status, answer.code, answer.message)

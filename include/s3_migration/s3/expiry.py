"""Requests that the store itself refuses once their time is over: by the expiry of their signature."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from awscrt.auth import (
    AwsCredentialsProvider,
    AwsSignatureType,
    AwsSignedBodyValue,
    AwsSigningAlgorithm,
    AwsSigningConfig,
    aws_sign_request,
)
from awscrt.http import HttpHeaders, HttpRequest
from botocore import UNSIGNED
from botocore.exceptions import BotoCoreError

if TYPE_CHECKING:
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    from mypy_boto3_s3 import S3Client

OPERATIONS = ("DeleteObjects", "DeleteObject")
# What a proxy or the HTTP client may still change.
_NOT_SIGNED = frozenset({"user-agent", "content-length", "expect", "amz-sdk-invocation-id", "amz-sdk-request"})


class RequestExpired(BotoCoreError):
    """Not sent, or not sent again: its time was over."""

    fmt = "its time was over before the store answered"


@dataclass
class Expiry:
    """Of one request and its retries."""

    until: float  # time.monotonic() after which the store is to refuse it
    ago: float = 0.0  # seconds: sign as if it was so much earlier
    sent: int = 0
    answered: int = 0

    @property
    def under_way(self) -> bool:
        """Whether the store may still carry it out."""
        return self.answered < self.sent


class ExpiringSigner:
    """Signs the deletions of one boto3 client in the query, each try with what is left of its time.

    The time is the store's, as its last answer told it: never ahead of it, and up to a second behind.
    """

    def __init__(self, client: S3Client, credentials: Credentials) -> None:
        self._credentials = credentials
        self._store_ahead: float | None = None  # of time.monotonic()
        self._of_thread = threading.local()
        events = client.meta.events
        events.register("response-received.s3", self._see_answer)
        for operation in OPERATIONS:
            events.register(f"choose-signer.s3.{operation}", cast("Any", self._choose))
            events.register(f"before-sign.s3.{operation}", self._sign)

    @property
    def knows_time(self) -> bool:
        """Whether the store has said yet what time it is."""
        return self._store_ahead is not None

    @contextmanager
    def expiring(self, expiry: Expiry) -> Iterator[None]:
        """What this thread sends meanwhile expires."""
        self._of_thread.expiry = expiry
        try:
            yield
        finally:
            self._of_thread.expiry = None

    def _current(self) -> Expiry | None:
        return getattr(self._of_thread, "expiry", None)

    def _see_answer(self, parsed_response: dict[str, Any] | None, **_: Any) -> None:
        if parsed_response is None:
            return
        if expiry := self._current():
            expiry.answered += 1
        if date := parsed_response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date"):
            self._store_ahead = parsedate_to_datetime(date).timestamp() - time.monotonic()

    def _choose(self, **_: Any) -> object:
        return UNSIGNED if self._current() else None  # by boto3; `_sign` does it

    def _sign(self, request: AWSRequest, region_name: str, **_: Any) -> None:
        if (expiry := self._current()) is None:
            return
        now = time.monotonic()
        left = int(expiry.until - now)
        if left < 1:
            raise RequestExpired
        ahead = self._store_ahead if self._store_ahead is not None else time.time() - now
        url, context = urlsplit(str(request.url)), request.context.get("signing", {})
        headers = [(name, _text(value)) for name, value in request.headers.items() if name.lower() not in _NOT_SIGNED]
        frozen = self._credentials.get_frozen_credentials()
        config = AwsSigningConfig(
            algorithm=AwsSigningAlgorithm.V4,
            signature_type=AwsSignatureType.HTTP_REQUEST_QUERY_PARAMS,
            credentials_provider=AwsCredentialsProvider.new_static(frozen.access_key, frozen.secret_key, frozen.token),
            region=context.get("region") or region_name,
            service=context.get("signing_name") or "s3",
            date=datetime.fromtimestamp(now + ahead, timezone.utc) - timedelta(seconds=expiry.ago),
            expiration_in_seconds=left,
            use_double_uri_encode=False,
            should_normalize_uri_path=False,
            signed_body_value=AwsSignedBodyValue.UNSIGNED_PAYLOAD,
        )
        target = f"{url.path}?{url.query}" if url.query else url.path
        http = HttpRequest(request.method, target, HttpHeaders([("host", url.netloc), *headers]))
        request.url = f"{url.scheme}://{url.netloc}{aws_sign_request(http, config).result().path}"
        expiry.sent += 1


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value

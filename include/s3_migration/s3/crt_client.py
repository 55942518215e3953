"""Plain S3 requests by the hundred: AWS's Common Runtime (awscrt) signs, sends and receives in a thread of its own.

Its HTTP client and its signer, not its S3 client: that one takes twice the processor time for each request, retries
without telling, and hides the status of what it may retry.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import SplitResult, quote

from awscrt.http import HttpClientConnection, HttpHeaders, HttpRequest

from s3_migration.model.error_codes import NO_ANSWER, Then
from s3_migration.s3.congestion_window import CongestionWindow
from s3_migration.s3.crt_connection import Connections, Endpoints, Signer
from s3_migration.s3.errors import read_error
from s3_migration.s3.timer import Timer

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from mypy_boto3_s3 import S3Client as Boto3Client

# A request that got no complete answer for so long is given up, and sent again. Seconds.
TIMEOUT = 60
# How long `close` lets what is in flight end by itself. Seconds.
CLOSE_TIMEOUT = 8


class Answer(NamedTuple):
    """What became of a request, after its retries. `code` is empty where S3 did what was asked."""

    status: int  # 0: no answer came
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    code: str  # S3's error code, `ConnectionError` where no answer came
    message: str
    then: Then | None  # what to do about the code


def _no_answer(why: str) -> Answer:
    return Answer(0, {}, b"", NO_ANSWER, why, Then.RETRY)


_GIVEN_UP = _no_answer("given up")


@dataclass(slots=True)
class _Request:
    operation: str
    method: str
    url: SplitResult  # of the bucket
    target: str
    added: Sequence[tuple[str, str]]
    on_answer: Callable[[Answer], None]
    given_up: threading.Event | None
    tries: int = 0
    token: int = 0  # of the window
    sent: float = 0.0
    connection: HttpClientConnection | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: list[bytes] = field(default_factory=list)

    def http(self) -> HttpRequest:
        """To be signed: a signature is for one try."""
        own = [("host", self.url.netloc), *self.added]
        if self.method == "PUT":
            own.append(("content-length", "0"))
        return HttpRequest(self.method, self.target, HttpHeaders(own))

    def on_response(self, http_stream: object, status_code: int, headers: list[tuple[str, str]], **_: Any) -> None:
        self.headers = {name.lower(): value for name, value in headers}

    def on_body(self, http_stream: object, chunk: bytes, **_: Any) -> None:
        self.body.append(chunk)

    def answer(self, status: int, error: BaseException | None) -> Answer:
        """What came of the last try."""
        if error is not None or not status:
            return _no_answer(str(error))
        body = b"".join(self.body)
        if failed := read_error(status, body, self.headers):
            return Answer(failed.status, self.headers, body, failed.code, failed.message, failed.then)
        return Answer(status, self.headers, body, "", "", None)


class CrtClient:
    """Sends requests as the boto3 client would: to its endpoints, in its region, with its credentials and TLS settings.

    Every try is one request, counted; retries are made here, so that the window sees each SlowDown.

    :param count: told operation, HTTP status (0: no answer) and error code of each try.
    """

    def __init__(
        self,
        client: Boto3Client,
        credentials: Credentials,
        verify: bool | str | None,
        window: CongestionWindow,
        attempts: int,
        count: Callable[[str, int, str], None],
    ) -> None:
        self._window, self._attempts, self._count = window, attempts, count
        self._endpoints = Endpoints(client)
        self._signer = Signer(credentials, client.meta.region_name)
        self._connections = Connections(tls=client.meta.endpoint_url.startswith("https:"), verify=verify)
        self._waiting: deque[_Request] = deque()
        self._in_flight: dict[int, _Request] = {}
        self._closed = False
        self._timer = Timer(self._every_second)
        window.on_room = self._pump

    # -- asking ---------------------------------------------------------------------------------------------------

    def send(
        self,
        operation: str,
        method: str,
        bucket: str,
        key: str,
        on_answer: Callable[[Answer], None],
        *,
        query: str = "",
        headers: Sequence[tuple[str, str]] = (),
        given_up: threading.Event | None = None,
    ) -> None:
        """Send as soon as the window has room. `on_answer` is called once, in any thread, and must be quick.

        :param operation: S3's name, e.g. CopyObject.
        :param query: as it stands in the URL.
        :param given_up: once it is set the request is not sent any more, and not answered.
        """
        url = self._endpoints.of(bucket)
        target = f"{url.path}/{quote(key, safe='/-_.~')}"
        target = f"{target}?{query}" if query else target
        self._waiting.append(_Request(operation, method, url, target, headers, on_answer, given_up))
        self._pump()

    def ask(self, operation: str, method: str, bucket: str, key: str, *, query: str = "") -> Answer:
        """As `send`, waiting for the answer."""
        answer: Future[Answer] = Future()
        self.send(operation, method, bucket, key, answer.set_result, query=query)
        return answer.result()

    def close(self) -> None:
        """Give up what waits; let what is in flight end, and give it up, too, where that takes long."""
        self._closed = True
        while self._waiting:
            self._waiting.popleft().on_answer(_GIVEN_UP)
        until = time.monotonic() + CLOSE_TIMEOUT
        while self._in_flight and time.monotonic() < until + 2:
            if time.monotonic() > until:
                self._cut(list(self._in_flight.values()))
            time.sleep(0.02)
        self._timer.stop()
        self._connections.close()

    # -- sending --------------------------------------------------------------------------------------------------

    def _pump(self) -> None:
        """Send what waits, as far as the window allows."""
        while self._waiting:
            token = self._window.try_enter()
            if token is None:
                return
            try:
                request = self._waiting.popleft()
            except IndexError:  # another thread was faster
                self._window.leave(token, answered=False)
                return
            if request.given_up is not None and request.given_up.is_set():
                self._window.leave(token, answered=False)
                continue
            request.token = token
            self._start(request)

    def _start(self, request: _Request) -> None:
        request.tries += 1
        request.headers, request.body, request.sent = {}, [], time.monotonic()
        self._in_flight[id(request)] = request
        try:
            self._signer.sign(request.http()).add_done_callback(partial(self._signed, request))
        except Exception as error:  # no credentials, say: an answer as any other
            self._done(request, 0, error)

    def _signed(self, request: _Request, signed: Future[HttpRequest]) -> None:
        try:
            http = signed.result()
            if connection := self._connections.take(request.url):
                self._exchange(request, http, connection)
            else:
                self._connections.open(request.url).add_done_callback(partial(self._connected, request, http))
        except Exception as error:
            self._done(request, 0, error)

    def _connected(self, request: _Request, http: HttpRequest, opened: Future[HttpClientConnection]) -> None:
        try:
            self._exchange(request, http, opened.result())
        except Exception as error:
            self._done(request, 0, error)

    def _exchange(self, request: _Request, http: HttpRequest, connection: HttpClientConnection) -> None:
        request.connection = connection
        # Nobody asks for the headers of the others.
        on_response = request.on_response if request.operation == "HeadObject" else None
        stream = connection.request(http, on_response, request.on_body)
        stream.completion_future.add_done_callback(partial(self._completed, request))
        stream.activate()

    def _completed(self, request: _Request, completed: Future[int]) -> None:
        connection, request.connection = request.connection, None
        error = completed.exception()
        if error is None and connection is not None:
            self._connections.give_back(request.url, connection)
        self._done(request, 0 if error else completed.result(), error)

    def _done(self, request: _Request, status: int, error: BaseException | None) -> None:
        self._in_flight.pop(id(request), None)
        answer = request.answer(status, error)
        self._count(request.operation, answer.status, answer.code)
        if answer.status in {429, 503}:
            self._window.slow_down(request.token)
        self._window.leave(request.token, answered=bool(answer.status))
        if answer.then is Then.RETRY and request.tries < self._attempts and not self._closed:
            self._timer.call_in(pause(request.tries), lambda: self._again(request))
        else:
            request.on_answer(answer)
        self._pump()

    def _again(self, request: _Request) -> None:
        if self._closed:
            request.on_answer(_GIVEN_UP)
            return
        self._waiting.appendleft(request)
        self._pump()

    def _every_second(self) -> None:
        """Give up what is overdue."""
        long_ago = time.monotonic() - TIMEOUT
        self._cut([request for request in list(self._in_flight.values()) if request.sent < long_ago])

    def _cut(self, requests: list[_Request]) -> None:
        for request in requests:
            if connection := request.connection:
                connection.close()


def pause(tries: int) -> float:
    """Seconds before the next try: a random part of twice the time before."""
    return random.random() * min(0.5 * 2.0**tries, 20)  # noqa: S311

"""Plain S3 requests by the hundred: AWS's Common Runtime (awscrt) signs, sends and receives in a thread of its own.

Its HTTP client and its signer, not its S3 client: that one takes twice the processor time for each request, retries
without telling, and hides the status of what it may retry.
"""

from __future__ import annotations

import heapq
import itertools
import random
import re
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cache, partial
from html import unescape
from typing import TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import SplitResult, quote, urlsplit

from awscrt.auth import AwsCredentialsProvider, AwsSigningConfig, aws_sign_request
from awscrt.http import HttpClientConnection, HttpHeaders, HttpRequest
from awscrt.io import (
    ClientBootstrap,
    ClientTlsContext,
    DefaultHostResolver,
    EventLoopGroup,
    SocketOptions,
    TlsContextOptions,
)
from awscrt.s3 import create_default_s3_signing_config
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies

from s3_migration.model.error_codes import retryable
from s3_migration.s3.congestion_window import CongestionWindow

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest
    from botocore.credentials import Credentials
    from mypy_boto3_s3 import S3Client as Boto3Client

# A request that got no whole answer for so long is given up, and sent again. Seconds.
TIMEOUT = 60
CONNECT_TIMEOUT = 10
# How long `close` lets what is in flight end by itself. Seconds.
CLOSE_TIMEOUT = 8
# A signature carries its time, to which S3 allows a quarter of an hour. Seconds.
SIGNING_TIME = 60
_NO_ANSWER = "ConnectionError"
_ERROR = re.compile(rb"<(Code|Message)>(.*?)</", re.DOTALL)
# S3 may answer 200 before it knows, keep the connection alive with blanks, and say in the end that it failed.
_ERROR_IN_200 = re.compile(rb"\s*(<\?xml[^>]*>)?\s*<Error>")


class Answer(NamedTuple):
    """What became of a request, after its retries. `code` is empty where S3 did what was asked."""

    status: int  # 0: no answer came
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    code: str  # S3's error code, `ConnectionError` where no answer came
    message: str


_GIVEN_UP = Answer(0, {}, b"", _NO_ANSWER, "given up")


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


def unfit(client: Boto3Client, credentials: Credentials | None) -> str | None:
    """Why this connection cannot be served by the Common Runtime; None where it can."""
    config, endpoint = cast("Any", client.meta.config), client.meta.endpoint_url
    if credentials is None:
        return "there are no credentials"
    if config.proxies or get_environ_proxies(endpoint):
        return "a proxy stands between"
    if config.client_cert:
        return "the connection has a client certificate"
    if config.signature_version not in {"s3v4", "v4"}:
        return f"requests are signed by {config.signature_version}"
    return None


class _Seen(Exception):
    """The URL of a request that was about to be sent."""


class CrtClient:
    """Sends requests as the boto3 client would: to its endpoints, in its region, with its credentials and TLS settings.

    Every try is one request, counted; retries are made here, so that the window sees each SlowDown.

    :param count: told operation and outcome (HTTP status, or `ConnectionError`) of each try.
    """

    def __init__(
        self,
        client: Boto3Client,
        credentials: Credentials,
        verify: bool | str | None,
        window: CongestionWindow,
        attempts: int,
        count: Callable[[str, str], None],
    ) -> None:
        self._boto3, self._credentials = client, credentials
        self._window, self._attempts, self._count = window, attempts, count
        self._region = {"aws-global": "us-east-1"}.get(client.meta.region_name, client.meta.region_name)
        self._signing: tuple[object, float, AwsSigningConfig] | None = None
        self._waiting: deque[_Request] = deque()
        self._in_flight: dict[int, _Request] = {}
        self._idle: defaultdict[str, list[HttpClientConnection]] = defaultdict(list)
        self._closed = False
        # One thread: its work is C, and the callbacks share one interpreter anyhow.
        loops = EventLoopGroup(1)
        self._bootstrap = ClientBootstrap(loops, DefaultHostResolver(loops))
        self._socket = SocketOptions()
        self._socket.connect_timeout_ms = CONNECT_TIMEOUT * 1000
        self._socket.keep_alive = True
        options = TlsContextOptions()
        options.verify_peer = verify is not False
        if verify is not False:
            # The certificates that boto3 trusts; the system's may not even be there.
            trusted = verify if isinstance(verify, str) else get_cert_path(True)
            options.override_default_trust_store_from_path(None, trusted)
        self._tls = ClientTlsContext(options) if client.meta.endpoint_url.startswith("https:") else None
        self._clock = _Clock(self._give_up_overdue)
        self._finding = threading.Lock()
        self._endpoint = cache(self._find_endpoint)

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

        :param operation: S3's name, e.g. CopyObject: it says whether a 200 may carry an error.
        :param query: as it stands in the URL.
        :param given_up: once it is set the request is not sent any more, and not answered.
        """
        url = self._endpoint(bucket)
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
        self._clock.stop()
        for connection in itertools.chain.from_iterable(self._idle.values()):
            connection.close()

    def _find_endpoint(self, bucket: str) -> SplitResult:
        """A bucket's URL, as boto3 addresses it: seen of a request that is not sent."""

        def seen(request: AWSPreparedRequest, **_: Any) -> None:
            raise _Seen(request.url)

        events = self._boto3.meta.events
        with self._finding:
            events.register_first("before-send.s3.HeadBucket", seen)
            try:
                self._boto3.head_bucket(Bucket=bucket)
            except _Seen as found:
                url = urlsplit(str(found))
            finally:
                events.unregister("before-send.s3.HeadBucket", seen)
        return url._replace(path=url.path.rstrip("/"))

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
            aws_sign_request(request.http(), self._sign()).add_done_callback(partial(self._signed, request))
        except Exception as error:  # no credentials, say: an answer as any other
            self._done(request, 0, error)

    def _sign(self) -> AwsSigningConfig:
        """With the credentials as they are now: botocore refreshes those that expire."""
        credentials, now = self._credentials.get_frozen_credentials(), time.monotonic()
        if self._signing is None or self._signing[0] != credentials or self._signing[1] < now - SIGNING_TIME:
            given = AwsCredentialsProvider.new_static(credentials.access_key, credentials.secret_key, credentials.token)
            config = create_default_s3_signing_config(region=self._region, credential_provider=given)
            self._signing = credentials, now, config
        return self._signing[2]

    def _signed(self, request: _Request, signed: Future[HttpRequest]) -> None:
        try:
            http, idle = signed.result(), self._idle[request.url.netloc]
            while idle:
                connection = idle.pop()
                if connection.is_open():
                    self._exchange(request, http, connection)
                    return
            self._connect(request.url).add_done_callback(partial(self._connected, request, http))
        except Exception as error:
            self._done(request, 0, error)

    def _connect(self, url: SplitResult) -> Future[HttpClientConnection]:
        tls = None
        if self._tls is not None:
            tls = self._tls.new_connection_options()
            tls.set_server_name(url.hostname)
        port = url.port or (443 if self._tls else 80)
        made = HttpClientConnection.new(url.hostname, port, self._bootstrap, self._socket, tls)
        return cast("Future[HttpClientConnection]", made)

    def _connected(self, request: _Request, http: HttpRequest, made: Future[HttpClientConnection]) -> None:
        try:
            self._exchange(request, http, made.result())
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
            self._idle[request.url.netloc].append(connection)
        self._done(request, 0 if error else completed.result(), error)

    def _done(self, request: _Request, status: int, error: BaseException | None) -> None:
        self._in_flight.pop(id(request), None)
        answer = _answer(request, status, error)
        self._count(request.operation, str(answer.status or answer.code))
        if answer.status in {429, 503}:
            self._window.slow_down(request.token)
        self._window.leave(request.token, answered=bool(answer.status))
        again = retryable(answer.code) and answer.status not in {404, 409, 412}
        if again and request.tries < self._attempts and not self._closed:
            self._clock.call_in(pause(request.tries), lambda: self._again(request))
        else:
            request.on_answer(answer)
        self._pump()

    def _again(self, request: _Request) -> None:
        if self._closed:
            request.on_answer(_GIVEN_UP)
            return
        self._waiting.appendleft(request)
        self._pump()

    def _give_up_overdue(self) -> None:
        long_ago = time.monotonic() - TIMEOUT
        self._cut([request for request in list(self._in_flight.values()) if request.sent < long_ago])

    def _cut(self, requests: list[_Request]) -> None:
        for request in requests:
            if connection := request.connection:
                connection.close()


def pause(tries: int) -> float:
    """Seconds before the next try: a random part of twice the time before."""
    return random.random() * min(0.5 * 2.0**tries, 20)  # noqa: S311


def _answer(request: _Request, status: int, error: BaseException | None) -> Answer:
    body = b"".join(request.body)
    if error is not None or not status:
        return Answer(0, {}, b"", _NO_ANSWER, str(error))
    failed_late = status == 200 and _ERROR_IN_200.match(body)
    if status < 300 and not failed_late:
        return Answer(status, request.headers, body, "", "")
    said = {name: unescape(text.decode(errors="replace")) for name, text in _ERROR.findall(body)}
    # It counts as what it is.
    status = 500 if failed_late else status
    return Answer(status, request.headers, body, said.get(b"Code") or str(status), said.get(b"Message", ""))


class _Clock:
    """One thread for all that is to be done later, and once a second for what must not be forgotten."""

    def __init__(self, every_second: Callable[[], None]) -> None:
        self._every_second = every_second
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._stopped = False
        threading.Thread(target=self._run, name="s3-clock", daemon=True).start()

    def call_in(self, seconds: float, what: Callable[[], None]) -> None:
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._numbers), what))
            self._changed.notify()

    def stop(self) -> None:
        """What was still to be done is done now, so that nobody waits for it."""
        with self._changed:
            self._stopped = True
            left, self._due = self._due, []
            self._changed.notify()
        for _, _, what in left:
            what()

    def _run(self) -> None:
        look = time.monotonic() + 1
        while not self._stopped:
            with self._changed:
                next_due = self._due[0][0] if self._due else look
                self._changed.wait(max(0.0, min(next_due, look) - time.monotonic()))
                now = time.monotonic()
                due = []
                while self._due and self._due[0][0] <= now:
                    due.append(heapq.heappop(self._due)[2])
            for what in due:
                what()
            if now >= look:
                look = now + 1
                self._every_second()

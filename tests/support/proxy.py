"""A proxy in front of a real S3 server that does what real networks and lesser stores do.

A fault is a function around the forwarding of one request:

    with Proxy(s3.endpoint_url) as proxy:
        proxy.fault("CopyObject", slow_down, times=2)
        proxy.fault("DeleteObjects", lose_answer)
        proxy.fault("CopyObject", before(lambda: product.put("legacy", key, b"rewritten")), times=1)
        ...
        assert proxy.seen["CopyObject"] == 3

The Host header is passed on as it came, so that the client's signature stays valid; a fault that changes what is
signed asks for a signature of its own, as the same identity.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qs, unquote, urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

# Of every identity of the tests.
SECRET = "secret"
CONDITIONS = ("if-match", "if-none-match", "x-amz-copy-source-if-match")
_OF_THE_CONNECTION = {"connection", "expect", "keep-alive", "transfer-encoding", "content-length"}


@dataclass(frozen=True)
class Request:
    method: str
    target: str  # path and query as sent
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query, keep_blank_values=True)

    @property
    def key(self) -> str:
        return unquote(self.target.partition("?")[0]).lstrip("/").partition("/")[2]

    @property
    def operation(self) -> str:
        """S3's name of what is asked."""
        query, copies = self.query, "x-amz-copy-source" in self.headers
        if self.method == "POST":
            named = {
                "delete": "DeleteObjects",
                "uploads": "CreateMultipartUpload",
                "uploadId": "CompleteMultipartUpload",
            }
            return next((name for part, name in named.items() if part in query), "Post")
        if self.method == "PUT" and "partNumber" in query:
            return "UploadPartCopy" if copies else "UploadPart"
        if self.method == "PUT":
            return "CopyObject" if copies else "PutObject"
        if self.method == "DELETE":
            return "AbortMultipartUpload" if "uploadId" in query else "DeleteObject"
        if self.method == "HEAD":
            return "HeadObject"
        if "tagging" in query:
            return "GetObjectTagging"
        return "GetObject" if self.key else "ListObjectsV2"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    sent: int | None = None  # this many bytes of the body, then the connection is cut; -1: not even a status line


Forward = Callable[[Request], Answer]
Fault = Callable[[Request, Forward], Answer]
Matches = Callable[[Request], bool]


# -- faults -------------------------------------------------------------------------------------------------------


def answer(status: int, code: str) -> Fault:
    """Answer in the server's place; it hears nothing."""
    body = f"<Error><Code>{code}</Code><Message>the proxy says {code}</Message></Error>".encode()
    return lambda request, forward: Answer(status, [("Content-Type", "application/xml")], body)


slow_down = answer(503, "SlowDown")
error_in_200 = answer(200, "InternalError")


def empty_200(request: Request, forward: Forward) -> Answer:
    return Answer(200, [], b"")


def garbled_200(request: Request, forward: Forward) -> Answer:
    return Answer(200, [("Content-Type", "application/xml")], b"<CopyObjectResult><ETag>")


def cut_midway(request: Request, forward: Forward) -> Answer:
    """The server does the work; half of what it says comes through."""
    whole = forward(request)
    return replace(whole, sent=len(whole.body) // 2)


def lose_answer(request: Request, forward: Forward) -> Answer:
    """The server does the work; the client never hears of it."""
    return replace(forward(request), sent=-1)


def lose_request(request: Request, forward: Forward) -> Answer:
    """The connection is cut before the server has heard anything."""
    return Answer(0, [], b"", sent=-1)


def delay(seconds: float) -> Fault:
    return before(lambda: time.sleep(seconds))


def before(hook: Callable[[], object]) -> Fault:
    """Something happens just before the server hears of the request."""

    def fault(request: Request, forward: Forward) -> Answer:
        hook()
        return forward(request)

    return fault


def after(hook: Callable[[], object]) -> Fault:
    """Something happens when the server has answered, before the client hears it."""

    def fault(request: Request, forward: Forward) -> Answer:
        answered = forward(request)
        hook()
        return answered

    return fault


def without(*names: str) -> Fault:
    """The server never sees these headers: a store that ignores them."""

    def fault(request: Request, forward: Forward) -> Answer:
        kept = {name: value for name, value in request.headers.items() if name not in names}
        if len(kept) == len(request.headers):
            return forward(request)
        return forward(signed(replace(request, headers=kept)))

    return fault


def without_etags(request: Request, forward: Forward) -> Answer:
    """A store that ignores the ETags in a DeleteObjects body."""
    return forward(signed(replace(request, body=re.sub(rb"<ETag>.*?</ETag>", b"", request.body))))


def ignore_conditions(request: Request, forward: Forward) -> Answer:
    """A store that ignores every condition of a write."""
    if request.operation == "DeleteObjects":
        return without_etags(request, forward)
    return without(*CONDITIONS)(request, forward)


def signed(request: Request) -> Request:
    """The request signed again, as the identity that had signed it; body digests are made again, too."""
    identity = re.search(r"Credential=([^/]+)/\d+/([^/]+)/", request.headers["authorization"])
    if identity is None:
        raise ValueError(f"not signed: {request.headers}")
    old = re.compile(r"authorization|x-amz-(date|content-sha256|checksum-.*|sdk-checksum-.*)|content-(md5|length)")
    headers = {name: value for name, value in request.headers.items() if not old.fullmatch(name)}
    if request.body:
        headers["content-md5"] = base64.b64encode(hashlib.md5(request.body).digest()).decode()  # noqa: S324 - S3's own
    url = f"http://{request.headers['host']}{request.target}"
    made = AWSRequest(request.method, url, headers, request.body)
    S3SigV4Auth(Credentials(identity[1], SECRET), "s3", identity[2]).add_auth(made)
    return replace(request, headers={name.lower(): str(value) for name, value in made.headers.items()})


# -- the proxy ----------------------------------------------------------------------------------------------------


@dataclass
class _Rule:
    matches: Matches
    fault: Fault
    left: int | None  # None: always


class Proxy:
    """Forwards to `endpoint_url`, through the faults that match; the fault added last is the outermost.

    `seen` counts what clients asked for by operation, `forwarded` what reached the server.
    """

    def __init__(self, endpoint_url: str) -> None:
        self.seen: Counter[str] = Counter()
        self.forwarded: Counter[str] = Counter()
        self.requests: list[Request] = []
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()
        self._upstream = urlsplit(endpoint_url).netloc
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def fault(self, what: str | Matches, fault: Fault, times: int | None = None) -> None:
        """From now on, `times` times or always.

        :param what: the name of an S3 operation, `*` for all, or a predicate of the request.
        """
        matches = what if callable(what) else lambda request: what in {"*", request.operation}
        with self._lock:
            self._rules.append(_Rule(matches, fault, times))

    def heal(self) -> None:
        """No more faults."""
        with self._lock:
            self._rules.clear()

    def clear(self) -> None:
        """Forget what was counted."""
        with self._lock:
            self.seen.clear()
            self.forwarded.clear()
            self.requests.clear()

    def handle(self, request: Request, upstream: http.client.HTTPConnection) -> Answer:
        def forward(asked: Request) -> Answer:
            with self._lock:
                self.forwarded[asked.operation] += 1
            return _forward(asked, upstream)

        with self._lock:
            self.seen[request.operation] += 1
            self.requests.append(request)
            faults = [rule.fault for rule in self._rules if rule.left != 0 and rule.matches(request)]
            for rule in self._rules:
                if rule.left and rule.fault in faults:
                    rule.left -= 1
        for fault in faults:
            forward = _around(fault, forward)
        return forward(request)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._upstream, timeout=60)


def _around(fault: Fault, forward: Forward) -> Forward:
    return lambda request: fault(request, forward)


def _forward(request: Request, upstream: http.client.HTTPConnection) -> Answer:
    try:
        return _ask(request, upstream)
    except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
        upstream.close()  # an idle connection that the server had closed
        return _ask(request, upstream)


def _ask(request: Request, upstream: http.client.HTTPConnection) -> Answer:
    upstream.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
    for name, value in request.headers.items():
        if name not in _OF_THE_CONNECTION:
            upstream.putheader(name, value.encode("latin-1"))
    if request.body or request.method in {"PUT", "POST"}:
        upstream.putheader("content-length", str(len(request.body)))
    upstream.endheaders(request.body or None)
    got = upstream.getresponse()
    return Answer(got.status, got.getheaders(), got.read())


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    proxy: Proxy

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no news."""


class _Handler(BaseHTTPRequestHandler):
    """One client connection; it has a connection of its own to the server."""

    protocol_version = "HTTP/1.1"
    server: _Server
    _upstream: http.client.HTTPConnection

    def setup(self) -> None:
        super().setup()
        # Answers go out in two writes; without this each waits for the client's delayed acknowledgement.
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        self._upstream = self.server.proxy.connect()

    def finish(self) -> None:
        self._upstream.close()
        super().finish()

    def log_message(self, format: str, *args: object) -> None:
        """Tests say what they saw."""

    def _handle(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        answered = self.server.proxy.handle(Request(self.command, self.path, headers, body), self._upstream)
        if answered.sent == -1:
            self.close_connection = True
            return
        self._answer(answered)

    def _answer(self, answered: Answer) -> None:
        self.send_response_only(answered.status)
        for name, value in answered.headers:
            if name.lower() not in _OF_THE_CONNECTION:
                self.send_header(name, value)
        length = str(len(answered.body))
        if self.command == "HEAD":
            length = next((value for name, value in answered.headers if name.lower() == "content-length"), "0")
        if answered.status not in {204, 304}:
            self.send_header("Content-Length", length)
        self.end_headers()
        self.wfile.write(answered.body[: answered.sent])
        if answered.sent is not None:
            self.close_connection = True

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle

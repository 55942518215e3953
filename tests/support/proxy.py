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

import asyncio
import base64
import hashlib
import http.client
import re
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType
from urllib.parse import parse_qs, unquote, urlsplit

from devstack.http_client import Signer
from devstack.http_messages import END, Connection
from devstack.http_server import Requests, listen
from devstack.ports import HOST

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
        for part, name in (
            ("tagging", "GetObjectTagging"),
            ("acl", "GetObjectAcl"),
            ("annotation", "ListObjectAnnotations"),
            ("website", "GetBucketWebsite"),
            ("uploads", "ListMultipartUploads"),
        ):
            if part in query:
                return name
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


def without_checksums(request: Request, forward: Forward) -> Answer:
    """A store that has none."""
    got = forward(request)
    return replace(got, headers=[each for each in got.headers if "x-amz-checksum" not in each[0].lower()])


def without_etags(request: Request, forward: Forward) -> Answer:
    """A store that ignores the ETags in a DeleteObjects body."""
    return forward(signed(replace(request, body=re.sub(rb"<ETag>.*?</ETag>", b"", request.body))))


def ignore_conditions(request: Request, forward: Forward) -> Answer:
    """A store that ignores every condition of a write."""
    if request.operation == "DeleteObjects":
        return without_etags(request, forward)
    return without(*CONDITIONS)(request, forward)


def signed(request: Request) -> Request:
    """The request signed again, as the identity that had signed it; body digests are made again, too.

    One that was signed in the query does not expire any more.
    """
    signature = request.headers.get("authorization") or unquote(request.target)
    identity = re.search(r"Credential=([^/]+)/\d+/([^/]+)/", signature)
    if identity is None:
        raise ValueError(f"not signed: {request.headers}")
    request = replace(request, target=re.sub(r"[?&]X-Amz-.*", "", request.target))
    old = re.compile(r"authorization|x-amz-(date|content-sha256|checksum-.*|sdk-checksum-.*)|content-(md5|length)")
    headers = {name: value for name, value in request.headers.items() if not old.fullmatch(name)}
    if request.body:
        headers["content-md5"] = base64.b64encode(hashlib.md5(request.body).digest()).decode()  # noqa: S324 - S3's own
    url = f"http://{request.headers['host']}{request.target}"
    made = Signer(identity[1], SECRET, identity[2]).sign(request.method, url, headers, request.body)
    return replace(request, headers={name.lower(): value for name, value in made.items()})


# -- the proxy ----------------------------------------------------------------------------------------------------


@dataclass
class _Rule:
    matches: Matches
    fault: Fault
    left: int | None  # None: always


class Proxy:
    """Forwards to `endpoint_url`, through the faults that match; the fault added last is the outermost.

    `seen` counts what clients asked for by operation, `forwarded` what reached the server. With `tls` its clients speak
    HTTPS to it.
    """

    def __init__(self, endpoint_url: str, tls: ssl.SSLContext | None = None) -> None:
        self.seen: Counter[str] = Counter()
        self.forwarded: Counter[str] = Counter()
        self.requests: list[Request] = []
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()
        self._upstream = urlsplit(endpoint_url).netloc
        self.clients: set[Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(listen(lambda: _Client(self), 0, tls))
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def endpoint_url(self) -> str:
        return f"http://{HOST}:{self._server.sockets[0].getsockname()[1]}"

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._server.close()
        for client in self.clients:
            client.transport.abort()
        self._loop.run_until_complete(asyncio.sleep(0))  # they are told
        self._loop.close()

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


class _Client(Requests):
    """One client connection; it has a connection of its own to the server."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._upstream = proxy.connect()

    def asked(self, head: bytes, body: bytes) -> None:
        start, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = start.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        # In a thread: faults wait, and do what they like meanwhile.
        work = threading.Thread(target=self._handle, args=(Request(method, target, headers, body),), daemon=True)
        work.start()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._loop = asyncio.get_running_loop()
        self._proxy.clients.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._proxy.clients.discard(self)
        self._upstream.close()

    def _handle(self, request: Request) -> None:
        try:
            answered = self._proxy.handle(request, self._upstream)
        except (OSError, http.client.HTTPException):
            answered = Answer(0, [], b"", sent=-1)  # the server is gone
        with suppress(RuntimeError):  # so are we
            self._loop.call_soon_threadsafe(self._answer, request, answered)

    def _answer(self, request: Request, answered: Answer) -> None:
        if answered.sent != -1:
            length = str(len(answered.body))
            if request.method == "HEAD":
                length = next((value for name, value in answered.headers if name.lower() == "content-length"), "0")
            lines = [f"HTTP/1.1 {answered.status} {http.client.responses.get(answered.status, '')}"]
            lines += [f"{name}: {value}" for name, value in answered.headers if name.lower() not in _OF_THE_CONNECTION]
            lines += [f"Content-Length: {length}"] if answered.status not in {204, 304} else []
            self.transport.write("\r\n".join(lines).encode("latin-1") + END + answered.body[: answered.sent])
        if answered.sent is not None:
            self.transport.close()

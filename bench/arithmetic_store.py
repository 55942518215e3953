"""A store of arithmetic: any number of objects in legacy, copies of them in production, as fast as can be.

A bucket whose name begins with `legacy` is legacy, any other one production. Answers are AWS's. No signature is
checked, but an expired one is refused. Job: its `port`, the number of `keys`; and, where there is need,
`milliseconds` (kept back from each answer), `already`, `moved` and `fresh` (`arithmetic_objects.buckets`), and the
shares (0 to 1) of requests that are answered with SlowDown (`slow_down`) and whose connection is cut (`cut`): every
other one of those when it was done already. `GET /.counters` answers what was asked so far.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from functools import partial
from typing import Any
from urllib.parse import unquote_to_bytes

from bench.arithmetic_answers import Answers, Refused
from bench.arithmetic_objects import Moment, buckets
from devstack.http_server import Requests, serve

_HEAD = b"HTTP/1.1 %b\r\nDate: %b\r\nServer: AmazonS3\r\n%bContent-Length: %d\r\n\r\n"
COUNTERS = "/.counters"


class Store:
    """Answers requests; knows nothing of connections."""

    def __init__(self, keys: int, already: int = 0, moved: bool = False, fresh: int = 0) -> None:
        self.counts: Counter[str] = Counter()
        self._answers = Answers(*buckets(keys, already, moved, fresh), self.counts)
        self._second, self._date = 0, b""

    def answer(self, head: bytes, body: bytes) -> bytes:
        method, target, _ = head.split(b" ", 2)
        path, _, query = target.partition(b"?")
        if path == COUNTERS.encode():
            said = {**self.counts, "cpu": time.process_time()}
            return self._message(b"200 OK", json.dumps(said).encode())
        bucket, _, key = path[1:].partition(b"/")
        if b"%" in key:
            key = unquote_to_bytes(key)
        headers = Headers(head)
        operation, answer = self._answers.of(method, bool(key), query, headers)
        try:
            if answer is None:
                raise Refused(b"501 Not Implemented", b"NotImplemented", b"%b %b" % (method, target))
            status, lines, text = answer(bucket, key, query, headers, body)
        except Refused as refused:
            status, lines, text = refused.status, b"", b"" if method == b"HEAD" else refused.body
        self.counts[f"{operation} {status[:3].decode()}"] += 1
        return self._message(status, text, lines)

    def slow_down(self) -> bytes:
        self.counts["SlowDown 503"] += 1
        refused = Refused(b"503 Slow Down", b"SlowDown", b"Please reduce your request rate.")
        return self._message(refused.status, refused.body)

    def _message(self, status: bytes, body: bytes, lines: bytes = b"") -> bytes:
        if self._second != (now := int(time.time())):
            self._second, self._date = now, Moment.of(now).http
        # Of a HEAD the lines say the length themselves.
        if b"Content-Length" in lines:
            return b"HTTP/1.1 %b\r\nDate: %b\r\nServer: AmazonS3\r\n%b\r\n" % (status, self._date, lines)
        return _HEAD % (status, self._date, lines, len(body)) + body


class Headers:
    """Of a request, looked up where one is needed: most are not."""

    def __init__(self, head: bytes) -> None:
        self._head, self._lower = head, head.lower()

    def get(self, name: bytes) -> bytes:
        """:param name: in small letters. Empty where there is none."""
        start = self._lower.find(b"\r\n%b:" % name)
        if start < 0:
            return b""
        start += len(name) + 3
        end = self._lower.find(b"\r\n", start)
        return self._head[start : end if end >= 0 else None].strip()

    def lines(self, *begins: bytes) -> dict[bytes, bytes]:
        """Those whose names begin so."""
        pairs = (line.partition(b":") for line in self._head.split(b"\r\n")[1:])
        return {name.lower(): value.strip() for name, _, value in pairs if name.lower().startswith(begins)}


class _Client(Requests):
    def __init__(self, store: Store, job: dict[str, Any], chance: random.Random) -> None:
        self._store, self._chance = store, chance
        self._seconds = job.get("milliseconds", 0) / 1_000
        self._slow_down, self._cut = job.get("slow_down", 0.0), job.get("cut", 0.0)

    def asked(self, head: bytes, body: bytes) -> None:
        if COUNTERS.encode() in head[:20]:
            self._send(self._store.answer(head, body))
            return
        if self._slow_down and self._chance.random() < self._slow_down:
            answer = self._store.slow_down()
        elif self._cut and self._chance.random() < self._cut:
            if self._chance.random() < 0.5:
                self._store.answer(head, body)
            self._store.counts["cut"] += 1
            self.transport.abort()
            return
        else:
            answer = self._store.answer(head, body)
        if self._seconds:
            asyncio.get_running_loop().call_later(self._seconds, self._send, answer)
        else:
            self._send(answer)

    def _send(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)


def _accept(job: dict[str, Any]) -> Any:
    store = Store(job["keys"], job.get("already", 0), job.get("moved", False), job.get("fresh", 0))
    return partial(_Client, store, job, random.Random(0))  # noqa: S311 - of no secret


if __name__ == "__main__":
    serve(_accept)

"""A store of arithmetic, of huge buckets: it answers listings as AWS writes them, as fast as can be, and nothing else.

A bucket whose name begins with `legacy` holds `image/avatar-<n>.png` for n from 1 to `keys`; any other one is empty,
and HEAD finds nothing. No signature is checked. Job: its `port`, `keys`, `milliseconds` (kept back from each answer).
GET /-/seen tells of the listings of each bucket since the last time: their number, and when the first was asked for and
the last one answered.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import json
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from devstack.http_server import Requests, serve

PREFIX, SUFFIX = b"image/avatar-", b".png"
BEYOND = b"\xff"  # no UTF-8 holds it: a prefix and this come after all keys with the prefix
_HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
_FOOT = b"</ListBucketResult>"
_MAX_KEYS = 1_000


class Keys:
    """The keys in the order of their bytes, and the XML of all of them in one piece, of which pages are slices."""

    def __init__(self, count: int) -> None:
        self.keys = sorted(PREFIX + str(number).encode() + SUFFIX for number in range(1, count + 1))
        entries = [_entry(key, place) for place, key in enumerate(self.keys)]
        self.starts = [0, *itertools.accumulate(map(len, entries))]
        self.text = memoryview(b"".join(entries))

    def page(self, first: int, end: int) -> memoryview:
        return self.text[self.starts[first] : self.starts[end]]


def _entry(key: bytes, place: int) -> bytes:
    modified = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(1_700_000_000 + place))
    etag = hashlib.md5(key, usedforsecurity=False).hexdigest()
    return (
        b"<Contents><Key>%b</Key><LastModified>%b</LastModified><ETag>&quot;%b&quot;</ETag>"
        b"<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
        b"<Size>%d</Size><StorageClass>STANDARD</StorageClass></Contents>"
    ) % (key, modified.encode(), etag.encode(), 2_000 + place % 50_000)


class Seen:
    """The listings of one bucket."""

    def __init__(self) -> None:
        self.requests, self.first, self.last = 0, 0.0, 0.0

    def asked(self) -> None:
        self.requests += 1
        self.first = self.first or time.monotonic()


class Store:
    """Answers requests; knows nothing of connections."""

    def __init__(self, count: int) -> None:
        self.legacy, self.empty = Keys(count), Keys(0)
        self.seen: dict[str, Seen] = {}

    def answer(self, method: bytes, target: str) -> list[bytes | memoryview]:
        url = urlsplit(target)
        bucket, _, key = url.path.lstrip("/").partition("/")
        if url.path == "/-/seen":
            text = json.dumps({name: vars(seen) for name, seen in self.seen.items()}).encode()
            self.seen = {}
            return _answer(200, [text])
        if method == b"HEAD" and key:
            return [b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nContent-Type: application/xml\r\n\r\n"]
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
        if method == b"GET" and not key and query.get("list-type") == "2" and not query.get("delimiter"):
            return self._list(bucket, query)
        # Whoever needs more is to notice.
        refused = escape(f"{method.decode()} {target}")
        return _answer(501, [f"<Error><Code>NotImplemented</Code><Message>{refused}</Message></Error>".encode()])

    def _list(self, bucket: str, query: dict[str, str]) -> list[bytes | memoryview]:
        seen = self.seen.setdefault(bucket, Seen())
        seen.asked()
        held = self.legacy if bucket.startswith("legacy") else self.empty
        prefix = query.get("prefix", "").encode()
        first = bisect_left(held.keys, prefix)
        if after := query.get("start-after", "").encode():
            first = max(first, bisect_right(held.keys, after))
        if token := query.get("continuation-token"):
            first = int(base64.b64decode(token))
        end = bisect_left(held.keys, prefix + BEYOND)
        limit = min(int(query.get("max-keys", _MAX_KEYS)), _MAX_KEYS)
        last = max(first, min(first + limit, end))
        # These keys and prefixes look the same URL-encoded, as far as an encoding is asked for.
        said = [b"<Name>%b</Name><Prefix>%b</Prefix>" % (bucket.encode(), prefix)]
        if last < end and limit:
            said.append(b"<NextContinuationToken>%b</NextContinuationToken>" % base64.b64encode(b"%024d" % last))
        said.append(b"<KeyCount>%d</KeyCount><MaxKeys>%d</MaxKeys>" % (last - first, limit))
        if "encoding-type" in query:
            said.append(b"<EncodingType>url</EncodingType>")
        said.append(b"<IsTruncated>%b</IsTruncated>" % (b"true" if last < end and limit else b"false"))
        answer = _answer(200, [_HEAD + b"".join(said), held.page(first, last), _FOOT])
        seen.last = time.monotonic()
        return answer


def _answer(status: int, body: list[bytes | memoryview]) -> list[bytes | memoryview]:
    length = sum(len(part) for part in body)
    reason = b"OK" if status == 200 else b"Not Implemented"
    head = b"HTTP/1.1 %d %b\r\nContent-Type: application/xml\r\nServer: AmazonS3\r\nContent-Length: %d\r\n\r\n"
    return [head % (status, reason, length), *body]


class _Client(Requests):
    def __init__(self, store: Store, seconds: float) -> None:
        self._store, self._seconds = store, seconds

    def asked(self, head: bytes, body: bytes) -> None:
        method, target, _ = head.split(b"\r\n", 1)[0].split(b" ")
        if self._seconds and not target.startswith(b"/-/"):
            asyncio.get_running_loop().call_later(self._seconds, self._answer, method, target.decode())
        else:
            self._answer(method, target.decode())

    def _answer(self, method: bytes, target: str) -> None:
        self.transport.writelines(self._store.answer(method, target))


def accept(job: dict[str, Any]) -> Callable[[], Requests]:
    return partial(_Client, Store(job["keys"]), job["milliseconds"] / 1000)


if __name__ == "__main__":
    serve(accept)

"""A store of arithmetic, of huge buckets: it answers listings as AWS writes them, as fast as can be, and nothing else.

A bucket whose name begins with `legacy` holds `image/avatar-<n>.png` for n from 1 to `keys`; any other one is empty,
and HEAD finds nothing. No signature is checked. Job: its `port`, `keys`, `milliseconds` (kept back from each answer).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
import time
from bisect import bisect_left, bisect_right
from functools import partial
from urllib.parse import parse_qsl, urlsplit
from xml.sax.saxutils import escape

from devstack.http_server import Requests, serve

BEYOND = b"\xff"  # no UTF-8 holds it: a prefix and this come after all keys with the prefix
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
_MAX_KEYS = 1_000
Answer = list[bytes | memoryview]


def _entry(key: bytes, place: int) -> bytes:
    modified = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(1_700_000_000 + place))
    etag = hashlib.md5(key, usedforsecurity=False).hexdigest()
    return (
        b"<Contents><Key>%b</Key><LastModified>%b</LastModified><ETag>&quot;%b&quot;</ETag>"
        b"<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
        b"<Size>%d</Size><StorageClass>STANDARD</StorageClass></Contents>"
    ) % (key, modified.encode(), etag.encode(), 2_000 + place % 50_000)


class Store:
    """Answers requests; knows nothing of connections.

    It holds the keys in the order of their bytes, and the XML of all of them in one piece, of which pages are slices.
    """

    def __init__(self, count: int) -> None:
        self.keys = sorted(b"image/avatar-%d.png" % number for number in range(1, count + 1))
        entries = [_entry(key, place) for place, key in enumerate(self.keys)]
        self.starts = [0, *itertools.accumulate(map(len, entries))]
        self.text = memoryview(b"".join(entries))

    def answer(self, method: str, target: str) -> Answer:
        url = urlsplit(target)
        bucket, _, key = url.path.lstrip("/").partition("/")
        if method == "HEAD" and key:
            return _answer("404 Not Found")
        query = dict(parse_qsl(url.query))
        if method == "GET" and not key and query.get("list-type") == "2" and "delimiter" not in query:
            return self._list(bucket, query)
        # Whoever needs more is to notice.
        said = f"<Error><Code>NotImplemented</Code><Message>{escape(f'{method} {target}')}</Message></Error>"
        return _answer("501 Not Implemented", said.encode())

    def _list(self, bucket: str, query: dict[str, str]) -> Answer:
        prefix, after = (query.get(name, "").encode() for name in ("prefix", "start-after"))
        first = max(bisect_left(self.keys, prefix), bisect_right(self.keys, after))
        if token := query.get("continuation-token"):
            first = int(base64.b64decode(token))
        limit = min(int(query.get("max-keys", _MAX_KEYS)), _MAX_KEYS)
        end = bisect_left(self.keys, prefix + BEYOND) if bucket.startswith("legacy") else 0
        last = max(first, min(first + limit, end))
        more = last < end and limit > 0
        # These keys and prefixes look the same URL-encoded, as far as an encoding is asked for.
        elements = {
            "Name": bucket,
            "Prefix": prefix.decode(),
            "NextContinuationToken": base64.b64encode(b"%024d" % last).decode() if more else None,
            "KeyCount": last - first,
            "MaxKeys": limit,
            "EncodingType": query.get("encoding-type"),
            "IsTruncated": str(more).lower(),
        }
        page = self.text[self.starts[first] : self.starts[last]]
        said = "".join(f"<{name}>{value}</{name}>" for name, value in elements.items() if value is not None)
        return _answer("200 OK", (_HEAD + said).encode(), page, b"</ListBucketResult>")


def _answer(status: str, *body: bytes | memoryview) -> Answer:
    length = sum(map(len, body))
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nServer: AmazonS3\r\nContent-Length: {length}\r\n\r\n"
    return [head.encode(), *body]


class _Client(Requests):
    def __init__(self, store: Store, seconds: float) -> None:
        self._store, self._seconds = store, seconds

    def asked(self, head: bytes, body: bytes) -> None:
        method, target, _ = head.decode().split(" ", 2)
        if self._seconds:
            asyncio.get_running_loop().call_later(self._seconds, self._answer, method, target)
        else:
            self._answer(method, target)

    def _answer(self, method: str, target: str) -> None:
        self.transport.writelines(self._store.answer(method, target))


if __name__ == "__main__":
    serve(lambda job: partial(_Client, Store(job["keys"]), job["milliseconds"] / 1000))

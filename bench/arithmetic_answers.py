"""What the store of arithmetic answers, an operation each, as AWS does: conditions, refusals, XML."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote_to_bytes
from xml.sax.saxutils import escape, unescape

from bench.arithmetic_objects import Bucket, Moment, Object, shown

if TYPE_CHECKING:
    from bench.arithmetic_store import Headers

_XML = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_SPACE = b'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_AS_XML = b"Content-Type: application/xml\r\n"
_COPIED = (
    _XML + b"<CopyObjectResult " + _SPACE + b"><LastModified>%b</LastModified><ETag>&quot;%b&quot;</ETag>"
    b"</CopyObjectResult>"
)
_TO_DELETE = re.compile(rb"<Object><Key>([^<]*)</Key>(?:<ETag>([^<]*)</ETag>)?</Object>")
_QUIET = re.compile(rb"<Quiet>\s*true\s*</Quiet>")
_MAX_KEYS = 1_000
# Counter of milliseconds: the greatest age that a look at both sides had when what it saw was deleted.
PROOF_AGE = "proof age"
_KEPT = (b"x-amz-meta-", b"content-type", b"cache-control", b"content-disposition", b"content-encoding")
Answer = tuple[bytes, bytes, bytes]  # status, header lines, body
_OK, _NOTHING = b"200 OK", (b"204 No Content", b"", b"")
Operation = Callable[..., Answer]


class Refused(Exception):
    """An error as S3 says it."""

    def __init__(self, status: bytes, code: bytes, message: bytes = b"") -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message

    @property
    def body(self) -> bytes:
        said = escape(self.message.decode(errors="replace")).encode()
        return _XML + b"<Error><Code>%b</Code><Message>%b</Message></Error>" % (self.code, said)


def _no_key() -> Refused:
    return Refused(b"404 Not Found", b"NoSuchKey", b"The specified key does not exist.")


def _condition() -> Refused:
    return Refused(b"412 Precondition Failed", b"PreconditionFailed", b"A condition of the request did not hold")


class Answers:
    """:param counts: of what a reader of the counters cannot tell by the requests alone."""

    def __init__(self, legacy: Bucket, production: Bucket, counts: Counter[str]) -> None:
        self._legacy, self._production, self._counts = legacy, production, counts

    def of(self, method: bytes, of_key: bool, query: bytes, headers: Headers) -> tuple[str, Operation | None]:
        """The operation's name, and what answers it: (bucket, key, query, headers, body)."""
        if of_key and not query:
            return self._of_object(method, headers)
        names = {name for name, _ in parse_qsl(query.decode(), keep_blank_values=True)}
        if method == b"GET" and (fixed := next((_FIXED[name] for name in names if name in _FIXED), None)):
            return fixed
        if of_key:
            of_object = names <= {"x-id", "versionId"} or any(name.startswith("X-Amz-") for name in names)
            return self._of_object(method, headers) if of_object else ("Other", None)
        if method == b"GET" and "list-type" in names and "delimiter" not in names:
            return "ListObjectsV2", self._list
        if method == b"POST" and "delete" in names:
            return "DeleteObjects", self._delete_many
        if not query and method in {b"HEAD", b"PUT", b"DELETE"}:
            return "Bucket", lambda *_: _NOTHING if method == b"DELETE" else (_OK, b"", b"")
        return "Other", None

    def _of_object(self, method: bytes, headers: Headers) -> tuple[str, Operation | None]:
        if method == b"PUT":
            return ("CopyObject", self._copy) if headers.get(b"x-amz-copy-source") else ("PutObject", self._put)
        operations: dict[bytes, tuple[str, Operation]] = {
            b"HEAD": ("HeadObject", self._head),
            b"GET": ("GetObject", self._get),
            b"DELETE": ("DeleteObject", self._delete),
        }
        return operations.get(method, ("Other", None))

    def _bucket(self, name: bytes) -> Bucket:
        return self._legacy if name.startswith(b"legacy") else self._production

    # -- listings -----------------------------------------------------------------------------------------------

    def _list(self, bucket: bytes, _: bytes, query: bytes, *__: object) -> Answer:
        asked = dict(parse_qsl(query.decode(), keep_blank_values=True))
        prefix, after = (asked.get(name, "").encode() for name in ("prefix", "start-after"))
        if token := asked.get("continuation-token"):
            after = base64.urlsafe_b64decode(token)
        limit = min(int(asked.get("max-keys") or _MAX_KEYS), _MAX_KEYS)
        plain = asked.get("encoding-type") != "url"
        found = self._bucket(bucket).after(prefix, after, plain=plain)
        entries: list[bytes] = []
        first, last, more = b"", b"", False
        for key, entry in found:
            if len(entries) == limit:
                more = limit > 0
                break
            first, last = first or key, key
            entries.append(entry)
        if entries:
            self._bucket(bucket).show(first, last)
        self._counts[f"listed {'legacy' if bucket.startswith(b'legacy') else 'production'}"] += len(entries)
        elements = {
            "Name": bucket.decode(),
            "Prefix": shown(prefix, plain=plain).decode(),
            "NextContinuationToken": base64.urlsafe_b64encode(last).decode() if more else None,
            "KeyCount": len(entries),
            "MaxKeys": limit,
            "EncodingType": asked.get("encoding-type"),
            "IsTruncated": str(more).lower(),
        }
        said = "".join(f"<{name}>{value}</{name}>" for name, value in elements.items() if value is not None)
        page = [_XML, b"<ListBucketResult ", _SPACE, b">", said.encode(), *entries, b"</ListBucketResult>"]
        return _OK, _AS_XML, b"".join(page)

    # -- one object -----------------------------------------------------------------------------------------------

    def _head(self, bucket: bytes, key: bytes, _: bytes, headers: Headers, *__: object) -> Answer:
        self._bucket(bucket).show(key, key)
        found = self._found(bucket, key, headers)
        said = b"".join(b"%b: %b\r\n" % line for line in found.headers.items())
        lines = b'ETag: "%b"\r\nLast-Modified: %b\r\n%bContent-Length: %d\r\n'
        return _OK, lines % (found.etag, found.modified.http, said, found.size), b""

    def _get(self, bucket: bytes, key: bytes, query: bytes, headers: Headers, body: bytes) -> Answer:
        status, lines, _ = self._head(bucket, key, query, headers)
        found = self._found(bucket, key, headers)
        content = (found.etag * (found.size // 32 + 1))[: found.size] if found.body is None else found.body
        return status, lines.rpartition(b"Content-Length")[0], content

    def _found(self, bucket: bytes, key: bytes, headers: Headers) -> Object:
        if (found := self._bucket(bucket).find(key)) is None:
            raise _no_key()
        if (wanted := headers.get(b"if-match")) and wanted.strip(b'"') != found.etag:
            raise _condition()
        return found

    def _put(self, bucket: bytes, key: bytes, _: bytes, headers: Headers, body: bytes) -> Answer:
        if b"aws-chunked" in headers.get(b"content-encoding"):
            raise Refused(b"501 Not Implemented", b"NotImplemented", b"aws-chunked")
        into = self._bucket(bucket)
        _require(into.find(key), headers)
        etag = hashlib.md5(body, usedforsecurity=False).hexdigest().encode()
        into.put(key, Object(etag, len(body), Moment.of(time.time()), headers.lines(*_KEPT), body))
        return _OK, b'ETag: "%b"\r\n' % etag, b""

    def _copy(self, bucket: bytes, key: bytes, _: bytes, headers: Headers, *__: object) -> Answer:
        source = unquote_to_bytes(headers.get(b"x-amz-copy-source").partition(b"?")[0]).lstrip(b"/")
        source_bucket, _, source_key = source.partition(b"/")
        into, of = self._bucket(bucket), self._bucket(source_bucket)
        if (found := of.find(source_key)) is None:
            raise _no_key()
        if (wanted := headers.get(b"x-amz-copy-source-if-match")) and wanted.strip(b'"') != found.etag:
            raise _condition()
        _require(into.find(key), headers)
        number = into.number(key)
        if found.body is None and number and number == of.number(source_key):
            made = into.take_copy(key, number)
        else:
            replaces = headers.get(b"x-amz-metadata-directive").upper() == b"REPLACE"
            kept = headers.lines(*_KEPT) if replaces else found.headers
            made = found._replace(modified=Moment.of(time.time()), headers=kept)
            into.put(key, made)
        return _OK, _AS_XML, _COPIED % (made.modified.iso, made.etag)

    # -- deletions ------------------------------------------------------------------------------------------------

    def _delete(self, bucket: bytes, key: bytes, query: bytes, headers: Headers, *_: object) -> Answer:
        _require_time(query)
        self._remove(bucket, key, headers.get(b"if-match"))
        return _NOTHING

    def _delete_many(self, bucket: bytes, _: bytes, query: bytes, __: Headers, body: bytes) -> Answer:
        _require_time(query)
        asked = _TO_DELETE.findall(body)
        if len(asked) != body.count(b"<Object>"):
            raise Refused(b"400 Bad Request", b"MalformedXML", body[:300])
        if asked:
            self._look_at_proof(asked[0][0])
        entries = list(self._removed(bucket, asked, quiet=_QUIET.search(body) is not None))
        text = b"".join([_XML, b"<DeleteResult ", _SPACE, b">", *entries, b"</DeleteResult>"])
        return _OK, _AS_XML, text

    def _look_at_proof(self, key: bytes) -> None:
        """Keep how long ago both sides were shown around this key, at the most."""
        copy = self._production.root + key[len(self._legacy.root) :]
        age = time.time() - min(self._legacy.last_shown(key), self._production.last_shown(copy))
        self._counts[PROOF_AGE] = max(self._counts[PROOF_AGE], round(age * 1_000))

    def _removed(self, bucket: bytes, asked: list[tuple[bytes, bytes]], quiet: bool) -> Iterator[bytes]:
        for said, etag in asked:
            key = unescape(said.decode(), {"&quot;": '"'}).encode() if b"&" in said else said
            try:
                self._remove(bucket, key, etag.replace(b"&quot;", b'"'))
            except Refused as refused:
                entry = b"<Error><Key>%b</Key><Code>%b</Code><Message>%b</Message></Error>"
                yield entry % (said, refused.code, refused.message)
            else:
                if not quiet:
                    yield b"<Deleted><Key>%b</Key></Deleted>" % said

    def _remove(self, bucket: bytes, key: bytes, wanted: bytes) -> None:
        of = self._bucket(bucket)
        found = of.find(key)
        if found is None:
            if wanted:
                self._counts["deleted again"] += 1
                raise _no_key()
        elif wanted and wanted.strip(b'"') not in {found.etag, b"*"}:
            raise _condition()
        else:
            of.put(key, None)
            self._counts["deleted"] += 1


def _empty(operation: str, root: bytes, content: bytes = b"") -> tuple[str, Operation]:
    answer = _OK, _AS_XML, b"%b<%b %b>%b</%b>" % (_XML, root, _SPACE, content, root)
    return operation, lambda *_: answer


def _is_no_website(*_: object) -> Answer:
    raise Refused(b"404 Not Found", b"NoSuchWebsiteConfiguration")


_OWNER = b"<ID>owner</ID>"
_GRANT = (
    b'<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser">%b</Grantee>'
    b"<Permission>FULL_CONTROL</Permission></Grant>"
) % _OWNER
_ACL = b"<Owner>%b</Owner><AccessControlList>%b</AccessControlList>" % (_OWNER, _GRANT)
# By what is asked for in the query of a GET: the same of every bucket and key.
_FIXED: dict[str, tuple[str, Operation]] = {
    "acl": _empty("GetObjectAcl", b"AccessControlPolicy", _ACL),
    "annotations": _empty("ListObjectAnnotations", b"ListObjectAnnotationsResult"),
    "location": _empty("GetBucketLocation", b"LocationConstraint"),
    "tagging": _empty("GetObjectTagging", b"Tagging", b"<TagSet></TagSet>"),
    "uploads": _empty("ListMultipartUploads", b"ListMultipartUploadsResult"),
    "website": ("GetBucketWebsite", _is_no_website),
}


def _require(there: Object | None, headers: Headers) -> None:
    """The conditions of a request that writes.

    :raises Refused: one does not hold.
    """
    if headers.get(b"if-none-match") == b"*" and there:
        raise _condition()
    if wanted := headers.get(b"if-match"):
        if there is None:
            raise _no_key()
        if wanted.strip(b'"') != there.etag:
            raise _condition()


def _require_time(query: bytes) -> None:
    """:raises Refused: the request came after the expiry that its signature gives it."""
    asked = dict(parse_qsl(query.decode(), keep_blank_values=True))
    if "X-Amz-Expires" in asked:
        signed = datetime.strptime(asked["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
        if time.time() > signed.timestamp() + int(asked["X-Amz-Expires"]):
            raise Refused(b"403 Forbidden", b"AccessDenied", b"Request has expired")

"""S3's answers as values: the two that come by the million, read by the quickest way that is right. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import itemgetter
from typing import NamedTuple
from urllib.parse import unquote_plus
from xml.etree import ElementTree

from s3_migration.model.objects import STANDARD, S3Object
from s3_migration.s3.errors import IncompleteResponse
from s3_migration.s3.types import Copied

_QUOTE = r'(?:&quot;|&#34;|")?'
_Found = tuple[str, str, str, str, str]
# As S3 and most stores write an object, and as SeaweedFS does, each with where key, size, ETag, time and class stand.
# Other legal XML is read by a parser, at an eighth of the speed.
_LAYOUTS: tuple[tuple[re.Pattern[str], Callable[[_Found], _Found]], ...] = (
    (
        re.compile(
            r"<Contents><Key>([^<]*)</Key><LastModified>([^<]*)</LastModified>"
            rf"<ETag>{_QUOTE}([^<&\"]*){_QUOTE}</ETag>(?:<Checksum(?:Algorithm|Type)>[^<]*</Checksum(?:Algorithm|Type)>)*"
            r"<Size>(\d+)</Size>(?:<Owner>(?:<[^<]*>[^<]*)*?</Owner>)?(?:<StorageClass>([^<]*)</StorageClass>)?"
        ),
        itemgetter(0, 3, 2, 1, 4),
    ),
    (
        re.compile(
            rf"<Contents><Key>([^<]*)</Key><ETag>{_QUOTE}([^<&\"]*){_QUOTE}</ETag><Size>(\d+)</Size>"
            r"<StorageClass>([^<]*)</StorageClass><LastModified>([^<]*)</LastModified>"
        ),
        itemgetter(0, 2, 1, 4, 3),
    ),
)
_REFERENCE = re.compile(r"&(?:#(\d+)|#x([0-9a-fA-F]+)|(amp|lt|gt|quot|apos));")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_TRUNCATED = re.compile(r"<IsTruncated>\s*true\s*</IsTruncated>", re.IGNORECASE)
_TOKEN = re.compile(r"<NextContinuationToken>([^<]*)</NextContinuationToken>")
_ETAG = re.compile(rf"<ETag>{_QUOTE}([^<&\"]+){_QUOTE}</ETag>")
_MODIFIED = re.compile(r"<LastModified>([^<]+)</LastModified>")


class ListingAnswer(NamedTuple):
    """A ListObjectsV2 answer. Bytes of keys that are no UTF-8: as Python's `surrogateescape` has them."""

    listed: list[S3Object]
    truncated: bool
    token: str | None


def listing_answer(body: bytes) -> ListingAnswer:
    """Read what was asked for with `encoding-type=url`.

    :raises IncompleteResponse: it is no listing, or not all of it.
    """
    text = body.decode(errors="surrogateescape")
    if "</ListBucketResult>" not in text:
        raise IncompleteResponse(f"no listing: {text[:100]!r}")
    found = _found(text)
    quick = found is not None
    found = _parsed(body) if found is None else found
    if "<EncodingType>url</EncodingType>" in text:
        if "%" in text or "+" in text:
            found = [(unquote_plus(key, errors="surrogateescape"), *rest) for key, *rest in found]  # type: ignore[misc]
    elif quick and "&" in text:
        found = [(unescape(key), *rest) for key, *rest in found]  # type: ignore[misc]
    token = _TOKEN.search(text)
    return ListingAnswer(
        [S3Object(key, int(size), etag, modified, named or STANDARD) for key, size, etag, modified, named in found],
        _TRUNCATED.search(text) is not None,
        unescape(token[1]) if token else None,
    )


def unescape(text: str) -> str:
    """References of XML as characters, each the one that it names: HTML takes some for others."""
    return _REFERENCE.sub(_character, text)


def _character(found: re.Match[str]) -> str:
    decimal, hexadecimal, name = found.groups()
    return _NAMED[name] if name else chr(int(decimal) if decimal else int(hexadecimal, 16))


def _found(text: str) -> list[_Found] | None:
    """Key, size, ETag, time and class of each object, or None where the layout is neither of the usual ones."""
    objects = text.count("<Contents>")
    for layout, in_order in _LAYOUTS:
        found = layout.findall(text)
        if len(found) == objects:
            return list(map(in_order, found))
    return None


def _parsed(body: bytes) -> list[_Found]:
    # The store's own answer to a signed request; expat keeps entities from growing.
    try:
        root = ElementTree.fromstring(body)  # noqa: S314
    except ElementTree.ParseError as error:
        raise IncompleteResponse(f"no legal XML: {error}") from error
    space = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""

    def text(entry: ElementTree.Element, name: str) -> str:
        return entry.findtext(f"{space}{name}") or ""

    return [
        (
            text(entry, "Key"),
            text(entry, "Size"),
            text(entry, "ETag").strip('"'),
            text(entry, "LastModified"),
            text(entry, "StorageClass"),
        )
        for entry in root.iter(f"{space}Contents")
    ]


def copy_result(body: bytes) -> Copied | None:
    """What a CopyObject answer says; None where it lacks the ETag or the time."""
    text = body.decode(errors="replace")
    etag, modified = _ETAG.search(text), _MODIFIED.search(text)
    return Copied(etag[1], modified[1]) if etag and modified else None

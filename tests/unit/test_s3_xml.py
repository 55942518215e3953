"""S3's answers, as S3 and as other stores write them."""

from __future__ import annotations

from urllib.parse import quote_plus
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3_migration.model.objects import S3Object
from s3_migration.s3 import xml as s3_xml
from s3_migration.s3.errors import IncompleteResponse
from s3_migration.s3.xml import copy_result, listing_answer

WHEN = "2026-03-01T12:00:00.000Z"
AWS = (
    "<Contents><Key>{key}</Key><LastModified>{when}</LastModified><ETag>&quot;{etag}&quot;</ETag>"
    "<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
    "<Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
)
LAYOUTS = {
    "AWS": AWS,
    "SeaweedFS": "<Contents><Key>{key}</Key><ETag>&#34;{etag}&#34;</ETag><Size>{size}</Size>"
    "<StorageClass>STANDARD</StorageClass><LastModified>{when}</LastModified></Contents>",
    "quotes as they are": AWS.replace("&quot;", '"'),
    "quotes by number": AWS.replace("&quot;", "&#34;"),
    "no quotes": AWS.replace("&quot;", ""),
    "indented": AWS.replace("><", ">\n  <"),
    "another order": "<Contents><ETag>&quot;{etag}&quot;</ETag><Key>{key}</Key><Size>{size}</Size>"
    "<LastModified>{when}</LastModified></Contents>",
    "an owner first": AWS.replace("<Size>", "<Owner><ID>1</ID></Owner><Size>"),
}


def page(layout: str, *objects: S3Object, more: str = "", encoded: bool = True) -> bytes:
    contents = "".join(
        layout.format(
            key=quote_plus(each.key) if encoded else escape(each.key), when=WHEN, etag=each.etag, size=each.size
        )
        for each in objects
    )
    kind = "<EncodingType>url</EncodingType>" if encoded else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"{kind}{more}{contents}</ListBucketResult>"
    ).encode()


OBJECTS = [
    S3Object("image/a b+c%2F.png", 0, "e1", WHEN),
    S3Object("image/&<>\"'\u00e9\U0001f600\n", 5 * 2**40, "e2-3", WHEN),
]


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_whatever_the_layout_the_objects_are_the_same(layout: str) -> None:
    assert listing_answer(page(layout, *OBJECTS)).listed == OBJECTS


def test_the_quick_way_is_taken_for_what_stores_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(s3_xml, "_parsed")
    for layout in ("AWS", "SeaweedFS", "quotes as they are", "no quotes"):
        assert listing_answer(page(LAYOUTS[layout], *OBJECTS)).listed == OBJECTS


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1), max_size=5))
def test_any_key_comes_back(keys: list[str]) -> None:
    objects = [S3Object(key, 1, "e", WHEN) for key in keys]
    assert listing_answer(page(AWS, *objects)).listed == objects


@pytest.mark.parametrize("layout", ["AWS", "indented"])
def test_a_store_that_does_not_encode_is_taken_at_its_word(layout: str) -> None:
    plain = S3Object("image/a+b%20&<.png", 1, "e", WHEN)
    assert listing_answer(page(LAYOUTS[layout], plain, encoded=False)).listed == [plain]


@pytest.mark.parametrize(
    ("more", "token"),
    [("", None), ("<NextContinuationToken>1/a+b==&amp;</NextContinuationToken>", "1/a+b==&")],
)
def test_the_token_of_the_next_page(more: str, token: str | None) -> None:
    assert listing_answer(page(AWS, more=more)).token == token


@pytest.mark.parametrize("body", [b"", b"<html>proxy</html>", page(AWS, *OBJECTS)[:-30]])
def test_what_is_no_whole_listing_is_never_taken_for_an_empty_one(body: bytes) -> None:
    with pytest.raises(IncompleteResponse, match="no listing"):
        listing_answer(body)


@pytest.mark.parametrize("quote", ["&quot;", "&#34;", '"', ""])
def test_a_copy_says_its_etag_and_its_time(quote: str) -> None:
    said = f"<CopyObjectResult><LastModified>{WHEN}</LastModified><ETag>{quote}e-1{quote}</ETag></CopyObjectResult>"
    assert copy_result(said.encode()) == ("e-1", WHEN)


@pytest.mark.parametrize("body", [b"", b"<CopyObjectResult><ETag>e</ETag></CopyObjectResult>", b"\xff"])
def test_a_copy_that_says_less_says_nothing(body: bytes) -> None:
    assert copy_result(body) is None

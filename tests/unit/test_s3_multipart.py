"""Copies that are made of parts, and sources that were."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timezone
from unittest.mock import MagicMock

import pytest

from s3_migration.model.objects import Version
from s3_migration.s3.types import Copy
from tests.support import proxy as faults
from tests.support.parts import upload_in_parts
from tests.support.stores import ATTEMPTS, KEY, LARGE, MIB, TARGET, Stores


@pytest.fixture
def parts(stores: Stores) -> Stores:
    return stores.of_parts()


@pytest.mark.parametrize("size", [MIB + 1, 5 * MIB, 5 * MIB + 1], ids=["one part", "exactly one", "one byte over"])
def test_a_copy_of_parts_has_all_that_the_source_had(parts: Stores, size: int) -> None:
    kept = {
        "CacheControl": "no-cache",
        "ContentDisposition": 'attachment; filename="a.png"',
        "ContentEncoding": "identity",
        "ContentLanguage": "de",
        "ContentType": "image/png",
        "Expires": datetime(2030, 1, 1, tzinfo=timezone.utc),
        "Metadata": {"owner": "ava"},
    }
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    version = parts.put(body, Tagging="team=a%26b&empty=", **kept)
    result = parts.copy(version)
    shown = parts.s3.head_object(Bucket=parts.production, Key=TARGET)
    assert {name: shown.get(name) for name in kept} == kept
    tags = parts.s3.get_object_tagging(Bucket=parts.production, Key=TARGET)["TagSet"]
    assert sorted((tag["Key"], tag["Value"]) for tag in tags) == [("empty", ""), ("team", "a&b")]
    assert parts.target() == body
    now = parts.hook.head(parts.production, TARGET)
    assert now is not None
    assert result.target == now.version
    assert parts.proxy.seen["UploadPartCopy"] == -(-size // (5 * MIB))
    again = parts.copy(version)
    assert (again.problem, again.requested, again.target) == (None, False, now.version)


@pytest.mark.parametrize(
    ("there", "problem"),
    [(b"y" * (MIB + 1), "conflict"), (b"y", "conflict"), (LARGE, None)],
    ids=["other", "small", "same"],
)
def test_a_copy_of_parts_overwrites_nothing(parts: Stores, there: bytes, problem: str | None) -> None:
    version = parts.put(LARGE)
    parts.put_target(there)
    result = parts.copy(version)
    assert (result.problem, result.requested) == (problem, problem is not None)
    assert parts.target() == there
    assert parts.uploads() == []


def test_a_copy_of_parts_replaces_our_own_and_knows_it_again_when_the_answer_is_lost(parts: Stores) -> None:
    replaces, version = parts.put_target(b"earlier"), parts.put(LARGE)
    parts.proxy.fault("CompleteMultipartUpload", faults.lose_answer, times=1)
    result = parts.copy(version, replaces.etag)
    assert (result.problem, result.detail, parts.target()) == (None, None, LARGE)
    assert parts.uploads() == []


def test_a_source_rewritten_between_two_parts_is_copied_as_it_is_now(parts: Stores) -> None:
    version = parts.put(b"x" * (5 * MIB + 1))
    parts.proxy.fault(
        lambda request: "partNumber=2" in request.target, faults.before(lambda: parts.put(LARGE)), times=1
    )
    result = parts.copy(version)
    assert (result.problem, parts.target()) == (None, LARGE)
    assert parts.uploads() == []


@pytest.mark.parametrize("operation", ["UploadPartCopy", "CompleteMultipartUpload"])
def test_a_copy_of_parts_that_fails_leaves_no_upload_behind(parts: Stores, operation: str) -> None:
    version = parts.put(LARGE)
    parts.proxy.fault(operation, faults.slow_down)
    result = parts.copy(version)
    assert (result.problem, result.code, parts.target()) == ("failed", "SlowDown", None)
    assert parts.uploads() == []


# Stores echo the last two as something else.
ECHOED = ["image/a.png", "image/ü &<.png", "image/a\nb", "image/a\x01b"]


@pytest.mark.parametrize("key", ECHOED)
@pytest.mark.parametrize("times", [1, ATTEMPTS], ids=["once", "each time"])
def test_an_upload_whose_answer_was_lost_is_given_up(parts: Stores, key: str, times: int) -> None:
    """Each try begins another."""
    version, target = parts.put(LARGE, key), key.replace("image", "avatar")
    theirs = parts.s3.create_multipart_upload(Bucket=parts.production, Key=target)["UploadId"]
    beside = parts.s3.create_multipart_upload(Bucket=parts.production, Key=f"{target}-2")["UploadId"]
    parts.proxy.fault("CreateMultipartUpload", faults.lose_answer, times=times)
    (result,) = parts.copy_all(Copy(key, target, version))
    assert parts.proxy.seen["CreateMultipartUpload"] == min(times + 1, ATTEMPTS)
    assert result.problem == (None if times == 1 else "failed")
    assert {upload["UploadId"] for upload in parts.uploads()} == {theirs, beside}
    for upload, of in ((theirs, target), (beside, f"{target}-2")):
        parts.s3.abort_multipart_upload(Bucket=parts.production, Key=of, UploadId=upload)


@pytest.mark.parametrize("key", ECHOED)
def test_any_key_is_copied_by_parts(parts: Stores, key: str) -> None:
    version = parts.put(LARGE, key)
    (result,) = parts.copy_all(Copy(key, "avatar/a.png", version))
    assert (result.problem, parts.target()) == (None, LARGE)
    assert parts.uploads() == []


def test_an_upload_that_cannot_be_given_up_does_not_hide_why(parts: Stores) -> None:
    version = parts.put(LARGE)
    parts.proxy.fault("UploadPartCopy", faults.slow_down)
    parts.proxy.fault("AbortMultipartUpload", faults.answer(403, "AccessDenied"))
    assert parts.copy(version).code == "SlowDown"


def test_the_largest_object_has_no_more_parts_than_s3_allows(stores: Stores) -> None:
    size = 50 * 1000**4
    stores = replace(stores)
    client = stores.hook.__dict__["client"] = MagicMock()
    client.upload_part_copy.return_value = {"CopyPartResult": {"ETag": '"part"'}}
    client.create_multipart_upload.return_value = {"UploadId": "1", "ResponseMetadata": {}}
    client.get_object_tagging.return_value = {"TagSet": []}
    head = {"LastModified": datetime.now(timezone.utc), "ResponseMetadata": {"HTTPHeaders": {}}}
    client.head_object.return_value = head
    client.complete_multipart_upload.return_value = {"ETag": '"e-2"'}
    assert stores.copy(Version(size, "e")).target == Version(size, "e-2")
    ranges = [call.kwargs["CopySourceRange"][6:].split("-") for call in client.upload_part_copy.call_args_list]
    bounds = [(int(first), int(last)) for first, last in ranges]
    assert len(bounds) <= 10_000
    assert max(last - first + 1 for first, last in bounds) <= 5 * 1024**3
    assert [first for first, _ in bounds] == [0, *(last + 1 for _, last in bounds[:-1])]
    assert bounds[-1][1] == size - 1


def test_small_copies_go_on_when_large_ones_had_every_place(parts: Stores) -> None:
    parts = replace(parts, options={**parts.options, "requests_in_flight": 1})
    large, small = parts.put(LARGE), parts.put(b"small", "image/small")
    parts.proxy.fault("UploadPartCopy", faults.before(lambda: time.sleep(0.3)))
    many = [Copy("image/small", f"avatar/{number}", small) for number in range(3)]
    results = parts.copy_all(Copy(KEY, TARGET, large), *many)
    assert [result.problem for result in results] == [None] * 4


@pytest.mark.parametrize("same", [True, False])
def test_the_etag_of_a_source_of_parts_says_nothing_so_the_bytes_are_compared(stores: Stores, same: bool) -> None:
    body = b"x" * (5 * MIB + 1)
    upload_in_parts(stores.s3, stores.legacy, KEY, [body[: 5 * MIB], body[5 * MIB :]])
    source = stores.list(stores.legacy)[KEY]
    assert source.etag.endswith("-2")
    assert stores.copy(source.version, target="avatar/new").problem is None
    there = stores.put_target(body if same else b"y" + body[1:])
    result = stores.copy(source.version)
    assert (result.problem, result.target) == ((None, there) if same else ("conflict", None))
    again = stores.copy(source.version, target="avatar/new")
    assert (again.problem, again.requested) == (None, False)

"""Copies that are made of parts, and sources that were."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any
from unittest.mock import MagicMock

import pytest

from s3_migration.model.objects import Version
from s3_migration.s3.types import Copy
from tests.support import proxy as faults
from tests.support.parts import upload_in_parts
from tests.support.stores import KEY, MIB, TARGET, Stores


@pytest.fixture
def parts(stores: Stores) -> Stores:
    """Copies of more than a megabyte are made of parts of 5 MiB, the least that S3 allows."""
    return replace(stores, options={**stores.options, "copy_limit": MIB, "part_size": 5 * MIB})


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


LARGE = b"x" * (MIB + 1)


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
    assert uploads(parts) == []


def test_a_copy_of_parts_replaces_our_own_and_knows_it_again_when_the_answer_is_lost(parts: Stores) -> None:
    replaces, version = parts.put_target(b"earlier"), parts.put(LARGE)
    parts.proxy.fault("CompleteMultipartUpload", faults.lose_answer, times=1)
    result = parts.copy(version, replaces.etag)
    assert (result.problem, result.detail, parts.target()) == (None, None, LARGE)
    assert uploads(parts) == []


def test_a_source_rewritten_between_two_parts_is_copied_as_it_is_now(parts: Stores) -> None:
    version = parts.put(b"x" * (5 * MIB + 1))
    parts.proxy.fault(
        lambda request: "partNumber=2" in request.target, faults.before(lambda: parts.put(LARGE)), times=1
    )
    result = parts.copy(version)
    assert (result.problem, parts.target()) == (None, LARGE)
    assert uploads(parts) == []


@pytest.mark.parametrize("operation", ["UploadPartCopy", "CompleteMultipartUpload"])
def test_a_copy_of_parts_that_fails_leaves_no_upload_behind(parts: Stores, operation: str) -> None:
    version = parts.put(LARGE)
    parts.proxy.fault(operation, faults.slow_down)
    result = parts.copy(version)
    assert (result.problem, result.code, parts.target()) == ("failed", "SlowDown", None)
    assert uploads(parts) == []


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
    client.head_object.return_value = {"LastModified": datetime.now(timezone.utc)}
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


def uploads(stores: Stores) -> list[Any]:
    return list(stores.s3.list_multipart_uploads(Bucket=stores.production).get("Uploads", []))


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

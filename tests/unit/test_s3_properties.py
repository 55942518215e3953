"""What S3 keeps with an object, on both paths of a copy: kept byte for byte, or lost as the list says.

SeaweedFS shows headers, metadata, tags and classes; moto's server websites, encryption, ACLs and locks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from s3_migration.s3.properties import LINES, PROPERTIES, sends_header_lines
from s3_migration.s3.types import Copy
from tests.support import proxy as faults
from tests.support.proxy import Answer, Forward, Request
from tests.support.stores import KEY, LARGE, TARGET, Stores

BODIES = pytest.mark.parametrize("body", [b"small", LARGE], ids=["single", "parts"])


def headers_of(stores: Stores, bucket: str, key: str) -> dict[str, bytes]:
    found = stores.s3.head_object(Bucket=bucket, Key=key)["ResponseMetadata"]["HTTPHeaders"]
    return {name: value.encode("latin-1") for name, value in found.items()}


def put_with_lines(stores: Stores, body: bytes, **lines: str) -> Any:
    sends_header_lines(stores.s3)
    given: dict[str, Any] = {LINES: {name.replace("_", "-"): value for name, value in lines.items()}}
    return stores.put(body, **given)


@BODIES
def test_headers_and_metadata_are_kept_byte_for_byte(stores: Stores, body: bytes) -> None:
    given = {
        "cache-control": "no-cache,  max-age=0",
        "content-disposition": 'attachment; filename="käfer.png"',
        "content-encoding": "identity",
        "content-language": "de, en",
        "content-type": "image/png; x=ü",
        "expires": "Thu, 01 Jan 2032 00:00:00 GMT",
        "x-amz-meta-owner": "Zoë €",
        "x-amz-meta-mixed_case": "As Is",
    }
    parts = stores.of_parts()
    version = put_with_lines(parts, body, **given)
    assert parts.copy(version).problem is None
    source, target = (
        headers_of(parts, bucket, key) for bucket, key in ((parts.legacy, KEY), (parts.production, TARGET))
    )
    for name, value in given.items():
        assert source[name.replace("_", "-") if name not in source else name] == value.encode(), name
    kept = {name: value for name, value in target.items() if name in given or name.startswith("x-amz-meta-")}
    assert kept == {name: value for name, value in source.items() if name in given or name.startswith("x-amz-meta-")}
    assert len(kept) == len(given)


def test_a_header_that_parts_cannot_keep_fails_that_object(stores: Stores) -> None:
    parts = stores.of_parts()
    version = parts.put(LARGE)

    def latin(request: Request, forward: Forward) -> Answer:
        got = forward(request)
        return replace(got, headers=[*got.headers, ("Content-Disposition", "attachment; filename=k\xe4fer.png")])

    parts.proxy.fault("HeadObject", latin)
    result = parts.copy(version)
    assert (result.problem, result.code, parts.target()) == ("failed", "HeaderNotUtf8", None)
    assert "filename=kä" in str(result.detail)
    assert parts.uploads() == []


def without_header(name: str) -> faults.Fault:
    def fault(request: Request, forward: Forward) -> Answer:
        got = forward(request)
        return replace(got, headers=[each for each in got.headers if each[0].lower() != name])

    return fault


def test_tags_are_asked_for_whatever_a_head_says(stores: Stores) -> None:
    parts = stores.of_parts()
    version = parts.put(LARGE, Tagging="team=a")
    parts.proxy.fault("HeadObject", without_header("x-amz-tagging-count"))
    assert parts.copy(version).problem is None
    assert parts.s3.get_object_tagging(Bucket=parts.production, Key=TARGET)["TagSet"] == [{"Key": "team", "Value": "a"}]


def test_tags_that_may_not_be_read_are_not_taken_for_none(stores: Stores) -> None:
    parts = stores.of_parts()
    version = parts.put(LARGE, Tagging="team=a")
    parts.proxy.fault("HeadObject", without_header("x-amz-tagging-count"))
    parts.proxy.fault("GetObjectTagging", faults.answer(403, "AccessDenied"))
    result = parts.copy(version)
    assert (result.problem, result.code, parts.target()) == ("failed", "AccessDenied", None)


def test_a_store_without_tags_has_none(stores: Stores) -> None:
    parts = stores.of_parts()
    version = parts.put(LARGE)
    parts.proxy.fault("GetObjectTagging", faults.answer(501, "NotImplemented"))
    assert parts.copy(version).problem is None


def test_a_copy_of_parts_can_be_read_whatever_the_class_of_its_source(stores: Stores) -> None:
    """Restored from an archive, say: S3 shows the class all the same, and a copy in it would have to be restored."""
    parts = stores.of_parts()
    version = parts.put(LARGE)

    def restored(request: Request, forward: Forward) -> Answer:
        got = forward(request)
        shown = [("x-amz-storage-class", "GLACIER"), ("x-amz-restore", 'ongoing-request="false"')]
        return replace(got, headers=[*got.headers, *shown])

    parts.proxy.fault(lambda request: request.operation == "HeadObject" and request.key == KEY, restored)
    assert parts.copy(version).problem is None
    (begun,) = [request for request in parts.proxy.requests if request.operation == "CreateMultipartUpload"]
    assert not any("storage-class" in name for name in begun.headers)


# -- what moto shows ----------------------------------------------------------------------------------------------


@pytest.fixture
def shown(moto: Stores) -> Iterator[Stores]:
    yield moto
    moto.empty()


def as_website(stores: Stores) -> None:
    stores.s3.put_bucket_website(Bucket=stores.legacy, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})


@BODIES
def test_a_website_redirect_is_kept(shown: Stores, body: bytes) -> None:
    parts = shown.of_parts()
    as_website(parts)
    version = parts.put(body, WebsiteRedirectLocation="/elsewhere.png")
    assert parts.copy(version).problem is None
    assert parts.s3.head_object(Bucket=parts.production, Key=TARGET)["WebsiteRedirectLocation"] == "/elsewhere.png"
    # moto would copy it by itself, which S3 does not.
    writes = {"CopyObject", "CreateMultipartUpload"}
    (write,) = [request for request in parts.proxy.requests if request.operation in writes]
    assert write.headers["x-amz-website-redirect-location"] == "/elsewhere.png"
    plain = parts.put(b"plain", "image/plain.png")
    (result,) = parts.copy_all(Copy("image/plain.png", "avatar/plain.png", plain))
    assert result.problem is None
    assert "WebsiteRedirectLocation" not in parts.s3.head_object(Bucket=parts.production, Key="avatar/plain.png")


@BODIES
def test_a_redirect_is_sent_byte_for_byte(stores: Stores, body: bytes) -> None:
    """What S3 would answer: SeaweedFS keeps no redirects."""
    parts = stores.of_parts()
    version = parts.put(body)

    def redirected(request: Request, forward: Forward) -> Answer:
        got = forward(request)
        said = ("x-amz-website-redirect-location", "/käfer.png".encode().decode("latin-1"))
        return replace(got, headers=[*got.headers, said])

    parts.proxy.fault("GetBucketWebsite", faults.answer(403, "AccessDenied"))
    parts.proxy.fault(lambda request: request.operation == "HeadObject" and request.key == KEY, redirected)
    assert parts.copy(version).problem is None
    writes = {"CopyObject", "CreateMultipartUpload"}
    (write,) = [request for request in parts.proxy.requests if request.operation in writes]
    assert write.headers["x-amz-website-redirect-location"].encode("latin-1") == "/käfer.png".encode()


@pytest.mark.parametrize(
    ("fault", "asks"),
    [
        (None, False),
        (faults.answer(403, "AccessDenied"), True),
        (faults.answer(501, "NotImplemented"), False),
        (faults.answer(503, "SlowDown"), True),
    ],
    ids=["none", "not allowed to know", "a store without websites", "nobody can tell"],
)
def test_where_nobody_can_tell_each_object_is_asked(stores: Stores, fault: faults.Fault | None, asks: bool) -> None:
    hook = stores.connect(**stores.options)
    if fault:
        stores.proxy.fault("GetBucketWebsite", fault)
    version = stores.put()
    stores.proxy.clear()
    (result,) = hook.copy_objects(stores.legacy, stores.production, [Copy(KEY, TARGET, version)])
    assert result.problem is None
    assert stores.proxy.seen["HeadObject"] == int(asks)
    hook.close()


def grants(stores: Stores, bucket: str, key: str) -> int:
    return len(stores.s3.get_object_acl(Bucket=bucket, Key=key)["Grants"])


LOST: dict[str, tuple[dict[str, Any], Callable[[Stores, str, str], Any]]] = {
    "storage class": (
        {"StorageClass": "STANDARD_IA"},
        lambda stores, bucket, key: stores.s3.head_object(Bucket=bucket, Key=key).get("StorageClass"),
    ),
    "encryption": (
        {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "0" * 36},
        lambda stores, bucket, key: stores.s3.head_object(Bucket=bucket, Key=key).get("ServerSideEncryption"),
    ),
    "ACL": ({"ACL": "public-read"}, grants),
}


@BODIES
@pytest.mark.parametrize("name", LOST)
def test_what_the_list_calls_lost_is_lost(shown: Stores, name: str, body: bytes) -> None:
    if name == "ACL" and body == LARGE:
        pytest.skip("moto has no ACL of an object that was made of parts")
    given, look = LOST[name]
    parts = shown.of_parts()
    version = parts.put(body, **given)
    assert parts.copy(version).problem is None
    assert look(parts, parts.legacy, KEY) != look(parts, parts.production, TARGET)
    (listed,) = [each for each in PROPERTIES if each.name == name]
    assert listed.single.startswith("lost")
    assert listed.parts.startswith("lost")


@BODIES
def test_a_legal_hold_stays_with_the_source(shown: Stores, body: bytes) -> None:
    locked = f"locked-{shown.production}"
    shown.s3.create_bucket(Bucket=locked, ObjectLockEnabledForBucket=True)
    parts = replace(shown.of_parts(), legacy=locked)
    version = parts.put(body, ObjectLockLegalHoldStatus="ON")
    assert parts.copy(version).problem is None
    assert parts.s3.head_object(Bucket=locked, Key=KEY)["ObjectLockLegalHoldStatus"] == "ON"
    assert "ObjectLockLegalHoldStatus" not in parts.s3.head_object(Bucket=parts.production, Key=TARGET)
    held = parts.s3.list_object_versions(Bucket=locked)["Versions"]
    parts.s3.put_object_legal_hold(Bucket=locked, Key=KEY, VersionId=held[0]["VersionId"], LegalHold={"Status": "OFF"})
    parts.s3.delete_object(Bucket=locked, Key=KEY, VersionId=held[0]["VersionId"])
    parts.s3.delete_bucket(Bucket=locked)

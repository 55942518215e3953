"""Copies made as declared: each setting is seen to arrive, on a server that shows it, and all else is kept.

moto's server shows ACLs, classes and KMS keys; SeaweedFS keeps no canned ACL of a copy and encrypts with no such key,
but honours conditions.
"""

from __future__ import annotations

from typing import Any

import pytest

from s3_migration.model.copy_settings import CopySettings
from s3_migration.model.objects import Version
from s3_migration.s3.acl import OTHER, canned
from s3_migration.s3.types import Copy, CopyResult
from tests.support import proxy as faults
from tests.support.stores import KEY, LARGE, TARGET, Stores

KMS_KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
BODIES = pytest.mark.parametrize("body", [b"small", LARGE], ids=["single", "parts"])
GIVEN = {
    "CacheControl": "no-cache",
    "ContentDisposition": 'attachment; filename="a.png"',
    "ContentType": "binary/octet-stream",
    "Metadata": {"owner": "Ava"},
    "Tagging": "team=a",
}


def copied(stores: Stores, version: Version, replaces: str | None = None, **settings: Any) -> CopyResult:
    copy = Copy(KEY, TARGET, version, replaces)
    (result,) = stores.hook.copy_objects(stores.legacy, stores.production, [copy], CopySettings(**settings))
    return result


def head(stores: Stores, bucket: str = "", key: str = TARGET) -> Any:
    return stores.s3.head_object(Bucket=bucket or stores.production, Key=key)


def tags(stores: Stores) -> Any:
    return stores.s3.get_object_tagging(Bucket=stores.production, Key=TARGET)["TagSet"]


@BODIES
def test_class_and_key_arrive(moto: Stores, body: bytes) -> None:
    parts = moto.of_parts()
    version = parts.put(body, **GIVEN)
    assert copied(parts, version, storage_class="GLACIER_IR", kms_key_id=KMS_KEY).problem is None
    made = head(parts)
    assert (made["StorageClass"], made["ServerSideEncryption"], made["SSEKMSKeyId"]) == (
        "GLACIER_IR",
        "aws:kms",
        KMS_KEY,
    )
    assert (made["CacheControl"], made["Metadata"]) == ("no-cache", {"owner": "Ava"})
    assert tags(parts) == [{"Key": "team", "Value": "a"}]
    moto.empty()


@BODIES
@pytest.mark.parametrize("acl", ["public-read", "authenticated-read", "bucket-owner-full-control"])
def test_an_acl_arrives(moto: Stores, acl: str, body: bytes) -> None:
    if body == LARGE:  # moto has no ACL of an object in parts: what is sent for it is looked at
        parts = moto.of_parts()
        assert copied(parts, parts.put(body), acl=acl).problem is None
        (begun,) = [request for request in parts.proxy.requests if request.operation == "CreateMultipartUpload"]
        assert begun.headers["x-amz-acl"] == acl
    else:
        assert copied(moto, moto.put(body), acl=acl).problem is None
        shown = canned(moto.s3.get_object_acl(Bucket=moto.production, Key=TARGET))
        assert shown == (acl if acl != "bucket-owner-full-control" else "private")
    moto.empty()


@BODIES
def test_headers_are_replaced_and_all_else_is_kept(stores: Stores, body: bytes) -> None:
    parts = stores.of_parts()
    version = parts.put(body, **GIVEN)
    settings: dict[str, Any] = {
        "cache_control": "max-age=60",
        "content_types": {".png": "image/png", "a.png": "image/x"},
    }
    assert copied(parts, version, **settings).problem is None
    made = head(parts)
    assert (made["CacheControl"], made["ContentType"]) == ("max-age=60", "image/x")
    assert (made["ContentDisposition"], made["Metadata"]) == (GIVEN["ContentDisposition"], GIVEN["Metadata"])
    assert tags(parts) == [{"Key": "team", "Value": "a"}]
    assert parts.target() == body


def test_what_no_suffix_names_costs_no_head_and_stays(stores: Stores) -> None:
    version = stores.put(**GIVEN)
    stores.proxy.clear()
    assert copied(stores, version, content_types={".gif": "image/gif"}, storage_class="STANDARD_IA").problem is None
    assert stores.proxy.seen["HeadObject"] == 0
    assert head(stores)["ContentType"] == GIVEN["ContentType"]
    assert head(stores)["StorageClass"] == "STANDARD_IA"


def test_a_suffix_is_found_in_any_case() -> None:
    settings = CopySettings(content_types={".png": "image/png"})
    assert settings.replaced("image/A.PNG") == {"content-type": "image/png"}
    assert settings.replaced("image/png") == {}


SETTINGS: list[dict[str, Any]] = [
    {"storage_class": "STANDARD_IA"},
    {"cache_control": "no-cache", "storage_class": "STANDARD_IA"},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_conditions_hold_all_the_same(stores: Stores, settings: dict[str, Any]) -> None:
    version = stores.put()
    theirs = stores.put_target(b"theirs")
    assert copied(stores, version, **settings).problem == "conflict"
    assert stores.target() == b"theirs"
    assert copied(stores, version, theirs.etag, **settings).problem is None
    assert stores.target() == b"body"
    assert head(stores)["StorageClass"] == "STANDARD_IA"


@pytest.mark.parametrize("settings", SETTINGS)
def test_a_source_that_is_rewritten_meanwhile_is_copied_as_it_is_then(stores: Stores, settings: dict[str, Any]) -> None:
    version = stores.put(CacheControl="old")
    stores.proxy.fault("CopyObject", faults.before(lambda: stores.put(b"newer", CacheControl="new")), times=1)
    result = copied(stores, version, **settings)
    assert (result.problem, stores.target()) == (None, b"newer")
    assert head(stores)["CacheControl"] == settings.get("cache_control", "new")
    assert head(stores)["StorageClass"] == "STANDARD_IA"


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("operation", ["CopyObject", "HeadObject"])
def test_a_busy_store_is_asked_again_with_all_of_it(stores: Stores, settings: dict[str, Any], operation: str) -> None:
    version = stores.put()
    stores.proxy.fault(operation, faults.slow_down, times=2)
    assert copied(stores, version, **settings).problem is None
    assert head(stores)["StorageClass"] == "STANDARD_IA"


def test_a_folder_marker_is_made_as_declared(stores: Stores) -> None:
    etag = stores.s3.put_object(Bucket=stores.legacy, Key="image/folder/", Body=b"")["ETag"].strip('"')
    copy = Copy("image/folder/", "avatar/folder/", Version(0, etag))
    settings = CopySettings(storage_class="STANDARD_IA", cache_control="max-age=60")
    (result,) = stores.hook.copy_objects(stores.legacy, stores.production, [copy], settings)
    assert result.problem is None
    # SeaweedFS shows no headers of a folder: what is sent for it is looked at.
    (put,) = [request for request in stores.proxy.requests if request.operation == "PutObject"]
    assert (put.headers["cache-control"], put.headers["x-amz-storage-class"]) == ("max-age=60", "STANDARD_IA")


OWNER = {"Grantee": {"ID": "me", "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}
ALL = {"Grantee": {"URI": "http://acs.amazonaws.com/groups/global/AllUsers", "Type": "Group"}}


@pytest.mark.parametrize(
    ("grants", "expected"),
    [
        ([OWNER], "private"),
        ([OWNER, {**ALL, "Permission": "READ"}], "public-read"),
        ([OWNER, {**ALL, "Permission": "READ"}, {**ALL, "Permission": "WRITE"}], "public-read-write"),
        ([OWNER, {**ALL, "Permission": "READ_ACP"}], OTHER),
        ([OWNER, {"Grantee": {"ID": "another"}, "Permission": "READ"}], OTHER),
        ([OWNER, {"Grantee": {"URI": "http://x/s3/LogDelivery"}, "Permission": "READ"}], OTHER),
    ],
)
def test_an_acl_is_taken_for_what_its_grants_are(grants: list[Any], expected: str) -> None:
    assert canned({"Owner": {"ID": "me"}, "Grants": grants}) == expected

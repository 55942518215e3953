"""What is there: listed, or asked for by HEAD."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timezone

import pytest
from botocore.exceptions import ClientError

from s3_migration.model.objects import Version
from s3_migration.s3.lookup import SPARSE, key_before
from tests.support import proxy as faults
from tests.support.proxy import Answer
from tests.support.stores import KEY, Stores


def test_a_listing_of_more_than_a_page_is_whole_and_its_objects_go_a_thousand_a_request(stores: Stores) -> None:
    keys = {f"image/{number}.png" for number in range(1001)}
    stores.put_many(sorted(keys))
    stores.put(b"beside the prefix", "imagine.png")
    pages = list(stores.hook.list_objects(stores.legacy, "image/"))
    listed = {entry.key: entry for page in pages for entry in page}
    assert set(listed) == keys
    assert max(len(page) for page in pages) <= 1000
    stores.hook.take_requests()
    deleted = stores.delete(*((key, entry.etag) for key, entry in listed.items()))
    assert {result.problem for result in deleted.values()} == {None}
    # Where boto3 has had no answer yet, a HEAD asks what time it is.
    assert stores.hook.take_requests() - Counter({("HeadObject", "200"): 1}) == {("DeleteObjects", "200"): 2}
    assert set(stores.list(stores.legacy)) == {"imagine.png"}


def test_a_listed_object_is_what_a_look_at_it_shows(stores: Stores) -> None:
    version = stores.put(b"")
    before = datetime.now(timezone.utc)
    (listed,) = stores.list(stores.legacy).values()
    assert listed.version == version == Version(0, "d41d8cd98f00b204e9800998ecf8427e")
    assert abs((before - datetime.fromisoformat(listed.modified.replace("Z", "+00:00"))).total_seconds()) < 60
    shown = stores.hook.head(stores.legacy, KEY)
    assert shown is not None
    assert (shown.key, shown.version) == (listed.key, listed.version)


def test_an_empty_bucket_lists_nothing(stores: Stores) -> None:
    assert stores.list(stores.legacy) == {}


def test_only_what_is_there_is_seen(stores: Stores) -> None:
    stores.put(key="image/1")
    stores.put(key="image/3")
    pages = stores.hook.head_objects(stores.legacy, ["image/1", "image/2", "image/3"])
    assert {entry.key for page in pages for entry in page} == {"image/1", "image/3"}


def test_only_a_404_means_absent(stores: Stores) -> None:
    assert stores.hook.head(stores.legacy, KEY) is None
    refused = stores.connect("without-get-legacy", **stores.options)
    with pytest.raises(ClientError, match="403"):
        refused.head(stores.legacy, KEY)
    with pytest.raises(ClientError, match="403"):
        list(refused.head_objects(stores.legacy, [KEY]))
    stores.proxy.fault("HeadObject", faults.slow_down)
    with pytest.raises(ClientError, match="503"):
        stores.hook.head(stores.legacy, KEY)


def test_a_key_that_the_store_cannot_hold_is_absent(stores: Stores) -> None:
    stores.put(key="image/1")
    pages = stores.hook.head_objects(stores.legacy, ["image/../1", "image/1"])
    assert [entry.key for page in pages for entry in page] == ["image/1"]


def test_an_expired_token_does_not_make_objects_absent(stores: Stores) -> None:
    """S3 answers a HEAD with it by a 400 without a body, as it answers a HEAD of a key that cannot be."""
    stores.put()
    stores.proxy.fault("HeadObject", lambda request, forward: Answer(400, [], b""))
    assert [entry.key for page in stores.hook.head_objects(stores.legacy, [KEY]) for entry in page] == [KEY]
    stores.proxy.fault("ListObjectsV2", faults.answer(400, "ExpiredToken"))
    with pytest.raises(ClientError, match="ExpiredToken"):
        list(stores.hook.head_objects(stores.legacy, [KEY]))


# -- given keys ---------------------------------------------------------------------------------------------------


def look(stores: Stores, keys: list[str], expected: tuple[str, ...] = ()) -> tuple[set[str], Counter[str]]:
    stores.hook.take_requests()
    pages = stores.hook.lookup(stores.legacy, "image/", sorted(keys), frozenset(expected))
    found = {entry.key for page in pages for entry in page}
    return found, Counter(operation for (operation, _), n in stores.hook.take_requests().items() for _ in range(n))


def test_few_keys_are_asked_for_one_by_one(stores: Stores) -> None:
    stores.put(key="image/1")
    keys = [f"image/{number}" for number in range(SPARSE)]
    assert look(stores, keys) == ({"image/1"}, {"HeadObject": SPARSE})
    assert look(stores, [*keys, "image/x"]) == ({"image/1"}, {"ListObjectsV2": 1})
    assert look(stores, []) == (set(), {})


def test_keys_that_lie_thick_are_listed_and_those_that_lie_thin_asked_for(stores: Stores) -> None:
    """Of a bucket that holds a thousand times as much, only what is asked for is looked at."""
    stores.proxy.heal()
    stores.put_many([f"image/a{number:04}" for number in range(1100)])
    thick = [f"image/a{number:04}" for number in range(100)]
    assert look(stores, thick) == (set(thick), {"ListObjectsV2": 1})
    thin = [f"image/a{number:04}" for number in range(0, 1100, 84)]
    found, requests = look(stores, [*thin, "image/b"])
    assert found == set(thin)
    assert requests["ListObjectsV2"] == 1 + (requests["HeadObject"] == 0)


def test_what_was_emptied_is_seen_by_one_page(stores: Stores) -> None:
    keys = sorted(f"image/{number:04}" for number in range(1_500))
    stores.put(key="image/0007")
    stores.put(key="image/0007 beside")
    stores.hook.take_requests()
    found = [entry.key for page in stores.hook.lookup(stores.legacy, "image/", keys) for entry in page]
    assert found == ["image/0007"]
    assert stores.hook.take_requests() == {("ListObjectsV2", "200"): 1}
    stores.put_many(keys)
    found = [entry.key for page in stores.hook.lookup(stores.legacy, "image/", keys) for entry in page]
    assert sorted(found) == keys


@pytest.mark.parametrize("expected", [(), ("image/0-x",)])
def test_what_should_be_there_is_asked_for_before_it_counts_as_missing(
    stores: Stores, expected: tuple[str, ...]
) -> None:
    """SeaweedFS lists `0/x` before `0-x`, so that a listing from the first key on does not show the second."""
    stores.put(key="image/0-x")
    stores.put(key="image/0/x")
    others = [f"image/1{number}" for number in range(SPARSE)]
    found, requests = look(stores, ["image/0-x", "image/0/x", *others], expected)
    assert found >= {"image/0/x"} or "image/0-x" in found
    if expected:
        assert "image/0-x" in found
    assert requests["HeadObject"] <= 1


@pytest.mark.parametrize("key", ["a", "a\x01", "a\x00", "a\ue000", "é" * 512, "x" * 1024, "\U0001f600", " ", "/"])
def test_a_key_before(key: str) -> None:
    before = key_before(key)
    assert before < key
    assert len(before.encode()) <= 1024

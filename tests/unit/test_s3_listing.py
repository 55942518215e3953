"""Listings that do not end as they should, and keys that nobody expects in them."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from s3_migration.model.storable_key import is_name, legible
from s3_migration.s3.errors import IncompleteResponse
from s3_migration.s3.types import Copy
from tests.support.proxy import Answer, Fault, Forward, Request
from tests.support.stores import Stores

KEYS = ["image/1", "image/2", "image/3"]


def more(token: Callable[[], str]) -> Fault:
    """A store that has listed all, and says that there is more."""
    first: list[Answer] = []

    def fault(request: Request, forward: Forward) -> Answer:
        if not first:
            first.append(forward(request))
        said = f"<IsTruncated>true</IsTruncated>{token()}".encode()
        return replace(first[0], body=first[0].body.replace(b"<IsTruncated>false</IsTruncated>", said))

    return fault


def tokens(*names: str) -> Callable[[], str]:
    following = itertools.cycle(names)
    return lambda: f"<NextContinuationToken>{next(following)}</NextContinuationToken>"


@pytest.mark.parametrize(
    ("token", "says"),
    [
        (lambda: "", "breaks off after 'image/3': IsTruncated, and no NextContinuationToken"),
        (tokens(""), "breaks off after 'image/3': IsTruncated, and no NextContinuationToken"),
        (tokens("t"), "does not go on after 'image/3'"),
        (tokens("t", "u"), "does not go on after 'image/3'"),
        (tokens("t", "u", "v"), "does not go on after 'image/3'"),
    ],
    ids=["no token", "an empty token", "one token for ever", "two tokens for ever", "three"],
)
@pytest.mark.parametrize("in_order", [True, False])
def test_half_a_listing_is_none(stores: Stores, token: Callable[[], str], says: str, in_order: bool) -> None:
    for key in KEYS:
        stores.put(key=key)
    stores.proxy.fault("ListObjectsV2", more(token))
    with pytest.raises(IncompleteResponse, match=says) as broken:
        list(stores.hook.list_objects(stores.legacy, "image/", in_order=in_order))
    assert f"s3://{stores.legacy}/image/" in str(broken.value)
    assert stores.proxy.seen["ListObjectsV2"] < 40


def test_a_lookup_takes_no_half_a_listing_for_all(stores: Stores) -> None:
    keys = [f"image/{number:03}" for number in range(100)]
    for key in keys[:3]:
        stores.put(key=key)
    stores.proxy.fault("ListObjectsV2", more(lambda: ""))
    with pytest.raises(IncompleteResponse, match="breaks off"):
        list(stores.hook.lookup(stores.legacy, "image/", keys))


def test_empty_pages_on_the_way_are_no_end(stores: Stores) -> None:
    """As stores give them that skip what was deleted."""
    stores.put(key=KEYS[0])
    pages: list[Answer] = []

    def three_first(request: Request, forward: Forward) -> Answer:
        if not pages:
            full = forward(request)
            empty = re.sub(rb"<Contents>.*</Contents>", b"", full.body)
            for number in range(3):
                said = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{number}</NextContinuationToken>"
                body = empty.replace(b"<IsTruncated>false</IsTruncated>", said.encode())
                pages.append(replace(full, body=body))
            pages.append(full)
        return pages[stores.proxy.seen["ListObjectsV2"] - 1]

    stores.proxy.fault("ListObjectsV2", three_first)
    assert set(stores.list(stores.legacy)) == {KEYS[0]}
    assert stores.proxy.seen["ListObjectsV2"] == 4


@pytest.mark.parametrize(
    ("there", "shown"),
    [(b"o%00d", "image/o%00d"), (b"caf%E9", "image/caf%E9"), (b"%ED%A0%80", "image/%ED%A0%80")],
    ids=["U+0000", "no UTF-8", "half a pair"],
)
def test_a_key_that_cannot_be_stored_is_named_and_fails_alone(stores: Stores, there: bytes, shown: str) -> None:
    version = stores.put(key="image/odd")
    stores.put(key="image/plain")

    def odd(request: Request, forward: Forward) -> Answer:
        got = forward(request)
        return replace(got, body=re.sub(rb"image(/|%2F)odd", rb"image\1" + there, got.body))

    stores.proxy.fault("ListObjectsV2", odd)
    listed = stores.list(stores.legacy, "image/")
    (name,) = listed.keys() - {"image/plain"}
    assert is_name(name)
    assert legible(name) == shown
    copies = [Copy(key, key.replace("image", "avatar"), entry.version) for key, entry in listed.items()]
    results = {result.copy.key: result for result in stores.copy_all(*copies)}
    assert results["image/plain"].problem is None
    assert (results[name].problem, results[name].code) == ("failed", "KeyNotStorable")
    assert repr(shown) in str(results[name].detail)
    assert version == listed[name].version

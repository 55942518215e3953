"""Any legal key is listed, copied and deleted as the one that it is."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from s3_migration.s3.types import Copy, DeleteResult
from tests.support.stores import Stores

HELD_BY_BOTH = {
    "blanks": " a b ",
    "plus": "a+b+.png",
    "percent": "%2F%20%.png",
    "markup": "&<>\"'.png",
    "entity": "&amp;&#10;.png",
    "query": "?versionId=1#part.png",
    "umlaut": "ä-a\u0308.png",
    "emoji": "\U0001f600.png",
    "control": "\x01\x1f.png",
    "tab": "\t.png",
    "return": "a\rb.png",
    "delete": "\x7f.png",
    "next-line": "a\x85b\u2028c.png",
    "no-character": "\ufffe\uffff.png",
    "long": "/".join(["x" * 200] * 5) + "y" * 13,
}
FOLDED_OR_REFUSED_BY_SEAWEEDFS = {
    "two-slashes": "a//b.png",
    "slash-first": "/a.png",
    "backslash": "a\\b.png",
    "dot": "./a/./b.png",
    "dots": "../../a.png",
    "long-name": "x" * 1017,
    "content-and-slash": "a/",
}


def move(stores: Stores, legacy_prefix: str, production_prefix: str, *rests: str) -> None:
    """Objects are listed, copied and deleted, each under the key that it has and no other."""
    bodies = {rest: f"body of {rest}".encode() for rest in rests}
    for rest, body in bodies.items():
        stores.put(body, legacy_prefix + rest)
    listed = stores.list(stores.legacy)
    assert set(listed) == {legacy_prefix + rest for rest in rests}
    results = stores.copy_all(
        *(Copy(key, production_prefix + key[len(legacy_prefix) :], entry.version) for key, entry in listed.items())
    )
    assert [result.detail for result in results if result.problem or not result.requested] == []
    assert {rest: stores.target(production_prefix + rest) for rest in rests} == bodies
    assert {key: entry.version for key, entry in stores.list(stores.production).items()} == {
        result.copy.target: result.target for result in results
    }
    deleted = stores.delete(*((key, entry.etag) for key, entry in listed.items()))
    assert deleted == {key: DeleteResult(key) for key in listed}
    assert stores.list(stores.legacy) == {}


# moto's server has no route for a key with a newline.
@pytest.mark.parametrize("rest", [*HELD_BY_BOTH.values(), "a\nb.png"], ids=[*HELD_BY_BOTH, "newline"])
def test_an_awkward_key_moves(stores: Stores, rest: str) -> None:
    move(stores, "image/", "avatar/", rest)


def test_keys_that_seaweedfs_does_not_hold_move_where_they_are_held(moto: Stores) -> None:
    move(moto, "image/", "avatar/", *HELD_BY_BOTH.values(), *FOLDED_OR_REFUSED_BY_SEAWEEDFS.values())


LEGAL_KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\n"), min_size=1, max_size=40)


@given(st.sets(LEGAL_KEYS, min_size=1, max_size=4))
@example({"x" * 1024, "é" * 512, "\U0001f600" * 256, "/" * 1024})
@settings(max_examples=30, deadline=None)
def test_any_legal_key_moves(moto: Stores, keys: set[str]) -> None:
    moto.empty()
    move(moto, "", "", *keys)

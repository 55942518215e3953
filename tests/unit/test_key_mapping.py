"""Two keys never meet, on the way there and on the way back."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from s3_migration.model.key_mapping import KeyMapping, canaries, canary

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
PREFIX = TEXT.filter(bool)
MAPPINGS = st.builds(KeyMapping, PREFIX, PREFIX, PREFIX, PREFIX)
AVATARS = KeyMapping("image/", "avatar/", "/static/image/", "avatars:")


@pytest.mark.parametrize(
    ("key", "copy"),
    [
        ("image/a/7.png", "avatar/a/7.png"),
        ("image/", "avatar/"),
        ("image/image/1.png", "avatar/image/1.png"),
        ("image//../%2F \n\\.png", "avatar//../%2F \n\\.png"),
    ],
)
def test_what_follows_the_prefix_is_kept_whole(key: str, copy: str) -> None:
    assert AVATARS.production_key(key) == copy
    assert AVATARS.legacy_path(key) == "/static/image/" + key[6:]
    assert AVATARS.production_path(key) == "avatars:" + key[6:]


@given(MAPPINGS, TEXT)
@example(KeyMapping("a", "aa", "b", "bb"), "a")
def test_there_and_back(keys: KeyMapping, rest: str) -> None:
    key = keys.legacy_prefix + rest
    assert keys.legacy_key(keys.production_key(key)) == key
    assert keys.production_key(key).removeprefix(keys.production_prefix) == rest
    assert keys.legacy_path(key).removeprefix(keys.legacy_path_prefix) == rest
    assert keys.production_path(key).removeprefix(keys.production_path_prefix) == rest


@given(MAPPINGS, TEXT, TEXT)
def test_two_keys_never_meet(keys: KeyMapping, one: str, other: str) -> None:
    first, second = keys.legacy_prefix + one, keys.legacy_prefix + other
    for mapped in (keys.production_key, keys.legacy_path, keys.production_path):
        assert (mapped(first) == mapped(second)) == (one == other)


@given(MAPPINGS, TEXT)
def test_a_key_of_elsewhere_is_refused(keys: KeyMapping, key: str) -> None:
    if not key.startswith(keys.legacy_prefix):
        for mapped in (keys.production_key, keys.legacy_path, keys.production_path):
            with pytest.raises(ValueError, match="does not begin with prefix"):
                mapped(key)
    if not key.startswith(keys.production_prefix):
        with pytest.raises(ValueError, match="does not begin with prefix"):
            keys.legacy_key(key)


def test_each_run_of_each_migration_has_a_canary_of_its_own_which_is_no_object_of_the_product() -> None:
    keys = [canary("image/", name, run) for name in ("avatars", "avatars-2") for run in ("manual__1", "manual__2")]
    assert len(set(keys)) == 4
    assert all(map(AVATARS.is_canary, [*keys, "image/.s3-migration-canary"]))
    assert all(
        key.startswith(canaries("image/", name)) for key, name in zip(keys[::2], ("avatars", "avatars-2"), strict=True)
    )


@pytest.mark.parametrize(
    "rest", ["", "a.png", ".s3-migration-canary-", ".s3-migration-canary-a.png", "a/.s3-migration-canary"]
)
def test_what_only_looks_like_a_canary_is_an_object(rest: str) -> None:
    assert not AVATARS.is_canary(f"image/{rest}")

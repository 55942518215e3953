"""Keys that PostgreSQL cannot store have a name that it can, and no other key's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3_migration.model.objects import S3Object
from s3_migration.model.storable_key import MARK, is_name, legible, storable


def name(raw: bytes) -> str:
    (found,) = storable([S3Object(raw.decode(errors="surrogateescape"), 1, "e", "now")])
    return found.key


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"image/a\0b.png", "image/a%00b.png"),
        (b"image/caf\xe9.png", "image/caf%E9.png"),
        (b"image/\xed\xa0\x80", "image/%ED%A0%80"),  # half a pair of UTF-16
        (f"image/{MARK}".encode(), "image/%EF%B7%90"),
    ],
)
def test_it_is_shown_byte_by_byte(raw: bytes, shown: str) -> None:
    assert is_name(name(raw))
    assert legible(name(raw)) == shown


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters=f"\0{MARK}")))
def test_any_other_key_is_its_own_name(key: str) -> None:
    assert name(key.encode()) == key
    assert not is_name(key)


@given(st.binary())
def test_a_name_can_be_stored(raw: bytes) -> None:
    made = name(raw)
    assert "\0" not in made
    made.encode()


def test_the_others_of_a_page_stay_as_they_are() -> None:
    plain, odd = S3Object("image/a", 1, "e", "now"), S3Object("image/\0", 1, "e", "now")
    assert storable([plain, odd])[0] is plain

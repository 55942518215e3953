"""Which keys a path may stand for, however it is spelt: s3_migration.possible_keys and plain_spelling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from devstack.postgres import Postgres
from tests.sql.empty_product import set_up

Connection = psycopg.Connection[Any]


@pytest.fixture(scope="module")
def connection(postgres: Postgres) -> Iterator[Connection]:
    with psycopg.connect(postgres.dsn(set_up(postgres)), autocommit=True) as made:
        yield made


def plain(connection: Connection, text: str) -> str:
    (found,) = connection.execute("SELECT s3_migration.plain_spelling(%s)", [text]).fetchone()  # type: ignore[misc]
    assert isinstance(found, str)
    return found


# As references.py asks: both the key's prefix and the path's, in their plain spelling.
POSSIBLE = """
SELECT s3_migration.possible_keys(
    %(path)s, ARRAY(SELECT s3_migration.plain_spelling(p) FROM unnest(%(prefixes)s::text[]) AS p),
    s3_migration.plain_spelling(%(key_prefix)s)
)
"""


def possible(connection: Connection, path: str, *prefixes: str, key_prefix: str = "image/") -> set[str]:
    values = {"path": path, "prefixes": list(prefixes or ("image/",)), "key_prefix": key_prefix}
    return {key for (key,) in connection.execute(POSSIBLE, values)}


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("image/a.png", "image/a.png"),
        ("https://cdn.example/image/a.png", "image/a.png"),
        ("s3://legacy/image/a.png", "image/a.png"),
        ("/image/a.png", "image/a.png"),
        ("image%2Fa.png", "image/a.png"),
        ("https%3A%2F%2Fcdn.example%2Fimage%2Fa.png", "image/a.png"),
        ("image/a%20b.png", "image/a b.png"),
        ("image/a%2520b.png", "image/a b.png"),
        ("image/a%252520b.png", "image/a%20b.png"),
        ("https://cdn.example/image/a.png?width=3&of=image", "image/a.png"),
        ("https://cdn.example/image/a.png#top", "image/a.png"),
        ("https://cdn.example/image/a.png?b#top", "image/a.png"),
        ("https://cdn.example/image/a.png#top?b", "image/a.png"),
        ("image/a?b#c", "image/a?b#c"),  # of which a key may be made, too
        ("image//a.png", "image/a.png"),
        ("image/a.png", "image//a.png"),
        ("//image///a.png", "image/a.png"),
        ("image/a+b.png", "image/a b.png"),
        ("image/a b.png", "image/a+b.png"),
        ("image/a%2Bb.png", "image/a+b.png"),
        (" image/a.png ", "image/a.png"),
        ("\t\n\r\f\v\u00a0\ufeffimage/a.png\ufeff\u00a0\v\f\r\n\t", "image/a.png"),
        ("image/a.png%20", "image/a.png"),
        ("image/cafe\u0301.png", "image/caf\u00e9.png"),
        ("image/caf\u00e9.png", "image/cafe\u0301.png"),
        ("image/caf%C3%A9.png", "image/cafe\u0301.png"),
        ("IMAGE/A.PNG", "image/a.png"),
        ("image/a.png", "image/A.png"),
        ("Image/\u00c9.png", "image/\u00e9.png"),
        ("image/image/a.png", "image/image/a.png"),
        ("image/image/a.png", "image/a.png"),  # the first may be part of what stands before the prefix
        ("image/100%.png", "image/100%.png"),
        ("image/%FF.png", "image/%ff.png"),  # no UTF-8: as it stands
        ("image/%00.png", "image/%00.png"),  # no text holds it
        ("image/", "image/"),
    ],
)
def test_a_path_may_stand_for_a_key_in_another_spelling(connection: Connection, path: str, key: str) -> None:
    assert plain(connection, key) in possible(connection, path)


@pytest.mark.parametrize(
    "path",
    ["", " ", "a.png", "https://cdn.example/a.png", "images/a.png", "image", "image\\a.png", "?image", "im age/a.png"],
)
def test_a_path_without_the_prefix_stands_for_nothing(connection: Connection, path: str) -> None:
    assert possible(connection, path) == set()


def test_a_path_stands_for_these_and_no_more(connection: Connection) -> None:
    assert possible(connection, "https://cdn.example/image/A.png?of=image/B") == {
        "image/a.png",
        "image/a.png?of=image/b",
        "image/b",
    }
    assert possible(connection, "image/image/a") == {"image/image/a", "image/a"}
    assert possible(connection, "image/ab") == {"image/ab"}


def test_with_an_empty_prefix_the_whole_path_follows_it(connection: Connection) -> None:
    assert possible(connection, "A%20b.png", "") == {"image/a b.png"}
    assert possible(connection, "a.png", "image/", "") == {"image/a.png"}
    assert possible(connection, "image/a.png", "image/", "") == {"image/a.png", "image/image/a.png"}
    assert possible(connection, "", "") == {"image/"}
    assert possible(connection, "a?b", "", key_prefix="") == {"a?b", "a"}


def test_a_prefix_of_the_paths_stands_for_that_of_the_keys(connection: Connection) -> None:
    of = ("image/", "https://cdn.example/")
    assert possible(connection, "https://cdn.example/a.png", *of) == {"image/a.png"}
    assert possible(connection, "HTTPS://cdn.example/a.png", *of) == {"image/a.png"}
    assert possible(connection, "https%3A//cdn.example/image/a.png", *of) == {"image/a.png", "image/image/a.png"}


def test_of_nothing_nothing_is_asked(connection: Connection) -> None:
    asked = "SELECT s3_migration.possible_keys(NULL, ARRAY['image/'], 'image/')"
    assert connection.execute(asked).fetchall() == []
    assert connection.execute("SELECT s3_migration.plain_spelling(NULL)").fetchone() == (None,)


# What spells otherwise comes up often: escapes (also of escapes), what is no UTF-8, blanks, marks, the prefix itself.
PIECES = st.sampled_from(
    [
        *("%", "%2", "%25", "%2525", "%20", "%FF", "%00", "%C3", "%A9", "%F0%9F%98%80", "%ED%A0%80", "%2B", "%2F"),
        *("/", "//", "?", "#", "+", " ", "\t", "\n", "\u00a0", "\ufeff", "\\", "image/", "IMAGE/", "e\u0301", "\u0301"),
        *("\u0130", "\u03a3", "\ufb01", "\U0001f600", "a", "B", "41", "."),
    ]
)
ANY = st.characters(exclude_categories=("Cs",), exclude_characters="\0")
TEXTS = st.lists(st.one_of(PIECES, st.text(ANY, max_size=5)), max_size=8).map("".join)
BLANKS = st.text(" \t\n\r\f\v\u00a0\ufeff", max_size=3)
SETTINGS = settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SETTINGS
@given(rest=TEXTS, before=BLANKS, after=BLANKS)
@example(rest="a%2520b", before="", after="")
@example(rest="%2525FF", before="", after="")
@example(rest="?#", before="", after="")
@example(rest="image/image/", before=" ", after="\u00a0")
def test_however_it_is_spelt_a_path_may_stand_for_its_key(
    connection: Connection, rest: str, before: str, after: str
) -> None:
    encoded = quote(rest)
    in_url = encoded if "?" in rest or "#" in rest else rest
    paths = ("image/" + rest, "image/" + encoded, quote("image/" + rest, safe=""))
    url = "https://cdn.example/image/" + in_url
    key = plain(connection, "image/" + rest)
    for path in (*paths, url, before + paths[0] + after, before + paths[1] + after, before + url + after):
        assert key in possible(connection, path), path


@SETTINGS
@given(TEXTS)
@example("%")
@example("%F4%90%80%80")
@example("%C0%80")
@example("\u0130\u0301")
def test_any_text_has_a_plain_spelling(connection: Connection, text: str) -> None:
    # Composed, in small letters, nothing repeated, nothing around it: spelt plainly once more it is the same.
    found = plain(connection, text)
    if "%" not in found:
        assert plain(connection, found) == found


@SETTINGS
@given(st.one_of(TEXTS, st.text("ABCxyz019_./-", max_size=20)))
@example("IMG_0001.JPG")
@example("image//a")
@example("-I-/\u0131")
def test_the_quick_way_spells_a_key_the_same(connection: Connection, key: str) -> None:
    (found,) = connection.execute("SELECT s3_migration.plain_key(%s)", [key]).fetchone()  # type: ignore[misc]
    assert found == plain(connection, key)

"""s3_migration.url_decode against Python's, on whatever text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote

import psycopg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from devstack.postgres import Postgres
from tests.sql.empty_product import set_up

Connection = psycopg.Connection[tuple[Any, ...]]
# What PostgreSQL can hold: no NUL, no lone surrogate.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
# Bytes that begin, go on with and break UTF-8, encoded or half encoded, between characters of their own.
_EDGES = [*(0x00, 0x01, 0x0A, 0x25, 0x2F, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC1, 0xC2, 0xDF)]
_EDGES += [*(0xE0, 0xE1, 0xEC, 0xED, 0xEE, 0xEF, 0xF0, 0xF1, 0xF3, 0xF4, 0xF5, 0xF8, 0xFF)]
_BYTES = st.one_of(st.sampled_from(_EDGES), st.integers(0, 255))
_ENCODED = st.one_of(_BYTES.map("%{:02X}".format), _BYTES.map("%{:02x}".format))
_PARTS = st.one_of(
    _ENCODED, st.sampled_from(["%", "%%", "%2", "%G1", "%1g", "+", "/", "a", "0", "ä", "\n", "\\", "\U0001f600"])
)
PERCENT = st.lists(st.one_of(_PARTS, TEXTS.map(quote)), max_size=12).map("".join)


@pytest.fixture(scope="module")
def connection(postgres: Postgres) -> Iterator[Connection]:
    with psycopg.connect(postgres.dsn(set_up(postgres)), autocommit=True) as made:
        yield made


def decoded(connection: Connection, text: str) -> str | None:
    (found,) = connection.execute("SELECT s3_migration.url_decode(%s)", [text], prepare=True).fetchone() or (None,)
    return found  # type: ignore[no-any-return]


def expected(text: str) -> str | None:
    try:
        found = unquote(text, errors="strict")
    except UnicodeDecodeError:
        return None
    return None if "\0" in found else found


@settings(max_examples=400, deadline=None)
@given(TEXTS)
@example("")
@example("%2F%25/+ ~é\U0001f600")
def test_what_is_encoded_is_decoded_again(connection: Connection, text: str) -> None:
    assert decoded(connection, quote(text, safe="/~")) == text
    assert decoded(connection, quote(text, safe="")) == text
    # Letters of either size stand for the same.
    assert decoded(connection, quote(text, safe="/~").replace("%C3", "%c3").replace("%F0", "%f0")) == text


@settings(max_examples=1500, deadline=None)
@given(PERCENT)
@example("%ED%A0%80")  # a surrogate
@example("%F4%90%80%80")  # beyond Unicode
@example("%C0%AF")  # too long a form of /
@example("%00")
@example("%")
@example("%4")
@example("%C3ä")  # a byte that begins a character, before a whole one
def test_whatever_is_asked_it_answers_as_python_or_null(connection: Connection, text: str) -> None:
    assert decoded(connection, text) == expected(text)


def test_every_sequence_of_two_bytes_and_each_edge_of_three_and_four(connection: Connection) -> None:
    texts = [f"%{first:02x}%{second:02x}" for first in range(256) for second in range(256)]
    texts += [f"%{one:02X}%{two:02X}%{three:02X}" for one in _EDGES for two in _EDGES for three in _EDGES]
    tails = (0x7F, 0x80, 0xBF, 0xC0)
    texts += [
        f"%{one:02X}%{two:02X}%{three:02X}%{four:02X}"
        for one in range(0xEF, 0x100)
        for two in (0x7F, 0x80, 0x8F, 0x90, 0xBF, 0xC0)
        for three in tails
        for four in tails
    ]
    found = connection.execute(
        "SELECT t.text, s3_migration.url_decode(t.text) FROM unnest(%s::text[]) AS t (text)", [texts]
    )
    assert [(text, answer) for text, answer in found if answer != expected(text)] == []

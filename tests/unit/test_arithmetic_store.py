"""The bench's store of arithmetic: what it lists is what sorted() lists, and its conditions are S3's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.arithmetic_keys import ArithmeticKeys
from bench.arithmetic_store import Store
from s3_migration.s3.xml import copy_result, listing_answer

COUNTS = st.one_of(st.integers(0, 130), st.sampled_from([999, 1_000, 1_001, 1_234]))
# Of digits and what sorts right before and behind them: where a listing is asked to begin.
TEXTS = st.text("0123459./:px", max_size=6).map(str.encode)


def _names(count: int) -> list[bytes]:
    return sorted(b"%d.png" % number for number in range(1, count + 1))


@given(COUNTS)
def test_places_are_those_of_sorted_names(count: int) -> None:
    keys, numbers = ArithmeticKeys(count), [int(name[:-4]) for name in _names(count)]
    assert [keys.place(number) for number in numbers] == list(range(count))
    assert [keys.number(place) for place in range(count)] == numbers
    assert [keys.following(number) for number in numbers[:-1]] == numbers[1:]


@given(COUNTS, TEXTS)
def test_names_up_to_any_bytes_are_counted(count: int, text: bytes) -> None:
    assert ArithmeticKeys(count).up_to(text) == sum(name <= text for name in _names(count))


@given(COUNTS, TEXTS)
def test_names_are_told_from_what_looks_like_one(count: int, text: bytes) -> None:
    name = text + b".png"
    assert ArithmeticKeys(count).number_of(name) == (int(text) if name in _names(count) else None)


def test_a_hundred_million_places_are_arithmetic() -> None:
    keys = ArithmeticKeys(100_000_000)
    for place in (0, 1, 2, 9, 12_345_678, 99_999_999):
        assert keys.place(keys.number(place)) == place


# -- requests ---------------------------------------------------------------------------------------------------


class Asking:
    """Requests as they come over the wire, without one."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        self.store = Store(*args, **kwargs)  # type: ignore[arg-type]

    def __call__(self, method: str, target: str, body: bytes = b"", **headers: str) -> tuple[int, str, bytes]:
        """Answers status, head and body."""
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        request = "\r\n".join([f"{method} {target} HTTP/1.1", *lines]).encode()
        head, _, content = self.store.answer(request, body).partition(b"\r\n\r\n")
        return int(head[9:12]), head.decode(), content

    def etag(self, target: str) -> str:
        return re.findall(r'ETag: ("[^"]*")', self("HEAD", target)[1])[0]

    def listed(self, bucket: str, prefix: str = "", after: str = "", size: int = 1_000) -> Iterator[str]:
        where = f"start-after={quote(after, safe='')}" if after else ""
        while True:
            query = f"list-type=2&encoding-type=url&max-keys={size}&prefix={quote(prefix, safe='')}&{where}"
            status, _, content = self("GET", f"/{bucket}?{query}")
            assert status == 200
            listed, truncated, token = listing_answer(content)
            yield from (entry.key for entry in listed)
            assert truncated is (token is not None)
            if not token:
                return
            assert len(listed) == size
            where = f"continuation-token={quote(token, safe='')}"

    def copy(self, number: int, **headers: str) -> tuple[int, str, bytes]:
        source = {"x_amz_copy_source": f"legacy-s3/image/avatar-{number}.png"}
        return self("PUT", f"/production-s3/avatar/avatar-{number}.png", **source, **headers)


@given(st.integers(0, 130), st.sets(st.integers(1, 130)), TEXTS, TEXTS, st.integers(1, 150), st.sets(TEXTS, max_size=3))
def test_listings_are_those_of_sorted_keys(
    count: int, deleted: set[int], prefix: bytes, after: bytes, size: int, others: set[bytes]
) -> None:
    ask = Asking(count)
    for number in deleted:
        assert ask("DELETE", f"/legacy-s3/image/avatar-{number}.png")[0] == 204
    expected = {f"image/avatar-{number}.png" for number in range(1, count + 1) if number not in deleted}
    for other in others:
        key = f"image/avatar-{other.decode()}"
        ask("PUT", f"/legacy-s3/{key}", b"other")
        expected.add(key)
    below, behind = (f"image/avatar-{text.decode()}" for text in (prefix, after))
    found = list(ask.listed("legacy-s3", below, behind, size))
    assert found == sorted(key for key in expected if key.startswith(below) and key > behind)


@pytest.mark.parametrize("already", [0, 3, 10])
def test_so_many_of_ten_are_there_already(already: int) -> None:
    ask = Asking(1_000, already=already)
    assert len(list(ask.listed("production-s3"))) == already * 100
    assert len(list(ask.listed("legacy-s3"))) == 1_000


def test_what_was_moved_is_in_production_alone() -> None:
    ask = Asking(200_000, moved=True)
    assert sum(1 for _ in ask.listed("production-s3")) == 200_000
    assert list(ask.listed("legacy-s3")) == []


def test_a_copy_is_what_its_source_is_and_younger() -> None:
    ask = Asking(20)
    etag = ask.etag("/legacy-s3/image/avatar-7.png")
    status, _, content = ask.copy(7, x_amz_copy_source_if_match=etag, If_None_Match="*")
    made = copy_result(content)
    assert status == 200
    assert made is not None
    assert f'"{made.etag}"' == etag == ask.etag("/production-s3/avatar/avatar-7.png")
    listed = listing_answer(ask("GET", "/production-s3?list-type=2")[2]).listed
    assert [(entry.key, entry.etag, entry.modified) for entry in listed] == [("avatar/avatar-7.png", *made)]
    (old,) = (each for each in listing_answer(ask("GET", "/legacy-s3?list-type=2")[2]).listed if "-7" in each.key)
    assert old.modified < made.modified


def test_copies_are_refused_whose_conditions_do_not_hold() -> None:
    ask = Asking(20)
    assert ask.copy(21)[0] == 404
    assert ask.copy(7, x_amz_copy_source_if_match='"other"')[0] == 412
    assert ask.copy(7, If_Match='"any"')[0] == 404
    assert list(ask.listed("production-s3")) == []
    assert ask.copy(7, If_None_Match="*")[0] == 200
    assert ask.copy(7, If_None_Match="*")[0] == 412
    assert ask.copy(7, If_Match='"other"')[0] == 412
    assert ask.copy(7, If_Match=ask.etag("/production-s3/avatar/avatar-7.png"))[0] == 200


def test_what_was_rewritten_is_listed_copied_and_deleted_as_it_is_now() -> None:
    ask = Asking(20)
    first = ask.etag("/legacy-s3/image/avatar-7.png")
    ask("PUT", "/legacy-s3/image/avatar-7.png", b"rewritten", x_amz_meta_owner="someone")
    again = ask.etag("/legacy-s3/image/avatar-7.png")
    assert again != first
    assert len(list(ask.listed("legacy-s3"))) == 20
    assert ask.copy(7, x_amz_copy_source_if_match=first)[0] == 412
    assert ask.copy(7, x_amz_copy_source_if_match=again, If_None_Match="*")[0] == 200
    assert "x-amz-meta-owner: someone" in ask("HEAD", "/production-s3/avatar/avatar-7.png")[1]
    assert ask("GET", "/production-s3/avatar/avatar-7.png")[2] == b"rewritten"
    assert ask("DELETE", "/legacy-s3/image/avatar-7.png", If_Match=first)[0] == 412
    assert ask("DELETE", "/legacy-s3/image/avatar-7.png", If_Match=again)[0] == 204
    assert ask("DELETE", "/legacy-s3/image/avatar-7.png", If_Match=again)[0] == 404
    assert ask("DELETE", "/legacy-s3/image/avatar-7.png")[0] == 204
    assert len(list(ask.listed("legacy-s3"))) == 19


@pytest.mark.parametrize("quiet", [True, False])
def test_many_are_deleted_each_by_its_own_etag(quiet: bool) -> None:
    ask = Asking(20)
    keys = [f"image/avatar-{number}.png" for number in (5, 6, 7)]
    etags = [ask.etag(f"/legacy-s3/{key}") for key in keys]
    etags[1] = '"other"'
    asked = "".join(
        f"<Object><Key>{key}</Key><ETag>{etag}</ETag></Object>" for key, etag in zip(keys, etags, strict=True)
    )
    body = f"<Delete>{asked}{'<Quiet>true</Quiet>' if quiet else ''}</Delete>".encode()
    status, _, content = ask("POST", "/legacy-s3?delete", body)
    assert status == 200
    gone = [] if quiet else [b"image/avatar-5.png", b"image/avatar-7.png"]
    assert re.findall(rb"<Deleted><Key>(.*?)</Key>", content) == gone
    assert re.findall(rb"<Error><Key>(.*?)</Key><Code>(.*?)</Code>", content) == [
        (b"image/avatar-6.png", b"PreconditionFailed")
    ]
    assert len(list(ask.listed("legacy-s3"))) == 18
    again = ask("POST", "/legacy-s3?delete", body)[2]
    assert re.findall(rb"<Code>(.*?)</Code>", again) == [b"NoSuchKey", b"PreconditionFailed", b"NoSuchKey"]


def test_an_expired_deletion_is_refused() -> None:
    ask = Asking(20)
    target = "/legacy-s3/image/avatar-7.png?X-Amz-Date=20200101T000000Z&X-Amz-Expires=60"
    status, _, content = ask("DELETE", target)
    assert (status, b"expired" in content) == (403, True)
    assert len(list(ask.listed("legacy-s3"))) == 20


def test_requests_are_counted_by_what_became_of_them() -> None:
    ask = Asking(20)
    ask.copy(7, If_None_Match="*")
    ask.copy(7, If_None_Match="*")
    assert ask.store.counts == {"CopyObject 200": 1, "CopyObject 412": 1}

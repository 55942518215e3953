"""The second opinion, its pure part: what a value names, what is wrong, and the join against a simple model."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3_migration.model.declaration import Declaration
from s3_migration.second_opinion import scratch
from s3_migration.second_opinion.finding import Finding
from s3_migration.second_opinion.join import MOST_ROWS, join
from s3_migration.second_opinion.judgement import Fault, Object, judge_left, judge_row
from s3_migration.second_opinion.scratch import Found, Parts, RowAt
from s3_migration.second_opinion.spelling import MOST_CHARACTERS, Named, Otherwise, Side, reader
from s3_migration.second_opinion.stores import read_at_once
from tests.support.product import declare

LEGACY, PRODUCTION = Side.LEGACY, Side.PRODUCTION
ONE, OTHER, PARTS_OF_ONE = "0" * 32, "1" * 32, f"{'0' * 32}-2"
CDN = {"legacy": "https://cdn.example/image/", "production": "https://cdn.example/avatar/"}


def declared(**reference: Any) -> Declaration:
    return declare(database={"conn_id": "d", "references": [{"table": "t", "column": "c", **reference}]})


def named(value: str, **reference: Any) -> Named | str | None:
    declaration = declared(**reference)
    try:
        return reader(declaration.references[0], declaration)(value)
    except Otherwise:
        return "otherwise"


# -- what a value names -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("image/a.png", Named(LEGACY, b"a.png", b"")),
        ("avatar/a.png", Named(PRODUCTION, b"a.png", b"")),
        ("image/", Named(LEGACY, b"", b"")),
        ("image/a%20b?c#d", Named(LEGACY, b"a%20b?c#d", b"")),
        ("avatar/\u00e9\U0001f600\n", Named(PRODUCTION, "\u00e9\U0001f600\n".encode(), b"")),
        ("image//x/../y", Named(LEGACY, b"/x/../y", b"")),
        *(
            (value, "otherwise")
            for value in ("/image/a.png", " image/a", "IMAGE/a.png", "https://x/avatar/a", "%69mage/a")
        ),
        *(
            (value, "otherwise")
            for value in ("s3://legacy-s3/x", "https://production-s3.s3.example/x", r"image\/a.png")
        ),
        *((value, "otherwise") for value in ("image%2Fa.png", "image%252Fa.png", f"avatar/{'a' * MOST_CHARACTERS}")),
        *((value, None) for value in ("", "image", "imagex/a.png", "other/a.png", "100%", "a" * 9000)),
    ],
)
def test_a_value_names_what_the_declaration_says(value: str, names: Named | str | None) -> None:
    assert named(value) == names


@pytest.mark.parametrize(
    ("rest", "names"),
    [
        ("a.png", Named(PRODUCTION, b"a.png", b"")),
        ("a%20b.png", Named(PRODUCTION, b"a b.png", b"a%20b.png")),
        ("a%2Fb%2520.png", Named(PRODUCTION, b"a/b%20.png", b"a%2Fb%2520.png")),
        ("%FF", Named(PRODUCTION, b"\xff", b"%FF")),
        ("50%.png", Named(PRODUCTION, b"50%.png", b"")),
        ("a+b.png", Named(PRODUCTION, b"a+b.png", b"")),
        ("a.png?v=2#top", Named(PRODUCTION, b"a.png", b"a.png?v=2#top")),
        ("a%3Fb.png", Named(PRODUCTION, b"a?b.png", b"a%3Fb.png")),
    ],
)
def test_a_url_names_what_a_browser_would_ask_for(rest: str, names: Named) -> None:
    assert named(CDN["production"] + rest, path_prefix=CDN, path_encoding="url") == names


def test_a_path_of_another_reference_is_another_spelling_here() -> None:
    assert named("image/a.png", path_prefix=CDN) == "otherwise"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60))
def test_what_is_encoded_names_the_key_itself(rest: str) -> None:
    value = CDN["legacy"] + quote(rest, safe="/~")
    found = named(value, path_prefix=CDN, path_encoding="url")
    assert isinstance(found, Named)
    assert (found.side, found.rest) == (LEGACY, rest.encode())
    assert CDN["legacy"] + (found.spelt or found.rest).decode() == value


# -- what is wrong ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "legacy", "production", "fault"),
    [
        (PRODUCTION, True, True, None),
        (PRODUCTION, False, True, None),
        (PRODUCTION, True, False, Fault.BROKEN),
        (PRODUCTION, False, False, Fault.BROKEN),
        (LEGACY, True, True, Fault.NOT_MOVED),
        (LEGACY, True, False, Fault.NOT_MOVED),
        (LEGACY, False, True, Fault.UNSWITCHED),
        (LEGACY, False, False, Fault.DANGLING),
    ],
)
def test_a_row_is_judged(side: Side, legacy: bool, production: bool, fault: Fault | None) -> None:
    it = Object(1, ONE)
    assert judge_row(side, it if legacy else None, it if production else None) is fault


@pytest.mark.parametrize(
    ("legacy", "production", "fault"),
    [
        (Object(1, ONE), None, Fault.ONLY_IN_LEGACY),
        (Object(1, ONE), Object(1, ONE), Fault.LEFT),
        (Object(1, ONE), Object(1, OTHER), Fault.DIFFERS),
        (Object(1, ONE), Object(2, ONE), Fault.DIFFERS),
        (Object(1, PARTS_OF_ONE), Object(2, ONE), Fault.DIFFERS),
        (Object(1, PARTS_OF_ONE), Object(1, ONE), Fault.UNPROVEN),
        (Object(1, ONE), Object(1, PARTS_OF_ONE), Fault.UNPROVEN),
        (Object(1, PARTS_OF_ONE), Object(1, PARTS_OF_ONE), Fault.UNPROVEN),
        (Object(1, ONE), Object(1, OTHER, encrypted=True), Fault.UNPROVEN),
        (Object(1, ONE, encrypted=True), Object(1, ONE), Fault.UNPROVEN),
    ],
)
def test_what_is_left_in_legacy_is_judged(legacy: Object, production: Object | None, fault: Fault) -> None:
    assert judge_left(legacy, production) is fault


# -- the join -----------------------------------------------------------------------------------------------------

RESTS = st.one_of(st.binary(max_size=6), st.sampled_from([b"", b"a", b"\xff", b"canary1", b"a\n", b"%2F"]))
OBJECTS = st.builds(Object, st.integers(0, 2**40), st.sampled_from([ONE, OTHER, PARTS_OF_ONE, ""]), st.just(False))
ROWS = st.builds(
    RowAt, st.integers(0, 2), st.builds(Named, st.sampled_from(Side), RESTS, st.sampled_from([b"", b"%61", b"a?"]))
)


def is_canary(rest: bytes) -> bool:
    return rest.startswith(b"canary")


@settings(deadline=None, max_examples=50)
@given(
    legacy=st.dictionaries(RESTS, OBJECTS, max_size=30),
    production=st.dictionaries(RESTS, OBJECTS, max_size=30),
    rows=st.lists(ROWS, max_size=60),
    most=st.sampled_from([100, 10_000]),
)
def test_the_join_in_parts_says_what_a_simple_one_says(
    tmp_path_factory: pytest.TempPathFactory,
    legacy: dict[bytes, Object],
    production: dict[bytes, Object],
    rows: list[RowAt],
    most: int,
) -> None:
    parts, finding = Parts(tmp_path_factory.getbasetemp()), Finding()
    for row in rows:
        parts.add_row(row)
    for side, objects in ((LEGACY, legacy), (PRODUCTION, production)):
        for rest, shown in objects.items():
            parts.add_object(Found(side, rest, shown))
    found = {
        (suspect.rest, row, fault): number
        for part in parts.split(most)
        for suspect in join(part.objects(), part.rows(), is_canary, finding)
        for fault, row, number in suspect.faults()
    }
    parts.close()

    ours = {rest: shown for rest, shown in legacy.items() if not is_canary(rest)}
    theirs = {rest: shown for rest, shown in production.items() if not is_canary(rest)}
    expected: Counter[Any] = Counter()
    for row in rows:
        rest = row.named.rest
        if row.named.side is PRODUCTION:
            fault = None if rest in theirs else Fault.BROKEN
        else:
            fault = Fault.NOT_MOVED if rest in ours else Fault.UNSWITCHED if rest in theirs else Fault.DANGLING
        if fault:
            expected[rest, row, fault] += 1
    for rest, shown in ours.items():
        expected[rest, None, judge_left(shown, theirs.get(rest))] = 1
    assert found == expected
    assert (finding.legacy_objects, finding.production_objects) == (len(ours), len(theirs))
    assert finding.canaries == len(legacy) + len(production) - len(ours) - len(theirs)
    assert finding.without_original == len(set(theirs) - set(ours))
    assert finding.unnamed == len(set(theirs) - {row.named.rest for row in rows})


def peak(directory: Path, number: int) -> int:
    """Bytes of memory at the most, of a whole migration of so many objects, a row each."""
    tracemalloc.start()
    parts, finding = Parts(directory), Finding()
    for each in range(number):
        parts.add_row(RowAt(0, Named(PRODUCTION, b"avatar-%d.png" % each, b"")))
        parts.add_object(Found(PRODUCTION, b"avatar-%d.png" % each, Object(each, ONE)))
    for part in parts.split(most=1 << 14):
        assert list(join(part.objects(), part.rows(), is_canary, finding)) == []
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (finding.production_objects, finding.unnamed) == (number, 0)
    return most


def test_memory_does_not_grow_with_the_objects(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Fewer objects show it where parts are fewer, and their buffers smaller.
    for name, value in (("_BUFFER", 512), ("_BITS", 4), ("PARTS", 16)):
        monkeypatch.setattr(scratch, name, value)
    assert peak(tmp_path, 40_000) < 2 * peak(tmp_path, 10_000)


def spellings(number: int) -> int:
    """Bytes of memory at the most, of so many rows that name one object that is lost, each in a spelling of its own."""
    rows = (RowAt(0, Named(PRODUCTION, b"default.png", b"default.png?v=%d" % each)) for each in range(number))
    tracemalloc.start()
    (suspect,) = join([], rows, is_canary, Finding())
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(suspect.rows) == MOST_ROWS
    assert sum(faulty for _, _, faulty in suspect.faults()) == number
    return most


def test_memory_does_not_grow_with_the_spellings_of_one_object() -> None:
    assert spellings(20_000) < 2 * spellings(2_000)


def test_rows_are_counted_however_many_spellings_were_kept() -> None:
    """Of one that is kept each more counts; of the others each side has one to show."""
    versions = [Named(side, b"a", b"a?%d" % (each % 150)) for each in range(450) for side in Side]
    (suspect,) = join([], (RowAt(0, each) for each in versions), is_canary, Finding())
    counted: Counter[Fault] = Counter()
    for fault, row, number in suspect.faults():
        assert row is not None
        counted[fault] += number
    assert counted == {Fault.BROKEN: 450, Fault.DANGLING: 450}
    assert len(suspect.rows) == MOST_ROWS
    assert {row.named.side for row in suspect.others} == set(Side)


# -- both listings ------------------------------------------------------------------------------------------------


def test_sources_are_read_at_once_and_to_the_end() -> None:
    assert sorted(read_at_once([range(100), range(100, 103), ()])) == list(range(103))


def test_the_error_of_a_source_is_raised() -> None:
    def breaks() -> Iterator[int]:
        yield 1
        raise ValueError("it broke")

    with pytest.raises(ValueError, match="it broke"):
        list(read_at_once([breaks(), range(10)]))

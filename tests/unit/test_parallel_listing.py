"""A listing by many lanes is the plain listing, whatever the keys, the store's order, and who answers first."""

from __future__ import annotations

import bisect
import itertools
import random
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from s3_migration.s3 import parallel_listing
from s3_migration.s3.parallel_listing import TOP, NotInOrder, Page, Place, list_in_lanes, middle

PREFIX = "image/"


@dataclass(frozen=True)
class Entry:
    key: str


def bytewise(key: str) -> bytes:
    return key.encode()


def by_folder(key: str) -> list[str]:
    """As a file system walks: what lies in `a/` comes before `a-b`."""
    return key.split("/")


@dataclass
class Store:
    """Answers pages of `size` keys; `asked` counts them. Which of the open questions is answered next, chance says."""

    keys: list[str]
    size: int
    order: Callable[[str], object] = bytewise
    chance: random.Random = field(default_factory=lambda: random.Random(1))
    asked: int = 0
    open: list[Callable[[], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.keys = sorted(self.keys, key=self.order)  # type: ignore[arg-type]
        self.ranks = [self.order(key) for key in self.keys]

    def fetch(self, after: str, token: str | None) -> Future[Page[Entry]]:
        self.asked += 1
        first = int(token) if token else bisect.bisect_right(self.ranks, self.order(after)) if after else 0  # type: ignore[type-var]
        found = [Entry(key) for key in self.keys[first : first + self.size]]
        more = str(first + self.size) if first + self.size < len(self.keys) else None
        future: Future[Page[Entry]] = Future()
        self.open.append(lambda: future.set_result(Page(found, more)))
        return future

    def wait(
        self, futures: dict[Future[Page[Entry]], object], return_when: str
    ) -> tuple[set[Future[Page[Entry]]], None]:
        while not any(future.done() for future in futures):
            self.open.pop(self.chance.randrange(len(self.open)))()
        return {future for future in futures if future.done()}, None


@pytest.fixture
def lanes(monkeypatch: pytest.MonkeyPatch) -> Callable[[Store, int], list[str]]:
    def listed(store: Store, most: int) -> list[str]:
        monkeypatch.setattr(parallel_listing, "wait", store.wait)
        return [entry.key for listed in list_in_lanes(store.fetch, PREFIX, most) for entry in listed.entries]

    return listed


WORDS = st.text(st.sampled_from("ab-./0é\uffff\U0001f600"), max_size=6)
DISTRIBUTIONS = {
    "one giant flat prefix": st.integers(0, 3000).map(lambda n: [f"{PREFIX}avatar-{i}.png" for i in range(n)]),
    "deep prefixes": st.integers(0, 12).map(
        lambda n: [f"{PREFIX}{a}/{b}/{c}/x.png" for a in range(n) for b in range(n) for c in range(5)]
    ),
    "anything": st.lists(WORDS.map(PREFIX.__add__), unique=True, max_size=200),
    "differing in the last character": st.integers(0, 600).map(
        lambda n: [f"{PREFIX}{'x' * 200}{chr(33 + i)}" for i in range(n)]
    ),
    "in clusters": st.lists(st.tuples(WORDS, st.integers(0, 80)), max_size=12).map(
        lambda parts: sorted({f"{PREFIX}{word}{i}" for word, n in parts for i in range(n)})
    ),
}


@pytest.mark.parametrize("order", [bytewise, by_folder])
@pytest.mark.parametrize("keys", DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)
def test_a_listing_that_is_killed_goes_on_where_its_lanes_stood(
    monkeypatch: pytest.MonkeyPatch, keys: st.SearchStrategy[list[str]], order: Callable[[str], object]
) -> None:
    @given(keys, st.integers(1, 30), st.integers(1, 20), st.integers(), st.lists(st.integers(0, 40), max_size=3))
    @settings(max_examples=60, deadline=None)
    def check(keys: list[str], size: int, most: int, seed: int, kills: list[int]) -> None:
        """Each number: after so many pages the process dies, and what it had asked for is lost."""
        found: list[str] = []
        places: dict[int, Place] = {}
        for most_pages in [*kills, None]:
            store = Store(keys, size, order, random.Random(seed))
            monkeypatch.setattr(parallel_listing, "wait", store.wait)
            listed = list_in_lanes(store.fetch, PREFIX, most, list(places.values()))
            for part in itertools.islice(listed, most_pages):
                found += [entry.key for entry in part.entries]
                places[part.place.lane] = part.place
        assert set(found) == set(keys)
        if order is bytewise or most == 1:
            assert len(found) == len(keys), "no page is listed again where the store sorts"

    check()


@pytest.mark.parametrize("order", [bytewise, by_folder])
@pytest.mark.parametrize("keys", DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)
def test_who_asks_for_each_key_once_is_told_where_a_store_sorts_otherwise(
    monkeypatch: pytest.MonkeyPatch, keys: st.SearchStrategy[list[str]], order: Callable[[str], object]
) -> None:
    @given(keys, st.integers(1, 30), st.integers(1, 20), st.integers())
    @settings(max_examples=25, deadline=None)
    def check(keys: list[str], size: int, most: int, seed: int) -> None:
        store = Store(keys, size, order, random.Random(seed))
        monkeypatch.setattr(parallel_listing, "wait", store.wait)
        try:
            listed = list(list_in_lanes(store.fetch, PREFIX, most, once=True))
        except NotInOrder:
            assert order is not bytewise
            assert most > 1
        else:
            found = [entry.key for part in listed for entry in part.entries]
            assert sorted(found) == sorted(keys)

    check()


@pytest.mark.parametrize("order", [bytewise, by_folder])
@pytest.mark.parametrize("keys", DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)
def test_the_lanes_together_are_the_plain_listing(
    lanes: Callable[[Store, int], list[str]], keys: st.SearchStrategy[list[str]], order: Callable[[str], object]
) -> None:
    @given(keys, st.integers(1, 30), st.integers(1, 20), st.integers())
    @settings(max_examples=25, deadline=None)
    def check(keys: list[str], size: int, most: int, seed: int) -> None:
        store = Store(keys, size, order, random.Random(seed))
        found = lanes(store, most)
        assert set(found) == set(keys)
        if order is bytewise or most == 1:
            assert len(found) == len(keys), "no key comes twice where the store sorts"
        if most == 1:
            assert found == store.keys

    check()


@pytest.mark.parametrize("objects", [0, 1, 999, 1000, 1001])
def test_a_page_more_or_less(lanes: Callable[[Store, int], list[str]], objects: int) -> None:
    store = Store([f"{PREFIX}{n:05}" for n in range(objects)], 1000)
    assert len(lanes(store, 16)) == objects
    assert store.asked == max(1, -(-objects // 1000)) or objects == 1001
    assert store.asked <= 4


UNIFORM = [f"{PREFIX}avatar-{n}.png" for n in range(200_000)]


@pytest.mark.parametrize(
    "keys",
    [UNIFORM, [f"{PREFIX}{m:02}/{d:02}/{n}" for m in range(12) for d in range(28) for n in range(600)]],
    ids=["numbers", "dates"],
)
def test_many_pages_are_asked_for_at_once_and_few_in_vain(
    lanes: Callable[[Store, int], list[str]], keys: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, open_ = Store(keys, 1000), []
    wait = store.wait

    def all_at_once(futures: dict[Future[Page[Entry]], object], return_when: str) -> object:
        open_.append(len(store.open))
        while store.open:
            store.open.pop()()
        return wait(futures, return_when)

    store.wait = all_at_once  # type: ignore[method-assign,assignment]
    assert len(lanes(store, 16)) == len(keys)
    pages = -(-len(keys) // 1000)
    assert len(open_) < pages / 3, "round trips"
    assert max(open_) == 16
    assert store.asked <= pages * 1.3


@given(st.text(min_size=1, max_size=8), st.text(max_size=8), st.integers(0, 8))
@example("a", "b", 0)
@example("a\ud7ff", "a\ue000", 0)
@settings(max_examples=300)
def test_a_middle_lies_between_and_can_be_sent(low: str, rest: str, common: int) -> None:
    high = low + rest + TOP
    for alphabet in ([], sorted(set(low + rest)), ["a", "b"]):
        made = middle(low, high, min(common, len(low)), alphabet)
        if made is not None:
            assert low < made < high
            made.replace("\ud800", "").encode(errors="strict") if "\ud800" not in low else None


def test_bisecting_ends(lanes: Callable[[Store, int], list[str]]) -> None:
    """However often the rest is halved: between two neighbours there is no middle."""
    for one, other in itertools.pairwise(sorted({"a", "a\x01", "a\x01\x01", "b", f"a{TOP}"})):
        made, low = middle(one, other, 0, ["\x01", "a", "b"]), one
        for _ in range(100):
            if made is None:
                break
            low, made = made, middle(made, other, 0, ["\x01", "a", "b"])
        assert made is None or low < made < other

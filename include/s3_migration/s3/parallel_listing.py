"""One listing by many lanes at once: the key space is bisected while it is read. Pure.

Nothing is known of the keys beforehand, and nothing needs to be: a lane begins somewhere in the middle of another's
rest, and each goes on until it meets a key that another one began with. So the lanes together are the plain listing,
whatever the order in which the store lists; where to begin is a guess that costs a request when it is wrong.
Where each lane stands comes with its pages: from there they go on in another process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

# Sorts after every key that goes on otherwise.
TOP = "\U0010ffff"
# Characters beyond the first difference that a guess is made of.
_PRECISION = 6


class Keyed(Protocol):
    @property
    def key(self) -> str: ...


Entry = TypeVar("Entry", bound=Keyed)


@dataclass(frozen=True)
class Page(Generic[Entry]):
    """A page of a listing; `token` asks for the next one, None where this is the last."""

    entries: Sequence[Entry]
    token: str | None


@dataclass(frozen=True)
class Place:
    """How far a lane has come. Keys as the store lists them."""

    lane: int
    start: str  # it began after this key
    first: tuple[str, ...]  # the keys of its first page: who meets one of them has come to the lane's beginning
    last: str  # key of its last page
    token: str | None  # asks for its next page; None: it has ended


@dataclass(frozen=True)
class Listed(Generic[Entry]):
    """Some entries, none of a lane that only ended, and where their lane stands after them."""

    entries: list[Entry]
    place: Place


class NoProgress(Exception):
    """The store would list for ever."""


class NotInOrder(Exception):
    """The store does not list in the order of bytes, so that lanes may list a key twice."""


@dataclass(eq=False)
class _Lane(Generic[Entry]):
    start: str
    bound: str  # the guess is that nothing of this lane comes after it
    parent: _Lane[Entry] | None = None
    number: int = 0  # of the lanes that have begun
    last: str = ""
    common: int = 0  # characters that its keys share, as far as is known
    varies: int = 1024  # so many at most: before this lane began there was another key
    pages: int = 0
    child: _Lane[Entry] | None = None  # that has not answered yet
    overtaken: int = 0  # times that it was beyond a child's start before that could begin
    first: tuple[str, ...] = ()
    tokens: set[int] = field(default_factory=set)  # hashes
    ended: bool = False

    def go_on(self, token: str, keys: Sequence[str]) -> None:
        """:raises NoProgress: with a token that it had before."""
        if hash(token) in self.tokens:
            raise NoProgress(f"it does not go on after {keys[-1] if keys else self.last!r}: a token comes again")
        self.tokens.add(hash(token))

    def place(self, token: str | None) -> Place:
        return Place(self.number, self.start, self.first, self.last, token)

    def rest(self, alphabet: Sequence[str]) -> float:
        """Pages to come, by how far the lane has come between start and bound."""
        origin = _common_length(self.start, self.bound)
        begin, here, end = (_number(key, origin, alphabet) for key in (self.start, self.last, self.bound))
        return self.pages * (end - here) / max(here - begin, 1)


def list_in_lanes(
    fetch: Callable[[str, str | None], Future[Page[Entry]]],
    prefix: str,
    max_lanes: int,
    places: Sequence[Place] = (),
    *,
    once: bool = False,
) -> Iterator[Listed[Entry]]:
    """Every entry below the prefix, page by page, in no order; an entry may come twice.

    :param fetch: asks for the page after a key (the first argument), or for the one of a token (the second).
    :param max_lanes: lanes at once.
    :param places: where the lanes of a listing stood that goes on here; none: it begins.
    :param once: no entry may come twice while nothing is written to the store.
    :raises NoProgress: a page asks for one that was before it.
    :raises NotInOrder: with `once`, after some entries: only one lane lists this store without coming to a key twice.
    """
    asked: dict[Future[Page[Entry]], _Lane[Entry]] = {}
    began: dict[str, _Lane[Entry]] = {}
    alphabet: set[str] = set()
    for lane, token in _resumed(places, prefix, began):
        alphabet.update(*(key[len(prefix) :] for key in lane.first))
        if token is not None:
            asked[fetch("", token)] = lane
    if not places:
        asked[fetch("", None)] = _Lane(prefix, prefix + TOP)
    lanes, pages, wasted = max(1, len(places)), len(places), 0
    sorts = True  # else (SeaweedFS, directory buckets of S3) guesses are worth little
    while asked:
        answered, _ = wait(asked, return_when=FIRST_COMPLETED)
        for future in answered:
            lane, page = asked.pop(future), future.result()
            keys = [entry.key for entry in page.entries]
            begins = lane.pages == 0
            if begins and lane.parent is not None and not _joins(lane, keys, began):
                wasted += 1
                continue
            pages += 1
            met = None if began.keys().isdisjoint(keys) else next(n for n, key in enumerate(keys) if key in began)
            if begins:
                alphabet.update(*(key[len(prefix) :] for key in keys))
                lane.first = tuple(keys[:met])
            if begins and lane.parent is not None:
                lane.number, lanes = lanes, lanes + 1
                began.update(dict.fromkeys(lane.first, lane))
            if met is not None and sorts:
                _forget(began, keys[met])
            sorts = sorts and keys == sorted(keys) and (not keys or lane.last < keys[0])
            if once and not sorts and lanes > 1:
                raise NotInOrder
            if met != 0 and keys:
                lane.last, lane.common = keys[-1], min(_common_length(keys[0], keys[-1]), lane.varies)
            lane.pages += 1
            token = page.token if met is None else None
            if token is None:
                lane.ended = True
            else:
                lane.go_on(token, keys)
                asked[fetch("", token)] = lane
            yield Listed(list(page.entries[:met]), lane.place(token))
        while sorts and len(asked) < min(max_lanes, 1 + pages) and wasted <= 8 + pages // 16:
            new = _split([lane for lane in asked.values() if lane.last and lane.child is None], sorted(alphabet))
            if new is None:
                break
            asked[fetch(new.start, None)] = new


def _resumed(
    places: Sequence[Place], prefix: str, began: dict[str, _Lane[Entry]]
) -> Iterator[tuple[_Lane[Entry], str | None]]:
    """The lanes as they stood, each with the token of its next page."""
    starts = sorted(place.start for place in places)
    for place in places:
        bound = next((start for start in starts if start > place.start), prefix + TOP)
        lane: _Lane[Entry] = _Lane(place.start, bound, number=place.lane, last=place.last, pages=1, first=place.first)
        lane.ended = place.token is None
        if place.lane:  # nobody comes to the first one's beginning
            began.update(dict.fromkeys(place.first, lane))
        yield lane, place.token


def _joins(lane: _Lane[Entry], keys: list[str], began: dict[str, _Lane[Entry]]) -> bool:
    """Whether a new lane begins in what is left of its parent's."""
    parent = lane.parent
    assert parent is not None  # noqa: S101 - for mypy
    parent.child = None
    if parent.ended:
        return False
    if not keys or keys[0] in began:
        parent.bound = lane.start
        return False
    if keys[0] <= parent.last:
        parent.overtaken += 1
        return False
    parent.bound = lane.start
    lane.varies = _common_length(lane.start, keys[0])
    return True


def _forget(began: dict[str, _Lane[Entry]], key: str) -> None:
    """A lane that was met once need not be met again."""
    for each in began[key].first:
        del began[each]


def _split(lanes: list[_Lane[Entry]], alphabet: Sequence[str]) -> _Lane[Entry] | None:
    """A new lane in the middle of the one that has most left to do."""
    for lane in sorted(lanes, key=lambda each: each.rest(alphabet), reverse=True):
        # Overtaken: beyond the characters seen so far there are others, as in most alphabets but the Latin.
        known = () if lane.overtaken % 2 else alphabet
        if (start := middle(lane.last, lane.bound, lane.common, known)) is not None:
            lane.child = _Lane(start, lane.bound, lane)
            return lane.child
    return None


def middle(low: str, high: str, common: int, alphabet: Sequence[str]) -> str | None:
    """A key about half-way between, or None where there is none.

    :param common: characters of `low` that its neighbours share: most likely all keys up to `high` share them, which
        half as many characters are asked about at a time.
    :param alphabet: characters that keys are made of, sorted; none: any.
    """
    origin = _common_length(low, high)
    if common > origin + 1:
        return low[: (origin + 1 + common + 1) // 2] + TOP
    base = (len(alphabet) or ord(TOP)) + 2
    number = (_number(low, origin, alphabet) + _number(high, origin, alphabet)) // 2
    digits = []
    for _ in range(_PRECISION):
        number, digit = divmod(number, base)
        digits.append(digit)
    made = low[:origin]
    for digit in reversed(digits):
        if digit == 0:
            break
        made += TOP if digit == base - 1 else alphabet[digit - 1] if alphabet else _character(digit - 1)
    return made if low < made < high else None


def _number(key: str, origin: int, alphabet: Sequence[str]) -> int:
    """The characters from `origin` on, as a number that compares as they do."""
    base, number = (len(alphabet) or ord(TOP)) + 2, 0
    ranks = {character: rank for rank, character in enumerate(alphabet, start=1)}
    for place in range(origin, origin + _PRECISION):
        number *= base
        if place < len(key):
            character = key[place]
            number += ranks.get(character) or (
                1 + sum(known < character for known in alphabet) if alphabet else 1 + ord(character)
            )
    return number


def _common_length(one: str, other: str) -> int:
    """How many characters both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _character(number: int) -> str:
    """The character of this number, or the next one where that is half a pair of UTF-16 and so in no key."""
    return chr(max(number, 0xE000) if number >= 0xD800 else number)

"""The objects of the store of arithmetic: a byte each for every numbered one, and whatever else is put beside them."""

from __future__ import annotations

import re
import time
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import NamedTuple
from urllib.parse import quote_from_bytes
from xml.sax.saxutils import escape

from bench.arithmetic_keys import ArithmeticKeys

# No two numbers have the same ETag, and none looks like the next.
_ODD, _MASK = 0x9E3779B97F4A7C15F39CC0605CEDC835, (1 << 128) - 1
_THERE = re.compile(rb"[^\0]").search
# So many objects, one after the other, are shown at one time.
TOGETHER = 1_000
_NONE = bytes(64 * 1024)
# As a listing shows an object: key, time, ETag and size.
ENTRY = (
    b"<Contents><Key>%b</Key><LastModified>%b</LastModified><ETag>&quot;%b&quot;</ETag>"
    b"<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
    b"<Size>%d</Size><StorageClass>STANDARD</StorageClass></Contents>"
)
# Seconds that a byte of state counts by.
_TICK = 600


class Moment(NamedTuple):
    """As a listing and as a header say it."""

    iso: bytes
    http: bytes

    @classmethod
    def of(cls, seconds: float) -> Moment:
        iso = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))
        return cls(iso.encode(), formatdate(int(seconds), usegmt=True).encode())


class Object(NamedTuple):
    """What a HEAD shows. `body` is None of a numbered one: whoever reads it makes it up."""

    etag: bytes  # without quotes
    size: int
    modified: Moment
    headers: Mapping[bytes, bytes] = {}
    body: bytes | None = None


_HOURS = [Moment.of(1_672_531_200 + 3_600 * hour) for hour in range(8_760)]  # of 2023


@dataclass
class Bucket:
    """One side: `state` has a byte for each numbered object in the order of keys, 0 where it is not there.

    Anything above says when it was last modified: 1 before the store was started, else in which piece of its life. A
    key under which something else was put is in `others`, and not there by its number.
    """

    keys: ArithmeticKeys
    root: bytes  # of the numbered keys
    state: bytearray
    copies: bool = False  # else its objects are as old as their numbers say
    others: dict[bytes, Object] = field(default_factory=dict)
    begun: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        self._shown = array("d", [self.begun]) * (self.keys.count // TOGETHER + 1)
        times = [self.begun - 86_400, *(self.begun + _TICK * piece for piece in range(254))]
        self._moments = [Moment.of(0), *map(Moment.of, times)]

    # -- one object ---------------------------------------------------------------------------------------------

    def number(self, key: bytes) -> int | None:
        """Of a key that can be a numbered object's."""
        return self.keys.number_of(key[len(self.root) :]) if key.startswith(self.root) else None

    def find(self, key: bytes) -> Object | None:
        if self.others and (other := self.others.get(key)):
            return other
        number = self.number(key)
        state = self.state[self.keys.place(number)] if number else 0
        return self.numbered(number, state) if number and state else None

    def numbered(self, number: int, state: int) -> Object:
        modified = self._moments[state] if self.copies else _HOURS[number % 8_760]
        return Object(b"%032x" % (number * _ODD & _MASK), 2_000 + number % 50_000, modified)

    def put(self, key: bytes, made: Object | None) -> None:
        """:param made: None: there is nothing from now on."""
        self.others.pop(key, None)
        if number := self.number(key):
            self.state[self.keys.place(number)] = 0
        if made:
            self.others[key] = made

    def take_copy(self, key: bytes, number: int) -> Object:
        """Of the numbered object of the other side, now; it was not asked for by another name."""
        self.others.pop(key, None)
        state = min(255, 2 + int(time.time() - self.begun) // _TICK)
        self.state[self.keys.place(number)] = state
        return self.numbered(number, state)

    # -- when it was shown --------------------------------------------------------------------------------------

    def show(self, first: bytes, last: bytes) -> None:
        """A listing, or a HEAD, has just told of these keys and all between them."""
        now = time.time()
        for block in range(self._block(first), self._block(last) + 1):
            self._shown[block] = now

    def last_shown(self, key: bytes) -> float:
        """When, by time.time(), the keys around this one were shown last; at first when the store was started."""
        return self._shown[self._block(key)]

    def _block(self, key: bytes) -> int:
        return max(self._up_to(key) - 1, 0) // TOGETHER

    # -- many -----------------------------------------------------------------------------------------------------

    def after(self, prefix: bytes, after: bytes, *, plain: bool) -> Iterator[tuple[bytes, bytes]]:
        """Keys below the prefix and behind `after`, in the order of their bytes, and how a listing shows each.

        :param plain: it was not asked for URL-encoded.
        """
        if not self.others:
            yield from self._numbered(prefix, after)
            return
        others = sorted(key for key in self.others if key.startswith(prefix) and key > after)
        for key, entry in self._numbered(prefix, after):
            while others and others[0] < key:
                yield self._other(others.pop(0), plain)
            yield key, entry
        for other in others:
            yield self._other(other, plain)

    def _other(self, key: bytes, plain: bool) -> tuple[bytes, bytes]:
        etag, size, modified, _, _ = self.others[key]
        return key, ENTRY % (shown(key, plain=plain), modified.iso, etag, size)

    def _numbered(self, prefix: bytes, after: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Of what is there; by the thousand, so that nothing is called for one where it can be done without."""
        first = max(self._up_to(after), self._up_to(prefix) - (self.number(prefix) is not None))
        last, state, keys, root = self._up_to(prefix + b"\xff"), self.state, self.keys, self.root
        count, copies, moments = keys.count, self.copies, self._moments
        place, number = first, 0
        while place < last:
            there = state[place]
            if not there:
                found = self._next(place, last)
                if found >= last:
                    return
                # Some steps are made sooner than one look at all digits.
                for _ in range(found - place if number and found - place < 20 else 0):
                    number = keys.following(number)
                number = number if found - place < 20 else 0
                place, there = found, state[found]
            if not number:
                number = keys.number(place)
            elif number * 10 <= count:
                number *= 10
            elif number % 10 < 9 and number < count:
                number += 1
            else:
                number = keys.following(number)
            key = b"%b%d.png" % (root, number)
            iso = (moments[there] if copies else _HOURS[number % 8_760])[0]
            yield key, ENTRY % (key, iso, b"%032x" % (number * _ODD & _MASK), 2_000 + number % 50_000)
            place += 1

    def _up_to(self, key: bytes) -> int:
        """How many numbered keys are not greater."""
        if key.startswith(self.root):
            return self.keys.up_to(key[len(self.root) :])
        return 0 if key < self.root else self.keys.count

    def _next(self, place: int, last: int) -> int:
        """The first place from there on where something is; `last` if there is none before it."""
        state = self.state
        while place < last:
            if state[place]:
                return place
            if not state.startswith(_NONE, place):
                found = _THERE(state, place, min(place + len(_NONE), last))
                if found:
                    return found.start()
            place += len(_NONE)
        return last


def shown(key: bytes, *, plain: bool) -> bytes:
    """A key as a listing shows it. One of a number looks the same either way."""
    return escape(key.decode()).encode() if plain else quote_from_bytes(key, safe="/").encode()


def buckets(count: int, already: int = 0, moved: bool = False, fresh: int = 0) -> tuple[Bucket, Bucket]:
    """Legacy and production.

    :param already: of ten objects, one after the other in the order of keys, so many are in production from the start.
    :param moved: all are in production, and none is in legacy.
    :param fresh: but for those whose number is divisible by it.
    """
    keys = ArithmeticKeys(count)
    legacy, production = bytearray(b"\1") * count, bytearray(count)
    for offset in range(10 if moved else already):
        production[offset::10] = b"\1" * len(range(offset, count, 10))
    if moved:
        legacy = bytearray(count)
        for place in map(keys.place, range(fresh, count + 1, fresh) if fresh else ()):
            legacy[place], production[place] = 1, 0
    return Bucket(keys, b"image/avatar-", legacy), Bucket(keys, b"avatar/avatar-", production, copies=True)

"""The names `1` to `<count>`, each before `.png`, in the order of their bytes: by arithmetic, whatever the count.

That order is 1, 10, 100, 1000, 1001, …, 101, …, 11, …: a name comes before all that go on from its digits, since `.`
sorts before a digit. A place is a name's number in that order, from 0.
"""

from __future__ import annotations

import re

END = b".png"
_NAME = re.compile(rb"(0|[1-9]\d*)\.png").fullmatch
_DIGITS = re.compile(rb"\d*")


class ArithmeticKeys:
    """:param count: of names; any, nothing is held of them."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._lengths = len(str(count)) if count else 0
        self._firsts = int("1" * self._lengths or "0")  # 1 + 10 + 100 + …

    def number_of(self, name: bytes) -> int | None:
        """Of a name; None where there is no such name."""
        if (found := _NAME(name)) is None or len(found[1]) > self._lengths:
            return None
        number = int(found[1])
        return number if 1 <= number <= self.count else None

    def place(self, number: int) -> int:
        """Of a number from 1 to the count: of each length, how many numbers come before it."""
        place, length, part = -self._firsts - 1, 0, number
        while part:
            place += part + 1  # it and what its digits begin with come before what goes on from it
            length += 1
            part //= 10
        for _ in range(length, self._lengths):
            number *= 10
            place += min(number, self.count + 1)
        return place

    def number(self, place: int) -> int:
        """The number at a place."""
        first, number = 1, 0
        while True:
            for number in range(first, first // 10 * 10 + 10):
                beneath = self._beneath(number)
                if place < beneath:
                    break
                place -= beneath
            if place == 0:
                return number
            place -= 1
            first = number * 10

    def following(self, number: int) -> int:
        """The number at the next place; of the last one nothing that means anything."""
        if number * 10 <= self.count:
            return number * 10
        while number % 10 == 9 or number >= self.count:
            number //= 10
            if not number:
                return 0
        return number + 1

    def up_to(self, name: bytes) -> int:
        """How many names are not greater than these bytes, whatever they are."""
        digits = _DIGITS.match(name)[0]  # type: ignore[index]
        rest = name[len(digits) :]
        if not self.count or digits[:1] == b"0" or not digits:
            return self.count if not digits and rest[:1] > b"9" else 0
        before = 0
        for length in range(1, self._lengths + 1):
            if length < len(digits):
                before += min(int(digits[:length]), self.count) + 1
            else:
                before += min(int(digits.ljust(length, b"0")), self.count + 1)
        before -= self._firsts
        if len(digits) > self._lengths:
            return before
        if rest[:1] > b"9":
            return before + self._beneath(int(digits))
        return before + (rest >= END and int(digits) <= self.count)

    def _beneath(self, number: int) -> int:
        """How many numbers begin with its digits, itself among them."""
        found, low, high = 0, number, number + 1
        while low <= self.count:
            found += min(high, self.count + 1) - low
            low, high = low * 10, high * 10
        return found

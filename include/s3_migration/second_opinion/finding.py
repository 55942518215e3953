"""What a second opinion comes to: counts, examples, and what it could not judge. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from s3_migration.second_opinion.judgement import Fault

# Of each kind; more tell a person nothing new.
EXAMPLES = 20
FOREIGN_EXAMPLES = 5


class Example(NamedTuple):
    """A row (`reference` and `value`), or an object of legacy (without them), by the keys that are meant."""

    legacy_key: str
    production_key: str
    reference: str | None = None
    value: str | None = None


@dataclass
class Reading:
    """What was read of one reference: its values that are not null."""

    values: int = 0
    production: int = 0  # in the declared spelling
    legacy: int = 0
    otherwise: int = 0  # hold a prefix or bucket of ours, and do not begin as declared
    examples: list[str] = field(default_factory=list)  # of these
    foreign_examples: list[str] = field(default_factory=list)  # of those that name nothing of ours

    @property
    def foreign(self) -> int:
        """How many name nothing of ours at all."""
        return self.values - self.production - self.legacy - self.otherwise


@dataclass
class Finding:
    """All of it."""

    readings: dict[str, Reading] = field(default_factory=dict)  # by the reference's name
    legacy_objects: int = 0  # without canaries
    production_objects: int = 0
    kept: int = 0  # objects of legacy that no row names, and that are declared to stay
    canaries: int = 0  # of killed checks, on both sides
    without_original: int = 0  # objects of production that legacy does not hold
    unnamed: int = 0  # objects of production that no row names
    faults: Counter[Fault] = field(default_factory=Counter)
    examples: dict[Fault, list[Example]] = field(default_factory=dict)
    seen_once: Counter[Fault] = field(default_factory=Counter)  # of the faults those that were not looked at again
    settled: int = 0  # faults at first sight that were none at the second: the product went on meanwhile
    standby: bool = False  # whether the database is one, which may be behind
    seconds: float = 0

    @property
    def whole(self) -> bool:
        """Whether every row was judged, and nothing is wrong: a picture in another spelling may be a broken one."""
        return not +self.faults and not self.otherwise

    @property
    def values(self) -> int:
        return sum(reading.values for reading in self.readings.values())

    @property
    def otherwise(self) -> int:
        return sum(reading.otherwise for reading in self.readings.values())

    def add(self, fault: Fault, number: int, example: Example, *, seen_twice: bool = True) -> None:
        self.faults[fault] += number
        if not seen_twice:
            self.seen_once[fault] += number
        shown = self.examples.setdefault(fault, [])
        if len(shown) < EXAMPLES:
            shown.append(example)

"""Rows and objects of the same rest, brought together: what is counted, and what is to be looked at again. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from s3_migration.second_opinion.finding import Finding
from s3_migration.second_opinion.judgement import Fault, Object, judge_left, judge_row
from s3_migration.second_opinion.scratch import Found, RowAt


class Suspect(NamedTuple):
    """A rest that is not as it should be: what both sides show, and the rows that are wrong, with their number."""

    rest: bytes
    legacy: Object | None
    production: Object | None
    rows: dict[RowAt, int]

    def faults(self) -> Iterator[tuple[Fault, RowAt | None, int]]:
        """Of each row, and of what legacy holds."""
        for row, number in self.rows.items():
            if fault := judge_row(row.named.side, self.legacy, self.production):
                yield fault, row, number
        if self.legacy:
            yield judge_left(self.legacy, self.production), None, 1


def join(
    objects: Iterable[Found], rows: Iterable[RowAt], is_canary: Callable[[bytes], bool], finding: Finding
) -> Iterator[Suspect]:
    """Count into the finding what one part holds; answer what is suspect in it.

    :param objects: all those with the rests of the rows, and each once a side.
    """
    sides: tuple[dict[bytes, Object], dict[bytes, Object]] = ({}, {})
    for side, rest, shown in objects:
        if is_canary(rest):
            finding.canaries += 1
        else:
            sides[side][rest] = shown
    legacy, production = sides

    named = set()
    wrong: dict[bytes, Counter[RowAt]] = {}
    for row in rows:
        rest = row.named.rest
        named.add(rest)
        if judge_row(row.named.side, legacy.get(rest), production.get(rest)):
            wrong.setdefault(rest, Counter())[row] += 1

    finding.legacy_objects += len(legacy)
    finding.production_objects += len(production)
    finding.without_original += len(production.keys() - legacy.keys())
    finding.unnamed += len(production.keys() - named)
    for rest in wrong.keys() | legacy.keys():
        yield Suspect(rest, legacy.get(rest), production.get(rest), wrong.get(rest, Counter()))

"""Rows and objects of the same rest, brought together: what is counted, and what is to be looked at again. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from s3_migration.second_opinion.finding import Finding
from s3_migration.second_opinion.judgement import Fault, Object, judge_left, judge_row
from s3_migration.second_opinion.scratch import Found, RowAt

# Rows of one rest that differ and are kept to be looked at again: `default.png?v=<n>` may be one for each user.
MOST_ROWS = 100


class Suspect(NamedTuple):
    """A rest that is not as it should be: what both sides show, and the rows that are wrong, with their number."""

    rest: bytes
    legacy: Object | None
    production: Object | None
    rows: Counter[RowAt]
    others: Counter[RowAt]  # too many to be kept: of each side one of them, with the number of all

    def add(self, row: RowAt) -> None:
        if row in self.rows or len(self.rows) < MOST_ROWS:
            self.rows[row] += 1
        else:
            self.others[next((each for each in self.others if each.named.side is row.named.side), row)] += 1

    def faults(self) -> Iterator[tuple[Fault, RowAt | None, int]]:
        """Of each row, and of what legacy holds."""
        for row, number in (*self.rows.items(), *self.others.items()):
            if fault := judge_row(row.named.side, self.legacy, self.production):
                yield fault, row, number
        if self.legacy:
            yield judge_left(self.legacy, self.production), None, 1


def join(
    objects: Iterable[Found],
    rows: Iterable[RowAt],
    is_canary: Callable[[bytes], bool],
    finding: Finding,
    *,
    keep_unnamed: bool = False,
) -> Iterator[Suspect]:
    """Count into the finding what one part holds; answer what is suspect in it.

    :param objects: all those with the rests of the rows, and each once a side.
    :param keep_unnamed: of legacy, what no row names stays there, and is not suspect.
    """
    sides: tuple[dict[bytes, Object], dict[bytes, Object]] = ({}, {})
    for side, rest, shown in objects:
        if is_canary(rest):
            finding.canaries += 1
        else:
            sides[side][rest] = shown
    legacy, production = sides

    named = set()
    wrong: dict[bytes, Suspect] = {}
    for row in rows:
        rest = row.named.rest
        named.add(rest)
        if judge_row(row.named.side, legacy.get(rest), production.get(rest)):
            if rest not in wrong:
                wrong[rest] = Suspect(rest, legacy.get(rest), production.get(rest), Counter(), Counter())
            wrong[rest].add(row)

    finding.legacy_objects += len(legacy)
    finding.production_objects += len(production)
    finding.without_original += len(production.keys() - legacy.keys())
    finding.unnamed += len(production.keys() - named)
    yield from wrong.values()
    for rest in legacy.keys() - wrong.keys():
        if keep_unnamed and rest not in named:
            finding.kept += 1
        else:
            yield Suspect(rest, legacy[rest], production.get(rest), Counter(), Counter())

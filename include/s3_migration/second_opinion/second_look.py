"""Each suspect once more: both objects now, then its rows now. The product is live: only what is still so counts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple

from s3_migration.model.declaration import Declaration
from s3_migration.second_opinion.finding import Example, Finding
from s3_migration.second_opinion.join import Suspect
from s3_migration.second_opinion.judgement import Fault, Object, judge_left
from s3_migration.second_opinion.rows import Database, count_now
from s3_migration.second_opinion.scratch import RowAt
from s3_migration.second_opinion.spelling import Side
from s3_migration.second_opinion.stores import Bucket

# So many suspects of a kind are seen to be wrong twice. Where there are more, the others count as they were first seen:
# of a migration that has hardly begun, a hundred million need not be asked for one by one.
MOST_AGAIN = 10_000
# At once; rows that no index finds cost a pass over their table for each.
_BATCH = 2_000
_THREADS = 8


class _Now(NamedTuple):
    legacy: Object | None
    production: Object | None
    same: bool | None  # by their bytes, where these were compared


class SecondLook:
    """:param compare_bytes: fetch both contents where ETags cannot tell."""

    def __init__(
        self,
        declaration: Declaration,
        database: Database,
        buckets: tuple[Bucket, Bucket],
        finding: Finding,
        *,
        compare_bytes: bool = False,
    ) -> None:
        self._references, self._database, self._finding = declaration.references, database, finding
        self._legacy, self._production = buckets
        self._compare_bytes = compare_bytes
        self._seen_twice: Counter[Fault] = Counter()

    def take(self, suspects: Iterable[Suspect]) -> None:
        """Count into the finding what is still so.

        :raises CannotJudge: the database or a store refuses or does not answer.
        """
        left = self._needed(suspects)
        with ThreadPoolExecutor(_THREADS) as pool:
            while batch := list(islice(left, _BATCH)):
                # The objects first: a product that removes both removes the row first.
                now = list(pool.map(self._objects_now, batch))
                for suspect, objects, rows in zip(batch, now, self._rows_now(batch), strict=True):
                    self._judge(suspect, objects, rows)

    def _needed(self, suspects: Iterable[Suspect]) -> Iterator[Suspect]:
        for suspect in suspects:
            faults = list(suspect.faults())
            if any(self._seen_twice[fault] < MOST_AGAIN for fault, _, _ in faults):
                yield suspect
                continue
            for fault, row, number in faults:
                sizes = {shown.size for shown in (suspect.legacy, suspect.production) if shown}
                if fault is Fault.DIFFERS and len(sizes) == 1:
                    fault = Fault.UNPROVEN  # which of them are encrypted with a key, a listing does not show
                self._finding.add(fault, number, self._example(suspect, row), seen_twice=False)

    def _objects_now(self, suspect: Suspect) -> _Now:
        legacy = self._legacy.look_up(suspect.rest, suspect.legacy)
        production = self._production.look_up(suspect.rest, suspect.production)
        same = None
        if self._compare_bytes and legacy and judge_left(legacy, production) is Fault.UNPROVEN:
            both = [bucket.digest(suspect.rest) for bucket in (self._legacy, self._production)]
            same = both[0] == both[1] if all(both) else None
        return _Now(legacy, production, same)

    def _rows_now(self, batch: list[Suspect]) -> list[Counter[RowAt]]:
        """Of each suspect its rows that are still there, with their number."""
        asked: defaultdict[int, set[str]] = defaultdict(set)
        for suspect in batch:
            for row in suspect.rows:
                asked[row.reference].add(self._value(row))
        there: dict[int, dict[str, int]] = {}
        if asked:
            with self._database.snapshot() as connection:
                for number, values in asked.items():
                    there[number] = count_now(connection, self._references[number], sorted(values))
        return [
            Counter({row: count for row in suspect.rows if (count := there[row.reference].get(self._value(row), 0))})
            for suspect in batch
        ]

    def _judge(self, suspect: Suspect, objects: _Now, rows: Counter[RowAt]) -> None:
        now = Suspect(suspect.rest, objects.legacy, objects.production, rows, suspect.others)
        faults = list(now.faults())
        for fault, row, number in faults:
            if fault is Fault.UNPROVEN and objects.same is not None:
                fault = Fault.LEFT if objects.same else Fault.DIFFERS
            self._finding.add(fault, number, self._example(now, row), seen_twice=row not in now.others)
        first = [fault for fault, _, _ in suspect.faults()]
        if faults:
            self._seen_twice.update(first)  # as the others of its kind are seen at first
        self._finding.settled += max(0, len(first) - len(faults))

    def _value(self, row: RowAt) -> str:
        """What the row holds."""
        side, rest, spelt = row.named
        keys = self._references[row.reference].keys
        prefix = keys.legacy_path_prefix if side is Side.LEGACY else keys.production_path_prefix
        return prefix + (spelt or rest).decode()

    def _example(self, suspect: Suspect, row: RowAt | None) -> Example:
        keys = self._legacy.key(suspect.rest), self._production.key(suspect.rest)
        return Example(*keys, self._references[row.reference].name, self._value(row)) if row else Example(*keys)

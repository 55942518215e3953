"""What rows name, held against what was listed: one pass over the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from s3_migration.ledger import sample as samples
from s3_migration.ledger.connection import ReferenceLedger
from s3_migration.ledger.sample import ALL, Sample
from s3_migration.steps.inventory import SLICE
from s3_migration.steps.merging import merge_absent
from s3_migration.steps.passes import look
from s3_migration.steps.run import Run


class Named(NamedTuple):
    """What rows of some pages name: by key, how many rows by the legacy path."""

    of_sample: Mapping[str, int]  # to be marked yet
    unlisted: Mapping[str, int]  # the listing did not show these


def ask_rows(run: Run, sample: Sample, objects: int) -> dict[str, int]:
    """Number by what: rows_to_switch, dangling, unreferenced. Keys that only rows name are looked for, and merged.

    :param objects: of the listing.
    """

    def judge(unlisted: Mapping[str, int]) -> int:
        return merge_absent(run, sample, sorted(unlisted), named=True)

    dangling = pass_over(run, sample, partial(_read, unlisted=run.takes_all), judge)
    counted = sample.count()
    return {
        "dangling": dangling,
        "rows_to_switch": counted.rows * ALL // sample.share,
        "unreferenced": unreferenced(objects, counted, sample.share),
    }


def unreferenced(objects: int, counted: samples.Sampled, share: int) -> int:
    """Listed objects that no row names; of many, as many of them as of a sample."""
    if share == ALL or not counted.objects:
        return counted.objects - counted.named
    return round(objects * (counted.objects - counted.named) / counted.objects)


def pass_over(
    run: Run,
    sample: Sample,
    read: Callable[[Sample, Run, ReferenceLedger, str, str], Named],
    judge: Callable[[Mapping[str, int]], int],
) -> int:
    """Mark what rows name in the sample; `judge` what was not listed, some at a time, and answer the sum of that."""
    unlisted: Counter[str] = Counter()
    total = 0

    def judge_all() -> int:
        judged = judge(unlisted)
        sample.mark(unlisted)  # what came while the listing was taken is of the sample by now
        unlisted.clear()
        return judged

    for reference in run.declaration.references:
        for named in look(run, reference, partial(read, sample)):
            there = sample.mark(named.of_sample) | sample.find(named.unlisted.keys() - named.of_sample.keys())
            unlisted.update({key: rows for key, rows in named.unlisted.items() if key not in there})
            if len(unlisted) >= SLICE:
                total += judge_all()
    return total + (judge_all() if unlisted else 0)


def _read(sample: Sample, run: Run, rows: ReferenceLedger, first: str, last: str, *, unlisted: bool) -> Named:
    rows.join_by_hash()
    if run.mode.copies and run.declaration.unreferenced == "keep":
        run.lease.fence()
        samples.mark_referenced(rows, first, last)
    if unlisted:
        return Named(*samples.note_listed(rows, sample, first, last))
    return Named({} if sample.empty else samples.note_sampled(rows, sample, first, last)[0], {})

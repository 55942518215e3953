"""mode plan: what a move would find, counted slice by slice. Nothing of it is kept but the numbers."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping

from s3_migration.ledger import listing
from s3_migration.ledger.connection import ReferenceLedger
from s3_migration.ledger.sample import ALL, Sample, note_sampled
from s3_migration.model.objects import S3Object
from s3_migration.s3.parallel_listing import NotInOrder
from s3_migration.steps import legacy_sample
from s3_migration.steps.inventory import (
    Pages,
    first_of,
    list_legacy,
    lookup_production,
    with_production,
)
from s3_migration.steps.merging import ask_for_unlisted_copies, look_again, stage
from s3_migration.steps.preflight.stores import tell_mapping
from s3_migration.steps.progress import Progress
from s3_migration.steps.referenced import Named, pass_over, unreferenced
from s3_migration.steps.run import Run
from s3_migration.steps.spelling import forecast_misspelt
from s3_migration.steps.undeclared import tell_undeclared

log = logging.getLogger(__name__)

# Of each problem, what a plan names in its log: enough to see what they have in common.
MAX_PROBLEMS = 100


def forecast(run: Run) -> None:
    """Count what both sides and the rows hold; what a person should know before a move is in the log."""
    try:
        listed = Forecasting(run, in_order=run.record.object_limit is not None)
    except NotInOrder:
        log.info("the store does not list in the order of bytes: listed once more, one page after the other")
        listed = Forecasting(run, in_order=True)
    found, sample, seen = listed.found, listed.sample, listed.seen
    dangling = pass_over(run, sample, _read, listed.judge)
    counted = sample.count()
    found["dangling"] = dangling * ALL // sample.share
    found["rows_to_switch"] = counted.rows * ALL // sample.share
    found["unreferenced"] = unreferenced(found["objects"], counted, sample.share)
    number, misspelt = forecast_misspelt(run, MAX_PROBLEMS, "sample")
    found["misspelt"] = number * ALL // sample.share
    sample.drop()
    for what, number in found.items():
        run.tally(what, number, add=False)
    if sample.share < ALL:
        log.info("what rows name is told from one object in %d", ALL // sample.share)
    log.info("found: %s", ", ".join(f"{number} {what}" for what, number in found.items()))
    for problem, keys in listed.named.items():
        for key in sorted(keys):
            log.info("%s: %r", problem, key)
    if listed.named:
        log.info("these are all, or %d of each problem", MAX_PROBLEMS)
    for key, detail in misspelt:
        log.warning("misspelt, and would be kept: %r: %s", key, detail)
    tell_mapping(run.declaration, seen.keys)
    legacy_sample.tell(run, seen)
    tell_undeclared(run)


class Forecasting:
    """A listing that is counted."""

    def __init__(self, run: Run, *, in_order: bool) -> None:
        """:raises NotInOrder: unless `in_order`."""
        self._run = run
        self.found: Counter[str] = Counter(dict.fromkeys(listing.FOUND, 0))
        self.sample = Sample(run.ledger)
        self.seen = legacy_sample.Sample(run.declaration.production.copy_settings)
        self.named: dict[str, list[str]] = {}
        listed, progress, limit = list_legacy(run, in_order=in_order, once=True), Progress(), run.record.object_limit
        if limit is not None:
            listed = first_of(listed, limit - listing.count_gone(run.ledger))
        for part in with_production(run, listed):
            self._count(part.pages, part.copies)
            progress.tell("%d objects listed", self.found["objects"])

    def _count(self, pages: list[list[S3Object]], copies: Pages) -> None:
        ledger = self._run.ledger
        stage(self._run, self.seen.of(pages), copies)
        ask_for_unlisted_copies(self._run)
        with ledger.batch():
            ledger.join_by_hash()
            self.found.update(listing.forecast(ledger))
            self._name("conflict", listing.find_conflicts(ledger, MAX_PROBLEMS))
            self.sample.add()
        self.sample.thin()

    def _name(self, problem: str, keys: list[str]) -> None:
        if keys:
            named = self.named.setdefault(problem, [])
            named += keys[: MAX_PROBLEMS - len(named)]

    def judge(self, unlisted: Mapping[str, int]) -> int:
        """Keys that only rows name: how many are nowhere. What came while the listing was taken is counted as well."""
        run = self._run
        found, left = look_again(run, sorted(unlisted))
        if found:
            self._count(found, lookup_production(run, sorted(entry.key for page in found for entry in page)))
        held = {entry.key for page in lookup_production(run, left, left) for entry in page}
        dangling = [key for key in left if key not in held]
        self._name("dangling", dangling)
        return len(dangling)


def _read(sample: Sample, run: Run, rows: ReferenceLedger, first: str, last: str) -> Named:
    """Only what is of the sample can be told from what was listed."""
    of_sample, legacy = note_sampled(rows, sample, first, last)
    return Named(of_sample, legacy if run.takes_all else {})

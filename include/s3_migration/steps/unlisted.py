"""What the ledger knows and no slice of the listing had: asked for once more before it counts as gone."""

from __future__ import annotations

from collections.abc import Iterator

from s3_migration.ledger import listing
from s3_migration.ledger.sample import Sample
from s3_migration.steps.inventory import SLICE
from s3_migration.steps.merging import merge_absent
from s3_migration.steps.progress import Progress
from s3_migration.steps.run import Run

# Of the ledger: no more than SLICE rows.
LEDGER_PAGES = 512


def merge_unlisted(run: Run, sample: Sample) -> None:
    """Judge what legacy should hold, what is red though legacy is empty of it, and what died runs have deleted."""
    looked, progress = 0, Progress()
    for keys in _unlisted(run):
        run.stop_if_asked()
        if keys:
            merge_absent(run, sample, keys)
        looked += len(keys)
        progress.tell("%d objects that the listing did not show were asked for", looked)


def _unlisted(run: Run) -> Iterator[list[str]]:
    """Slices of keys, in order; some are empty."""
    ledger, after = run.ledger, ""
    while (looked := listing.find_unlisted(ledger, after, SLICE)).last_key is not None:
        yield looked.keys or []
        after = looked.last_key
    after = ""
    while keys := listing.find_unlisted_problems(ledger, after, SLICE):
        yield keys
        after = keys[-1]
    if runs := listing.find_died_runs(ledger):
        for first in range(0, listing.count_ledger_pages(ledger), LEDGER_PAGES):
            yield listing.find_finished_of(ledger, runs, first, first + LEDGER_PAGES)

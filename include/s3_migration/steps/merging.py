"""A slice of what both sides hold, into the ledger: one transaction of some 20,000 keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from s3_migration.ledger import listing, staging
from s3_migration.ledger.sample import Sample
from s3_migration.model.objects import S3Object
from s3_migration.steps.inventory import Pages, lookup_legacy, lookup_production
from s3_migration.steps.run import Run


def stage(run: Run, legacy: Pages, production: Pages, absent: Sequence[str] = ()) -> None:
    """Into the staging tables, production under legacy's keys.

    :param absent: keys that were looked for in legacy, and are not there.
    """
    ledger = run.ledger
    staging.clear(ledger)
    staging.fill(ledger, "legacy", legacy)
    staging.fill(ledger, "production", production)
    staging.fill_absent(ledger, absent)


def ask_for_unlisted_copies(run: Run) -> None:
    """What is staged of production did not show them: a store need not list all that it holds in order."""
    with run.ledger.batch():
        run.ledger.join_by_hash()
        unlisted = listing.find_unlisted_copies(run.ledger)
    if unlisted:
        staging.fill(run.ledger, "production", lookup_production(run, unlisted, unlisted))


def merge(run: Run, sample: Sample, *, named: bool = False, also: Callable[[], None] | None = None) -> None:
    """What is staged: adopt what the ledger knows, judge it, add what is new.

    :param named: rows name what is absent.
    :param also: is done in the same transaction.
    """
    ledger = run.ledger
    ask_for_unlisted_copies(run)
    with ledger.batch():
        run.lease.fence()
        ledger.join_by_hash()
        for what, number in listing.forecast(ledger).items():
            run.tally(what, number)
        listing.adopt(ledger)
        listing.judge_listed(ledger)
        listing.judge_gone(ledger)
        if named:
            listing.judge_unlisted_rows(ledger)
        if run.mode.copies:
            listing.insert_listed(ledger)
            if run.declaration.unreferenced == "keep" and not named:
                listing.mark_unreferenced(ledger)
        if also:
            also()
        sample.add()
    sample.thin()


def merge_absent(run: Run, sample: Sample, keys: Sequence[str], *, named: bool = False) -> int:
    """Keys (sorted) that the listing did not show: looked up once more, since their objects may have come meanwhile.

    :param named: by rows.
    :returns: how many are nowhere.
    """
    found, absent = look_again(run, keys)
    copies = list(lookup_production(run, keys, keys))
    stage(run, found, copies, absent)
    merge(run, sample, named=named)
    return len(set(absent) - {entry.key for page in copies for entry in page})


def look_again(run: Run, keys: Sequence[str]) -> tuple[list[list[S3Object]], list[str]]:
    """What legacy holds at these keys (sorted) by now, and those at which it holds nothing."""
    found = list(lookup_legacy(run, keys, keys))
    there = {entry.key for page in found for entry in page}
    return found, [key for key in keys if key not in there]

"""A slice of what both sides hold, into the ledger: one transaction of some 20,000 keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from s3_migration.ledger import lanes, listing, staging
from s3_migration.ledger.lanes import Lane
from s3_migration.ledger.sample import Sample
from s3_migration.s3.parallel_listing import Place
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
    for side in ("legacy", "production"):
        staging.finish(ledger, side)


def ask_for_unlisted_copies(run: Run) -> None:
    """What is staged of production did not show them: a store need not list all that it holds in order."""
    if unlisted := listing.find_unlisted_copies(run.ledger):
        staging.fill(run.ledger, "production", lookup_production(run, unlisted, unlisted))
        staging.finish(run.ledger, "production")


def merge(run: Run, sample: Sample, places: Iterable[Place] = (), *, named: bool = False) -> None:
    """What is staged: adopt what the ledger knows, judge it, add what is new; and where its lanes stand by now.

    :param named: rows name what is absent.
    """
    ledger = run.ledger
    ask_for_unlisted_copies(run)
    with ledger.batch():
        run.lease.fence()
        listing.one_by_one(ledger)
        for what, number in listing.forecast(ledger).items():
            run.tally(what, number)
        listing.adopt(ledger)
        listing.judge_listed(ledger)
        listing.judge_gone(ledger)
        if named:
            listing.judge_unlisted_rows(ledger)
        if run.mode.copies:
            listing.insert_listed(ledger)
            if run.declaration.unreferenced == "keep":
                listing.mark_unreferenced(ledger)
        for place in {place.lane: place for place in places}.values():
            lanes.keep_lane(ledger, Lane(place.lane, place.start, list(place.first), place.last, place.token))
        sample.add()


def merge_absent(run: Run, sample: Sample, keys: Sequence[str], *, named: bool = False) -> int:
    """Keys (sorted) that the listing did not show: looked up once more, since their objects may have come meanwhile.

    :param named: by rows.
    :returns: how many are nowhere.
    """
    found = list(lookup_legacy(run, keys, keys))
    there = {entry.key for page in found for entry in page}
    absent = [key for key in keys if key not in there]
    copies = list(lookup_production(run, keys, keys))
    stage(run, found, copies, absent)
    merge(run, sample, named=named)
    return len(absent) - len({entry.key for page in copies for entry in page} - there)

"""list_legacy: what is to be moved, into the ledger, cut into chunks."""

from __future__ import annotations

import logging

from s3_migration.ledger import listing, staging
from s3_migration.ledger.spelling import Misspelt
from s3_migration.model.chunking import chunk_length
from s3_migration.model.declaration import Declaration
from s3_migration.model.modes import Mode
from s3_migration.steps import legacy_sample
from s3_migration.steps.inventory import Pages, first_of, list_legacy, lookup_legacy, lookup_production, with_production
from s3_migration.steps.legacy_sample import Sample
from s3_migration.steps.preflight.stores import tell_mapping
from s3_migration.steps.progress import Progress
from s3_migration.steps.run import Run, working
from s3_migration.steps.spelling import forecast_misspelt
from s3_migration.steps.undeclared import describe, find_undeclared

log = logging.getLogger(__name__)

# Of each problem, what a plan names in its log: enough to see what they have in common.
MAX_FORECAST_PROBLEMS = 100


def take_listing(declaration: Declaration, run_id: str, *, retries_left: bool = False) -> list[int]:
    """Stream both sides into staging tables, forecast, and (unless the mode is plan) merge them into the ledger.

    :returns: the chunk numbers, 1 to at most 1,000; none where nothing is to be done.
    """
    with working(declaration, run_id, "list", retries_left=retries_left) as run:
        listing.begin_listing(run.ledger)
        listing.raise_work_mem(run.ledger)
        staging.create(run.ledger)
        sample, pages = Sample(run.declaration.production.copy_settings), list_legacy(run)
        _list_both_sides(run, sample.of(pages) if run.mode is Mode.PLAN else pages)
        _forecast(run)
        if run.mode is Mode.PLAN:
            tell_mapping(run.declaration, sample.keys)
            legacy_sample.tell(run, sample)
            for find in find_undeclared(run):
                log.warning("not declared, and may name these objects: %s", describe(run, find))
        with run.ledger.batch():
            run.lease.fence()
            chunks = _merge(run) if run.mode.changes else 0
            listing.end_listing(run.ledger)
        staging.drop(run.ledger)
        log.info("%d chunks", chunks)
        return list(range(1, chunks + 1))


def _list_both_sides(run: Run, pages: Pages) -> None:
    ledger, window = run.ledger, run.record.time_window
    if run.record.object_limit is not None:
        # Listed again, a canary takes no more than it was asked for: what it has moved counts.
        pages = first_of(pages, run.record.object_limit - listing.count_gone(ledger))
    _fill(run, pages)
    staging.finish(ledger, "legacy")
    if run.takes_all:
        _find_unlisted_rows(run)
    staging.finish(ledger, "production")
    if unlisted := listing.find_unlisted_copies(ledger):
        staging.fill(ledger, "production", lookup_production(run, unlisted, unlisted))
        staging.finish(ledger, "production")
    log.info(
        "legacy: %d objects%s below s3://%s/%s, %d of them in production",
        staging.count(ledger, "legacy"),
        f" last modified in {window}" if window else "",
        run.legacy_bucket,
        run.keys.legacy_prefix,
        staging.count(ledger, "production"),
    )


def _fill(run: Run, pages: Pages) -> None:
    """Legacy and production into the staging tables, as they come."""
    listed, progress = 0, Progress()
    for some, copies in with_production(run, pages):
        staging.fill(run.ledger, "legacy", some)
        staging.fill(run.ledger, "production", copies)
        listed += sum(len(page) for page in some)
        progress.tell("%d objects listed", listed)


def _find_unlisted_rows(run: Run) -> None:
    """Rows that name what the listing did not show: looked up, since their objects may have come meanwhile."""
    ledger = run.ledger
    listing.find_unlisted_rows(ledger)
    keys = sorted(staging.keys(ledger, "rows"))
    if not keys:
        return
    _fill(run, lookup_legacy(run, keys, keys))
    staging.finish(ledger, "legacy")
    listing.drop_listed_rows(ledger)
    left = sorted(staging.keys(ledger, "rows"))
    staging.fill(ledger, "production", lookup_production(run, left, left))
    log.info("%d keys are named by rows and not in legacy", len(left))


def _forecast(run: Run) -> None:
    """Count what the listing found; in mode plan this is the whole account."""
    found = {**listing.forecast(run.ledger), **listing.count_referenced(run.ledger)}
    found["unreferenced"] = found["objects"] - found.pop("referenced")
    misspelt: list[Misspelt] = []
    if run.mode is Mode.PLAN:
        found["misspelt"], misspelt = forecast_misspelt(run, MAX_FORECAST_PROBLEMS)
    for what, number in found.items():
        run.tally(what, number, add=False)
    log.info("found: %s", ", ".join(f"{number} {what}" for what, number in found.items()))
    if run.mode is Mode.PLAN and (found["conflict"] or found["dangling"]):
        for problem in listing.find_forecast_problems(run.ledger, MAX_FORECAST_PROBLEMS):
            log.info("%s: %r", *problem)
        log.info("these are all, or the first %d of each problem", MAX_FORECAST_PROBLEMS)
    for key, detail in misspelt:
        log.warning("misspelt, and would be kept: %r: %s", key, detail)


def _merge(run: Run) -> int:
    """Adopt what is unfinished, judge it, add what is new, cut the scope into chunks. Answers their number.

    An undo adopts what is copied, and nothing else; without copies to remove it has no use for chunks.
    """
    ledger = run.ledger
    listing.adopt(ledger, takes_all=run.takes_all)
    listing.judge_listed(ledger)
    if run.takes_all:
        listing.judge_gone(ledger)  # before what is new, of which nothing can be gone, doubles what it has to read
        listing.judge_unlisted_rows(ledger)
    if run.mode.copies:
        listing.insert_listed(ledger)
        if listing.count_missing(ledger):
            listing.judge_missing(ledger, problem_if_referenced=None)
    if run.mode.copies and run.declaration.unreferenced == "keep":
        listing.mark_unreferenced(ledger)
    listing.clear_chunks(ledger)
    if run.mode.undoes and not run.record.remove_copies:
        return 0
    objects = listing.count_scope(ledger)
    if not objects:
        return 0
    return listing.create_chunks(ledger, chunk_length(objects, run.declaration.chunk_size))

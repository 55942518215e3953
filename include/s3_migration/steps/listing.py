"""list_legacy: what is to be moved, into the ledger, cut into chunks."""

from __future__ import annotations

import logging

from s3_migration.model.chunking import chunk_length
from s3_migration.model.declaration import Declaration
from s3_migration.model.modes import Mode
from s3_migration.steps.inventory import Pages, first_of, list_legacy, lookup_legacy, lookup_production, with_production
from s3_migration.steps.run import Progress, Run, working

log = logging.getLogger(__name__)

# Of each kind, what a plan names in its log: enough to see what they have in common.
MAX_FORECAST_PROBLEMS = 100


def take_listing(declaration: Declaration, run_id: str) -> list[int]:
    """Stream both sides into staging tables, forecast, and (unless the mode is plan) merge them into the ledger.

    :returns: the chunk numbers, 1 to at most 1,000; none where nothing is to be done.
    """
    with working(declaration, run_id, "list") as run:
        run.ledger.execute("begin_listing")
        run.ledger.execute("raise_work_mem")
        run.ledger.reset_staging()
        _look(run)
        _forecast(run)
        with run.ledger.batch():
            run.lease.fence()
            chunks = _merge(run) if run.mode.changes else 0
            run.ledger.execute("end_listing")
        run.ledger.drop_staging()
        log.info("%d chunks", chunks)
        return list(range(1, chunks + 1))


def _look(run: Run) -> None:
    ledger = run.ledger
    pages = list_legacy(run)
    if run.limit is not None:
        # Listed again, a canary takes no more than it was asked for: what it has moved counts.
        pages = first_of(pages, run.limit - ledger.value("count_gone"))
    _fill(run, pages)
    ledger.finish_staging("legacy")
    if run.takes_all:
        _find_unlisted_rows(run)
    ledger.finish_staging("production")
    unshown = [row["key"] for row in ledger.execute("find_unlisted_copies")]
    if unshown:
        ledger.fill_staging("production", lookup_production(run, unshown, unshown))
        ledger.finish_staging("production")
    log.info(
        "legacy: %d objects%s below s3://%s/%s, %d of them in production",
        ledger.count_staging("legacy"),
        f" last modified in {run.time_window}" if run.time_window else "",
        run.legacy_bucket,
        run.keys.legacy_prefix,
        ledger.count_staging("production"),
    )


def _fill(run: Run, pages: Pages) -> None:
    """Legacy and production into the staging tables, as they come."""
    listed, progress = 0, Progress()
    for some, copies in with_production(run, pages):
        run.ledger.fill_staging("legacy", some)
        run.ledger.fill_staging("production", copies)
        listed += sum(len(page) for page in some)
        progress.tell("%d objects listed", listed)


def _find_unlisted_rows(run: Run) -> None:
    """Rows that name what the listing did not show: look again, since their objects may have come meanwhile."""
    ledger = run.ledger
    ledger.execute("find_unlisted_rows")
    keys = sorted(ledger.staging_keys("rows"))
    if not keys:
        return
    _fill(run, lookup_legacy(run, keys, keys))
    ledger.finish_staging("legacy")
    ledger.execute("drop_listed_rows")
    left = sorted(ledger.staging_keys("rows"))
    ledger.fill_staging("production", lookup_production(run, left, left))
    log.info("%d keys are named by rows and not in legacy", len(left))


def _forecast(run: Run) -> None:
    """Count what the listing found; in mode plan this is the whole account."""
    found = {**run.ledger.one("forecast"), **run.ledger.one("count_referenced")}
    found["unreferenced"] = found["objects"] - found.pop("referenced")
    for what, number in found.items():
        run.tally(what, number, add=False)
    log.info("found: %s", ", ".join(f"{number} {what}" for what, number in found.items()))
    if run.mode is Mode.PLAN and (found["conflict"] or found["dangling"]):
        for row in run.ledger.execute("find_forecast_problems", limit=MAX_FORECAST_PROBLEMS):
            log.info("%s: %r", row["problem"], row["key"])
        log.info("these are all, or the first %d of each kind", MAX_FORECAST_PROBLEMS)


def _merge(run: Run) -> int:
    """Adopt what is unfinished, add what is new, draw the chunks. Answers their number.

    An undo adopts what is copied, and nothing else; without copies to remove it has no use for chunks.
    """
    ledger = run.ledger
    ledger.execute("adopt_listed")
    if run.takes_all:
        ledger.execute("adopt_gone")  # before what is new, of which nothing can be gone, doubles what it has to read
        ledger.execute("adopt_unlisted_rows")
    if run.mode.copies:
        ledger.execute("insert_listed")
        if ledger.value("count_missing", keys=None):
            ledger.execute("judge_missing", keys=None, problem_if_referenced=None)
    ledger.execute("clear_chunks")
    if run.mode.undoes and not run.remove_copies:
        return 0
    objects = ledger.value("count_scope")
    if not objects:
        return 0
    length = chunk_length(objects, run.declaration.chunk_size)
    return ledger.execute("create_chunks", length=length).rowcount

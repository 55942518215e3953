"""list_legacy: what is to be moved, into the ledger slice by slice, cut into chunks."""

from __future__ import annotations

import logging
from functools import partial

from s3_migration.ledger import chunks, listing, staging
from s3_migration.ledger.chunk import Chunk
from s3_migration.ledger.lanes import Lane, Lanes, forget_lanes
from s3_migration.ledger.run import find_tallies
from s3_migration.ledger.sample import Sample
from s3_migration.model.declaration import Declaration
from s3_migration.model.error_codes import retryable
from s3_migration.model.modes import Mode
from s3_migration.s3.errors import STORE_ERRORS, error_code
from s3_migration.s3.parallel_listing import Place
from s3_migration.steps import chunking, forecasting
from s3_migration.steps.inventory import SLICE, first_of, list_legacy, with_production
from s3_migration.steps.merging import merge, stage
from s3_migration.steps.missing import judge_missing
from s3_migration.steps.progress import Progress
from s3_migration.steps.referenced import ask_rows
from s3_migration.steps.run import Run, working
from s3_migration.steps.unlisted import merge_unlisted

log = logging.getLogger(__name__)


def take_listing(declaration: Declaration, run_id: str, *, retries_left: bool = False) -> list[int]:
    """List both sides: into the ledger; with mode plan a forecast is all that comes of it.

    One that was killed goes on where it was: what it had merged is not listed again.

    :returns: the chunk numbers, 1 to at most 200; none where nothing is to be done.
    """
    with working(declaration, run_id, "list", retries_left=retries_left) as run:
        ledger = run.ledger
        with ledger.batch():
            goes_on = listing.begin_listing(ledger, run.lease.token)
            if not goes_on:
                forget_lanes(ledger)
                listing.reset_found(ledger)
        listing.raise_temp_buffers(ledger)
        staging.create(ledger)
        if run.mode is Mode.PLAN:
            forecasting.forecast(run)
            drawn: list[Chunk] = []
        else:
            _list_into_ledger(run, goes_on)
            drawn = _chunks(run)
        with ledger.batch():
            run.lease.fence()
            chunks.replace_chunks(ledger, drawn)
            forget_lanes(ledger)
            listing.end_listing(ledger)
        staging.drop(ledger)
        log.info("%d chunks", len(drawn))
        return [chunk.number for chunk in drawn]


def _list_into_ledger(run: Run, goes_on: bool) -> None:
    ledger = run.ledger
    sample = Sample(ledger)
    lanes = Lanes(ledger)
    if goes_on:
        log.info("a listing that was interrupted goes on: %d objects are listed already", _found(run))
    try:
        _merge_slices(run, sample, lanes)
    except STORE_ERRORS as error:
        if lanes.standing and not retryable(error_code(error)):
            forget_lanes(ledger)  # a store need not keep its tokens for ever: the next try begins anew
        raise
    if run.takes_all:
        merge_unlisted(run, sample)
    if goes_on:
        after: str | None = ""
        while after is not None:
            after = sample.refill(after, SLICE)
    for what, number in ask_rows(run, sample, _found(run)).items():
        run.tally(what, number, add=False)
    sample.drop()
    if run.mode.copies:
        judge_missing(run, None)


def _merge_slices(run: Run, sample: Sample, lanes: Lanes) -> None:
    limit, number = run.record.object_limit, _found(run)
    places = [Place(lane.lane, lane.start, tuple(lane.first), lane.last, lane.token) for lane in lanes.standing]
    listed = list_legacy(run, places, in_order=limit is not None)
    if limit is not None:
        # Listed again, a canary takes no more than it was asked for: what it has moved counts.
        listed = first_of(listed, limit - listing.count_gone(run.ledger) - number)
    progress = Progress()
    for part in with_production(run, listed):
        stage(run, part.pages, part.copies)
        merge(run, sample, also=partial(_keep_places, lanes, [each.place for each in part.listed]))
        number += sum(map(len, part.pages))
        progress.tell("%d objects listed", number)
    window = run.record.time_window
    log.info(
        "legacy: %d objects%s below s3://%s/%s",
        _found(run),
        f" last modified in {window}" if window else "",
        run.legacy_bucket,
        run.keys.legacy_prefix,
    )


def _keep_places(lanes: Lanes, places: list[Place]) -> None:
    """Of each lane the last one."""
    for place in {place.lane: place for place in places}.values():
        lanes.keep(Lane(place.lane, place.start, list(place.first), place.last, place.token))


def _found(run: Run) -> int:
    """Objects that this listing has seen so far."""
    return find_tallies(run.ledger).get(("list", "objects"), 0)


def _chunks(run: Run) -> list[Chunk]:
    """An undo adopts what is copied, and nothing else; without copies to remove it has no use for chunks."""
    if run.mode.undoes and not run.record.remove_copies:
        return []
    return chunking.cut(run, _found(run))

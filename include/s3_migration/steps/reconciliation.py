"""reconcile: legacy, production and rows agree for everything in scope; then the account, and the lease given back."""

from __future__ import annotations

import json
import logging
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

from psycopg import Error

from s3_migration.ledger import reconciliation, walk
from s3_migration.ledger.connection import Ledger
from s3_migration.ledger.counting import States
from s3_migration.ledger.lease import give_lease_back
from s3_migration.ledger.run import end_run, find_observed_rate, find_tallies, find_timings
from s3_migration.model.account import Account
from s3_migration.model.declaration import Declaration
from s3_migration.model.forecast import ENOUGH_TO_OBSERVE
from s3_migration.model.modes import Mode
from s3_migration.model.states import PROBLEMS, Step, incomplete_states
from s3_migration.steps import completion_report, metrics
from s3_migration.steps.approval import require_approved
from s3_migration.steps.completeness import require_complete
from s3_migration.steps.deletion import delete_proven
from s3_migration.steps.gate_errors import GateClosed
from s3_migration.steps.missing import judge_missing
from s3_migration.steps.progress import Progress
from s3_migration.steps.proof import compare_left, compare_range, copy_changed_again
from s3_migration.steps.run import ListingUnfinished, Run, working
from s3_migration.steps.settling import count_rows_left, settle_rows

log = logging.getLogger(__name__)


def reconcile(
    declaration: Declaration,
    run_id: str,
    *,
    last: bool = False,
    patience: timedelta | None = None,
    retries_left: bool = False,
) -> Account | None:
    """Look at all three sides. Answers the account, or None while something can still settle.

    :param last: no further look will be taken.
    :param patience: nor is one once the first look is over for so long, however long that took itself.
    :raises Incomplete: something is left that no further look can settle; the log has the account.
    """
    try:
        with working(declaration, run_id, "reconcile", retries_left=retries_left) as run:
            before = run.states()
            if run.mode.changes:
                since = reconciliation.find_first_look(run.ledger)
                last = last or (since is not None and patience is not None and since > patience)
                _look(run, first=since is None)
                settle_rows(run)
            states, closed = run.count_states(), None
            if run.deletes and states.all.get("copied"):
                closed = _sweep(run)
                states = run.count_states()
            log.info("objects by state: %s", states.all or "nothing in scope")
            if run.mode.changes:
                reconciliation.end_first_look(run.ledger)
            if not last and _can_settle(run, before, states.unacknowledged):
                return None
            account = _close(run, states)
            reconciliation.end_looks(run.ledger)
            run.lease.release()
            log.info("\n%s", account.as_text())
            require_complete(run, Step.DELETE, closed=closed)
            return account
    except ListingUnfinished:
        _give_lease_back(declaration, run_id)
        raise


def _look(run: Run, *, first: bool) -> None:
    """Hold legacy and production against the ledger, range by range; the first look, killed, goes on where it was.

    Later ones ask about what is left.
    """
    ranges, progress = walk.ranges(run.ledger), Progress()
    for number, each in enumerate(ranges):
        progress.tell("%d of %d ranges of keys looked at", number, len(ranges))
        of_range = replace(run, chunk=each)
        if first:
            compare_range(of_range, "reconcile")
        else:
            compare_left(of_range)
        copy_changed_again(of_range)
    if run.mode.copies:
        judge_missing(run, "damaged")


def _sweep(run: Run) -> str | None:
    """Delete what a later proof made due in chunks whose task is green, and is not run again.

    Answers why nothing may be deleted, if so.
    """
    try:
        require_approved(run)  # before rows are asked again for nothing
        for each, states in run.count_ranges():
            if states.all.get("copied"):
                delete_proven(replace(run, chunk=each))
    except GateClosed as closed:
        log.info("%s", closed)
        return str(closed)
    return None


def _can_settle(run: Run, before: dict[str, int], states: dict[str, int]) -> bool:
    """Rows that the application is still writing, and deletions that the store does not show yet, do."""
    left = incomplete_states(states, run.mode, Step.DELETE, remove_copies=run.record.remove_copies)
    if not left or set(left) & set(PROBLEMS) - {"still_referenced"}:
        return False
    reappeared = states.get("copied", 0) > before.get("copied", 0)
    return "still_referenced" in left or reappeared


def _close(run: Run, states: States) -> Account:
    if run.mode.changes and not run.mode.switches:  # else settle_rows has, or there is nothing of it
        count_rows_left(run)
    if run.mode.undoes:
        run.tally("beyond_undo", reconciliation.count_beyond_undo(run.ledger), add=False)
    reconciliation.drop_fixed_acknowledgements(run.ledger)
    run.tally_requests()
    observed = find_observed_rate(run.ledger, ENOUGH_TO_OBSERVE) if run.mode is Mode.PLAN else None
    account = Account.of(
        run.declaration.name,
        run.run_id,
        run.mode.value,
        states.all,
        find_tallies(run.ledger),
        {each.step: each.seconds for each in find_timings(run.ledger)},
        observed,
        acknowledged=sum(states.acknowledged.values()),
        window=str(run.record.time_window or ""),
    )
    # Of the whole migration: a canary run ends with its own objects, a slice with its own interval.
    place = completion_report.declared_place(run.declaration, run.production, run.run_id)
    if place and account.finished and run.takes_all:
        account = replace(account, report=completion_report.write(run.ledger, place, run.run_id, run.stop_if_asked))
    end_run(run.ledger, json.dumps(account.as_dict()))
    metrics.left(run.declaration.name, states.all)
    return account


def _give_lease_back(declaration: Declaration, run_id: str) -> None:
    """The check took it, and no later step will work under it."""
    try:
        with closing(Ledger.connect(declaration)) as ledger:
            give_lease_back(ledger, declaration.name, run_id)
    except Error as error:
        log.info("the lease is left to lapse: %s", error)

"""check: what a run needs, asked for in seconds and before anything is touched; then its lease, and its row."""

from __future__ import annotations

import json
import logging
from contextlib import closing, suppress
from dataclasses import replace

from psycopg import Error

from s3_migration.ledger.acknowledgement import acknowledge, is_known, withdraw_acknowledgement
from s3_migration.ledger.connection import MigrationLedger, RunLedger
from s3_migration.ledger.deletion import is_indexed, set_requests_expire
from s3_migration.ledger.lease import Lease, LeaseHeld
from s3_migration.ledger.references import create_index
from s3_migration.ledger.run import find_last_mode, find_migration, invalidate_run, keep_declared, open_run
from s3_migration.model.declaration import Declaration
from s3_migration.model.identity import identity
from s3_migration.model.modes import Mode
from s3_migration.model.run_request import Request
from s3_migration.model.states import PROBLEMS
from s3_migration.steps.hooks import opened_hooks
from s3_migration.steps.preflight.approvers import check_approvers
from s3_migration.steps.preflight.canary import check_removal, check_rights
from s3_migration.steps.preflight.database import check_database, connect
from s3_migration.steps.preflight.errors import PreflightFailed
from s3_migration.steps.preflight.others import check_others
from s3_migration.steps.preflight.stores import check_stores, unfinished_uploads

log = logging.getLogger(__name__)


def check(declaration: Declaration, run_id: str, request: Request, *, scheduled: bool = False) -> bool:
    """See that everything is there, take the lease and open the run.

    :param scheduled: nobody asked for it by hand: what a person has undone is only counted, and not moved again.
    :returns: False while another run of the migration is at work: ask again later.
    :raises PreflightFailed: something is missing; says what fixes it.
    :raises PreflightRetryable: the same, and time may fix it.
    """
    if request.mode.deletes and declaration.approve_deletion is not None:
        check_approvers(declaration)
    with opened_hooks(declaration, attempts=3) as (legacy, production), closing(connect(declaration)) as ledger:
        with suppress(Error):  # what is missing is said below
            invalidate_run(ledger, declaration.name, run_id)
        of_migration = check_database(ledger, request.mode)
        check_stores(declaration, legacy, production)
        check_others(declaration, legacy)
        if scheduled and find_last_mode(of_migration, run_id) is Mode.UNDO:
            log.warning("the last run was an undo: scheduled runs only count, until a run by hand moves again")
            request = replace(request, mode=Mode.PLAN)
        of_run = open_run(
            of_migration,
            run_id,
            request.mode,
            grace_period=declaration.grace_period if request.grace_period is None else request.grace_period,
            object_limit=request.limit,
            time_window=request.time_window,
            remove_copies=request.remove_copies,
        )
        try:
            with Lease(of_run) as lease:
                try:
                    if request.mode.copies or request.remove_copies:
                        expire = check_rights(declaration, run_id, legacy, production)
                        set_requests_expire(of_migration, expire=expire)
                        if left := unfinished_uploads(declaration, production):
                            log.warning("%s", left)
                    if request.remove_copies:
                        check_removal(declaration, production)
                    _acknowledge(of_run, request)
                    _keep_declared(of_migration)
                    _tell_indexes(of_run)
                except BaseException:
                    with suppress(Error):  # the first error is the one to show
                        lease.release()
                    raise
        except LeaseHeld as held:
            log.info("%s", held)
            return False
        return True


def _keep_declared(ledger: MigrationLedger) -> None:
    """From the first check on, the migration keeps what it was declared with; references may be added."""
    migration, declared = find_migration(ledger, ledger.declaration.name), identity(ledger.declaration)
    if migration is not None and migration.declared != declared:
        keep_declared(ledger, json.dumps(declared))


def _tell_indexes(ledger: RunLedger) -> None:
    """Whether a deletion can ask the rows themselves just before it is sent."""
    for reference in ledger.declaration.references:
        if is_indexed(ledger.of_reference(reference)):
            log.info("%s: rows are asked once more just before each batch is deleted", reference.name)
        elif reference.array or reference.url_encoded:
            log.info("%s: no index can tell which rows name an object: the pass of the proof has to do", reference.name)
        else:
            log.info(
                "%s: without an index, rows are asked by the pass of the proof alone. For each batch to ask again: %s",
                reference.name,
                create_index(reference),
            )


def _acknowledge(ledger: RunLedger, request: Request) -> None:
    """Write down, or take back, the reasons for known problems.

    :raises PreflightFailed: a key that the ledger does not know.
    """
    for named, reason in request.acknowledge.items():
        problem, key = (named, None) if named in PROBLEMS else (None, named)
        if reason is None:
            count = withdraw_acknowledgement(ledger, key, problem)
            log.info("%r: %d acknowledgements taken back", named, count)
            continue
        if key is not None and not is_known(ledger, key):
            raise PreflightFailed(
                f"Migration {ledger.declaration.name}: cannot acknowledge {key!r}: the ledger knows no such object. "
                f"Nothing was touched. Fix: give legacy keys as the red task's log has them, or one of "
                f"{', '.join(PROBLEMS)}."
            )
        count = acknowledge(ledger, key, problem, reason, list(PROBLEMS))
        log.info("%r: %d problems acknowledged: %s", named, count, reason)

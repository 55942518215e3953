"""check: what a run needs, asked for in seconds and before anything is touched; then its lease, and its row."""

from __future__ import annotations

import json
import logging
from contextlib import closing, suppress

from psycopg import Error

from s3_migration.ledger.acknowledgement import acknowledge, is_known, withdraw_acknowledgement
from s3_migration.ledger.connection import MigrationLedger, RunLedger
from s3_migration.ledger.deletion import set_requests_expire
from s3_migration.ledger.lease import Lease, LeaseHeld
from s3_migration.ledger.run import find_last_mode, find_migration, invalidate_run, keep_declared, open_run
from s3_migration.model.declaration import Declaration
from s3_migration.model.identity import identity
from s3_migration.model.modes import Mode
from s3_migration.model.run_request import Request
from s3_migration.model.states import PROBLEMS
from s3_migration.steps.hooks import opened_hooks
from s3_migration.steps.preflight.checks import Check, Preflight
from s3_migration.steps.preflight.errors import PreflightFailed

log = logging.getLogger(__name__)


def check(declaration: Declaration, run_id: str, request: Request, *, scheduled: bool = False) -> bool:
    """See that everything is there, take the lease and open the run.

    :param scheduled: nobody asked for it by hand: what a person has undone is only counted, and not moved again.
    :returns: False while another run of the migration is at work: ask again later.
    :raises PreflightFailed: something is missing; says what fixes it.
    :raises PreflightRetryable: the same, and time may fix it.
    """
    log.info("check: asks for all that run %s, mode %s, needs; touches nothing", run_id, request.mode.value)
    with (
        opened_hooks(declaration, attempts=3) as hooks,
        closing(Preflight(declaration, request.mode, request.remove_copies, run_id, *hooks)) as preflight,
    ):
        opened = _open(preflight, request, scheduled=scheduled)
        log.info(
            "check: %s", "all is there; the run may begin" if opened else "another run is at work: asks again later"
        )
        return opened


def _open(preflight: Preflight, request: Request, *, scheduled: bool) -> bool:
    declaration, run_id = preflight.declaration, preflight.run_id
    with suppress(Error):  # what is missing is said below
        invalidate_run(preflight.ledger, declaration.name, run_id)
    _ask(preflight.before_the_run())
    of_migration = preflight.of_migration
    if scheduled and find_last_mode(of_migration, run_id) is Mode.UNDO:
        log.warning("the last run was an undo: scheduled runs only count, until a run by hand moves again")
        preflight.mode = Mode.PLAN
    of_run = open_run(
        of_migration,
        run_id,
        preflight.mode,
        grace_period=declaration.grace_period if request.grace_period is None else request.grace_period,
        object_limit=request.limit,
        time_window=request.time_window,
        remove_copies=request.remove_copies,
    )
    try:
        with Lease(of_run) as lease:
            try:
                try:
                    _ask(preflight.of_the_run())
                finally:  # whichever of them fails: how long deletions are waited for rests on it
                    if preflight.expires is not None:
                        set_requests_expire(of_migration, expire=preflight.expires)
                _acknowledge(of_run, request)
                _keep_declared(of_migration)
            except BaseException:
                with suppress(Error):  # the first error is the one to show
                    lease.release()
                raise
    except LeaseHeld as held:
        log.info("%s", held)
        return False
    return True


def _ask(checks: list[Check]) -> None:
    """:raises PreflightFailed: the first that fails says what fixes it."""
    for check in checks:
        if told := check.ask():
            log.log(logging.WARNING if check.warns else logging.INFO, "%s", told)


def _keep_declared(ledger: MigrationLedger) -> None:
    """From the first check on, the migration keeps what it was declared with; references may be added."""
    migration, declared = find_migration(ledger, ledger.declaration.name), identity(ledger.declaration)
    if migration is not None and migration.declared != declared:
        keep_declared(ledger, json.dumps(declared))


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

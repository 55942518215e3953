"""Stop all deletion of a migration at once, whatever run is at work; let it go on again. S3 is not asked."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import click
from psycopg.errors import LockNotAvailable

from s3_migration.commands import session
from s3_migration.commands.answer import PROGRAM, Answer, CommandError, answers, as_json, migration, not_empty
from s3_migration.commands.session import open_ledger
from s3_migration.ledger.connection import MigrationLedger, first_line
from s3_migration.ledger.deletion import allow_deletion, lock_migration, stop_deletion, wait_for_deletions
from s3_migration.ledger.lease import find_run_at_work
from s3_migration.model.declaration import Declaration


def stop_all(declaration: Declaration, reason: str) -> Answer:
    """Stop all deletion, wait for the batches on their way to end, and say so.

    :raises CommandError: it is not stopped; or it is, as the message then says, and nobody saw the last batch end.
    """
    name = declaration.name
    with _open(declaration) as (ledger, before):
        stop_deletion(ledger, name, reason)
        lines = [f"Deletion of migration {name} is stopped: {reason}"]
        if before is not None:
            lines.append(f"It had been stopped before: {before}")
        try:
            at_rest = _see_the_last_batch_end(ledger, name)
            at_work = find_run_at_work(ledger)
        except (Exception, KeyboardInterrupt) as error:
            raise CommandError(
                f"it is stopped: no further batch begins. But nobody saw the last batch end: {first_line(error)}. "
                f"Fix: stop again: it answers once nothing is deleted any more."
            ) from error
        lines.append(
            f"Nothing is deleted from legacy any more, until: {PROGRAM} resume {name}"
            if at_rest
            else f"No further batch begins, but one is being written down since {session.LOCK_TIMEOUT} and more. "
            f"Fix: see whether a run is at work ({PROGRAM} status {name}), and stop again"
        )
        if at_work:
            lines.append(f"Run {at_work.run} is at work.")
        return Answer(
            "\n".join(lines),
            {
                "migration": name,
                "deletion_stopped": reason,
                "stopped_before": before,
                "nothing_on_its_way": at_rest,
                "run_at_work": at_work and at_work.run_id,
            },
            yes=at_rest,
        )


def _see_the_last_batch_end(ledger: MigrationLedger, name: str) -> bool:
    """False: it does not end."""
    try:
        lock_migration(ledger, name)  # a batch that is being written down is written after this
    except LockNotAvailable:
        return False
    for _ in wait_for_deletions(ledger, _say):
        pass
    return True


def _say(left: timedelta) -> None:
    said = f"Deletions on their way may take effect for {left.total_seconds():.0f} s more: waiting"
    print(said, file=sys.stderr, flush=True)


def resume_all(declaration: Declaration) -> Answer:
    """Let deletion go on, and say so.

    :raises CommandError: it is as it was.
    """
    name = declaration.name
    with _open(declaration) as (ledger, before):
        allow_deletion(ledger, name)
    said = f"Deletion of migration {name} was not stopped."
    if before is not None:
        said = (
            f"Deletion of migration {name} may go on. It had been stopped: {before}\n"
            f"Clear what it made red: in the UI, on the run, Clear with only failed."
        )
    return Answer(said, {"migration": name, "deletion_stopped": None, "stopped_before": before})


@contextmanager
def _open(declaration: Declaration) -> Iterator[tuple[MigrationLedger, str | None]]:
    """The ledger, and why deletion is stopped now (None: it is not)."""
    with open_ledger(declaration, "try again; else docs/runbook.md#stop-all-deletion-now has the SQL") as (
        ledger,
        migration,
    ):
        yield ledger, migration.deletion_stopped


@click.command()
@migration
@click.option(
    "--reason", required=True, callback=not_empty, help="Why, and who: whoever finds the gate closed reads it."
)
@as_json
@answers
def stop(declaration: Declaration, reason: str) -> Answer:
    """Stop all deletion now, whatever run is at work.

    Returns once nothing is deleted any more. Ends with 1 where no further batch begins, but one that is on its way does
    not end.
    """
    return stop_all(declaration, reason)


@click.command()
@migration
@as_json
@answers
def resume(declaration: Declaration) -> Answer:
    """Let deletion go on."""
    return resume_all(declaration)

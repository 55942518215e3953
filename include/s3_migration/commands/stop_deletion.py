"""Stop all deletion of a migration at once, whatever run is at work; let it go on again; say which it is.

python -m s3_migration stop avatars --reason "why, and who"
python -m s3_migration resume avatars
python -m s3_migration status avatars

Run it where Airflow is configured: it takes the declaration's connection from Airflow, as a task does.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from psycopg.errors import LockNotAvailable

from s3_migration.commands import session
from s3_migration.commands.session import MIGRATION_HELP, PROGRAM, CommandError, load_declaration, open_ledger
from s3_migration.ledger.connection import MigrationLedger
from s3_migration.ledger.deletion import allow_deletion, lock_migration, stop_deletion, wait_for_deletions
from s3_migration.ledger.lease import find_lease_holder
from s3_migration.ledger.run import database_time
from s3_migration.model.declaration import Declaration, DeclarationError


def stop(declaration: Declaration, reason: str) -> str:
    """Stop all deletion, wait for the batches on their way to end, and say so.

    :raises CommandError: it is not stopped.
    """
    name = declaration.name
    with _open(declaration) as (ledger, before):
        stop_deletion(ledger, name, reason)
        lines = [f"Deletion of migration {name} is stopped: {reason}"]
        if before is not None:
            lines.append(f"It had been stopped before: {before}")
        try:
            lock_migration(ledger, name)  # a batch that is being written down is written after this
            for _ in wait_for_deletions(ledger, _say):
                pass
            lines.append(f"Nothing is deleted from legacy any more, until: {PROGRAM} resume {name}")
        except LockNotAvailable:
            lines.append(
                f"No further batch begins, but one is being written down since {session.LOCK_TIMEOUT} and more. "
                f"Fix: see whether a run is at work ({PROGRAM} status {name}), and stop again"
            )
        return "\n".join([*lines, *_run_at_work(ledger)])


def _say(left: timedelta) -> None:
    print(f"Deletions on their way may take effect for {left.total_seconds():.0f} s more: waiting", flush=True)


def resume(declaration: Declaration) -> str:
    """Let deletion go on, and say so.

    :raises CommandError: it is as it was.
    """
    name = declaration.name
    with _open(declaration) as (ledger, before):
        allow_deletion(ledger, name)
        if before is None:
            return f"Deletion of migration {name} was not stopped."
        return (
            f"Deletion of migration {name} may go on. It had been stopped: {before}\n"
            f"Clear what it made red: in the UI, on the run, Clear with only failed."
        )


def status(declaration: Declaration) -> str:
    """Whether deletion is stopped, and which run is at work.

    :raises CommandError: nobody can tell.
    """
    with _open(declaration) as (ledger, reason):
        state = "may go on: nobody has stopped it" if reason is None else f"is stopped: {reason}"
        return "\n".join([f"Deletion of migration {declaration.name} {state}", *_run_at_work(ledger)])


def _run_at_work(ledger: MigrationLedger) -> list[str]:
    holder = find_lease_holder(ledger)
    if holder is None or holder.lease_until is None or holder.lease_until < database_time(ledger):
        return []
    return [f"Run {holder.run} is at work."]


@contextmanager
def _open(declaration: Declaration) -> Iterator[tuple[MigrationLedger, str | None]]:
    """The ledger, and why deletion is stopped now (None: it is not)."""
    with open_ledger(declaration, "try again; else docs/runbook.md#stop-all-deletion-now has the SQL") as (
        ledger,
        migration,
    ):
        yield ledger, migration.deletion_stopped


def main(arguments: Sequence[str] | None = None) -> None:
    """:param arguments: stop, resume or status, the migration, and the options."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(dest="action", required=True)
    stop_parser = actions.add_parser("stop", help="stop all deletion; returns once nothing is deleted any more")
    stop_parser.add_argument("--reason", required=True, help="why, and who: whoever finds the gate closed reads it")
    resume_parser = actions.add_parser("resume", help="let deletion go on")
    status_parser = actions.add_parser("status", help="whether it is stopped and why, and which run is at work")
    for action in (stop_parser, resume_parser, status_parser):
        action.add_argument("migration", help=MIGRATION_HELP)
    options = parser.parse_args(arguments)
    if options.action == "stop" and not options.reason.strip():
        stop_parser.error("--reason is empty. Fix: say why, and who")
    try:
        declaration = load_declaration(options.migration)
        if options.action == "stop":
            print(stop(declaration, options.reason.strip()))
        else:
            print(resume(declaration) if options.action == "resume" else status(declaration))
    except (DeclarationError, CommandError) as error:
        sys.exit(f"Migration {options.migration}: {error}")

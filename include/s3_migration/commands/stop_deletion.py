"""Stops all deletion of a migration at once, whatever run is at work; lets it go on again; says which it is.

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

from psycopg.errors import LockNotAvailable

from s3_migration.commands.session import CommandError, declared, opened
from s3_migration.ledger.connection import MigrationLedger
from s3_migration.ledger.deletion import allow_deletion, stop_deletion, wait_for_batches
from s3_migration.ledger.lease import find_lease_holder
from s3_migration.ledger.run import database_time
from s3_migration.model.declaration import Declaration, DeclarationError

# For a batch of deletions on its way to end: some requests of a thousand keys.
LOCK_TIMEOUT = "60s"


def stop(declaration: Declaration, reason: str) -> str:
    """Stop all deletion, wait for the batches on their way to end, and say so.

    :raises CommandError: it is not stopped.
    """
    name = declaration.name
    with _opened(declaration) as (ledger, before):
        stop_deletion(ledger, name, reason)
        said = [f"Deletion of migration {name} is stopped: {reason}"]
        if before is not None:
            said.append(f"It had been stopped before: {before}")
        try:
            wait_for_batches(ledger, name)
            said.append(f"Nothing is deleted from legacy any more, until: python -m s3_migration resume {name}")
        except LockNotAvailable:
            said.append(f"No further batch begins; one on its way has not ended within {LOCK_TIMEOUT}. See status.")
        return "\n".join([*said, *_at_work(ledger)])


def resume(declaration: Declaration) -> str:
    """Let deletion go on, and say so.

    :raises CommandError: it is as it was.
    """
    name = declaration.name
    with _opened(declaration) as (ledger, before):
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
    with _opened(declaration) as (ledger, reason):
        state = "may go on: nobody has stopped it" if reason is None else f"is stopped: {reason}"
        return "\n".join([f"Deletion of migration {declaration.name} {state}", *_at_work(ledger)])


def _at_work(ledger: MigrationLedger) -> list[str]:
    holder = find_lease_holder(ledger)
    if holder is None or holder.lease_until is None or holder.lease_until < database_time(ledger):
        return []
    return [f"Run {holder.run} is at work."]


@contextmanager
def _opened(declaration: Declaration) -> Iterator[tuple[MigrationLedger, str | None]]:
    """The ledger, and why deletion is stopped now."""
    with opened(declaration, LOCK_TIMEOUT, "try again; else docs/runbook.md has the SQL") as (ledger, migration):
        yield ledger, migration.deletion_stopped


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    actions = parser.add_subparsers(dest="action", required=True)
    stopping = actions.add_parser("stop", help="stop all deletion; returns once nothing is deleted any more")
    stopping.add_argument("--reason", required=True, help="why, and who: whoever finds the gate closed reads it")
    resuming = actions.add_parser("resume", help="let deletion go on")
    asking = actions.add_parser("status", help="whether it is stopped and why, and which run is at work")
    for action in (stopping, resuming, asking):
        action.add_argument("migration", help="name of a declaration's file, without .yaml")
    options = parser.parse_args(arguments)
    try:
        declaration = declared(options.migration)
        if options.action == "stop":
            if not options.reason.strip():
                parser.error("--reason is empty: say why, and who")
            print(stop(declaration, options.reason.strip()))
        else:
            print(resume(declaration) if options.action == "resume" else status(declaration))
    except (DeclarationError, CommandError) as error:
        sys.exit(f"Migration {options.migration}: {error}")

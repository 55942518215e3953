"""What the commands share that ask the database: the ledger as the migrator's role, errors that say how to fix them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowNotFoundException
from psycopg import Error
from psycopg.errors import InsufficientPrivilege, UndefinedColumn, UndefinedTable

from s3_migration.commands.answer import PROGRAM, CommandError
from s3_migration.ledger.connection import Ledger, MigrationLedger, first_line
from s3_migration.ledger.run import Migration, find_migration
from s3_migration.model.declaration import Declaration

# How long a lock is waited for: a batch of a run, a few requests of a thousand keys, ends sooner.
LOCK_TIMEOUT = "60s"


@contextmanager
def open_ledger(declaration: Declaration, fix: str = "try again") -> Iterator[tuple[MigrationLedger, Migration]]:
    """The ledger, and what it knows of the migration.

    :param fix: how to fix an error that is none of the usual ones.
    :raises CommandError: the database refuses something.
    """
    name, conn_id = declaration.name, declaration.database.conn_id
    setup = f"an administrator runs {PROGRAM} setup {name} --sql | psql … (again)"
    ledger = connect(declaration)
    try:
        ledger.connection.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
        migration = find_migration(ledger, name)
        if migration is None:
            raise CommandError(f"the ledger does not know migration {name!r}. Fix: {setup}")
        yield ledger.of_migration(migration.migration_id), migration
    except (UndefinedTable, UndefinedColumn) as error:
        raise CommandError(f"the database of {conn_id!r} is not set up: {first_line(error)}. Fix: {setup}") from error
    except InsufficientPrivilege as error:
        raise CommandError(f"the role of {conn_id!r} may not: {first_line(error)}. Fix: {setup}") from error
    except Error as error:
        raise CommandError(f"the database of {conn_id!r} says: {first_line(error)}. Fix: {fix}.") from error
    finally:
        ledger.close()


def connect(declaration: Declaration) -> Ledger:
    """:raises CommandError: there is no such connection, or the database refuses it."""
    conn_id = declaration.database.conn_id
    try:
        return Ledger.connect(declaration)
    except AirflowNotFoundException as error:
        raise CommandError(
            f"Airflow has no connection {conn_id!r}. Fix: run the command where Airflow is configured; or correct "
            f"it, if it is defined there."
        ) from error
    except Error as error:
        raise CommandError(
            f"no connection to the database of {conn_id!r}: {first_line(error)}. "
            f"Fix: correct Airflow's connection {conn_id!r}."
        ) from error

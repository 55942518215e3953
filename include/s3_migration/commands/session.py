"""What the commands beside Airflow share: the ledger, as the migrator's role, and errors that say what fixes them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowNotFoundException
from psycopg import Error
from psycopg.errors import InsufficientPrivilege, UndefinedColumn, UndefinedTable

from s3_migration.ledger.connection import Ledger, MigrationLedger, first_line
from s3_migration.ledger.run import Migration, find_migration
from s3_migration.model import declaration as declarations
from s3_migration.model.declaration import Declaration


class CommandError(Exception):
    """It could not be done. The message says why, and what fixes it."""


def declared(migration: str) -> Declaration:
    """The declaration of that name.

    :raises DeclarationError: it cannot be read.
    """
    # As Airflow's own commands: else a connection that was made in the UI is not looked for.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    return declarations.of_file(migration)


@contextmanager
def opened(
    declaration: Declaration, lock_timeout: str, otherwise: str = "try again"
) -> Iterator[tuple[MigrationLedger, Migration]]:
    """The ledger, and what it knows of the migration.

    :param lock_timeout: how long a lock is waited for: rather that than fail whoever waits at a terminal.
    :param otherwise: what fixes an error that is none of the usual ones.
    :raises CommandError: whatever the database refuses.
    """
    name, conn_id = declaration.name, declaration.database.conn_id
    setup = f"an administrator runs (again): python -m s3_migration setup {name} --sql | psql …"
    try:
        ledger = Ledger.connect(declaration)
    except AirflowNotFoundException as error:
        raise CommandError(
            f"Airflow has no connection {conn_id!r}. Fix: run it where Airflow is configured."
        ) from error
    except Error as error:
        raise CommandError(
            f"no connection to the database: {first_line(error)}. Fix: correct Airflow's connection {conn_id!r}."
        ) from error
    try:
        ledger.connection.execute(f"SET lock_timeout = '{lock_timeout}'")
        migration = find_migration(ledger, name)
        if migration is None:
            raise CommandError(f"the ledger does not know migration {name!r}. Fix: {setup}")
        yield ledger.of_migration(migration.migration_id), migration
    except (UndefinedTable, UndefinedColumn) as error:
        raise CommandError(f"the database of {conn_id!r} is not set up: {first_line(error)}. Fix: {setup}") from error
    except InsufficientPrivilege as error:
        raise CommandError(f"the role of {conn_id!r} may not: {first_line(error)}. Fix: {setup}") from error
    except Error as error:
        raise CommandError(f"{first_line(error)}. Fix: {otherwise}.") from error
    finally:
        ledger.close()

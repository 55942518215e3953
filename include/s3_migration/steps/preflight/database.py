"""The database that a run needs: no pooler before it, its replicas' lag, the ledger; its columns are in columns.py."""

from __future__ import annotations

import re

from airflow.sdk.exceptions import AirflowNotFoundException
from psycopg import Error

from s3_migration.ledger.connection import Ledger, MigrationLedger, first_line
from s3_migration.ledger.replica_lag import NoLag, declared_lag
from s3_migration.ledger.run import behind_a_pooler, check_ledger, find_migration, find_switched, schema_version
from s3_migration.ledger.schema import SCHEMA_VERSION
from s3_migration.model.declaration import Declaration
from s3_migration.model.identity import differences, identity
from s3_migration.steps.preflight.errors import (
    PreflightFailed,
    PreflightRetryable,
    Refusal,
    no_connection,
    set_up,
)

# A refusal to connect that only a person can fix; any other may be a restart or a full server.
_LASTING = re.compile("authentication failed|no password supplied|does not exist|permission denied|no pg_hba.conf")


def connect(declaration: Declaration) -> Ledger:
    """:raises PreflightFailed: no such connection, or the database refuses it.
    :raises PreflightRetryable: it does not answer.
    """
    conn_id = declaration.database.conn_id
    try:
        return Ledger.connect(declaration)
    except AirflowNotFoundException as error:
        raise no_connection(declaration, conn_id) from error
    except Error as error:
        raise (PreflightFailed if _LASTING.search(str(error)) else PreflightRetryable)(
            f"Migration {declaration.name}: no connection to the database: {first_line(error)}. Nothing was touched. "
            f"Fix: correct host, database, login or password of Airflow's connection {conn_id!r}, or GRANT CONNECT."
        ) from error


def check_no_pooler(ledger: Ledger) -> None:
    """:raises PreflightFailed: a connection pooler stands in between."""
    if behind_a_pooler(ledger):
        raise Refusal(ledger.declaration)(
            f"a connection pooler (PgBouncer, RDS Proxy) stands between {ledger.declaration.database.conn_id!r} and "
            f"PostgreSQL: a run rests on settings of its session, temporary tables and advisory locks, which the "
            f"application would share",
            "give the connection the host and port of PostgreSQL itself",
        )


def check_lag(ledger: Ledger, query: str) -> None:
    """:raises PreflightFailed: the declared query does not give the replicas' lag."""
    try:
        declared_lag(ledger.connection, query)
    except (Error, NoLag) as error:
        said = first_line(error) if isinstance(error, Error) else error
        raise Refusal(ledger.declaration)(
            f"database.lag_query, run at {ledger.declaration.database.conn_id!r}: {said}",
            "correct it in the declaration: one SELECT that the role may run and that gives one number, the "
            "replicas' lag in seconds, within 5 s",
        ) from error


def check_set_up(ledger: Ledger) -> MigrationLedger:
    """What the ledger holds of the migration, which is declared as it began.

    :raises PreflightFailed: there is no ledger, or not such a one.
    """
    refuse = Refusal(ledger.declaration)
    setup = set_up(ledger.declaration)
    there = check_ledger(ledger)
    if not there.schema_there:
        raise refuse("schema s3_migration is absent", setup)
    if not there.may_use:
        raise refuse("no USAGE on schema s3_migration, or no TEMPORARY on the database", setup)
    try:
        version = schema_version(ledger)
    except Error as error:
        raise refuse(f"the ledger is not readable: {first_line(error)}", setup) from error
    if version is not None and version > SCHEMA_VERSION:
        raise refuse(
            f"the ledger is of version {version}, this project of version {SCHEMA_VERSION}",
            "deploy the newer version of the project, which has been at work here, on every machine of Airflow",
        )
    if version != SCHEMA_VERSION:
        raise refuse(f"the ledger is of version {version}, expected {SCHEMA_VERSION}", setup)
    try:
        migration = find_migration(ledger, ledger.declaration.name)
    except Error as error:
        raise refuse(f"the ledger is not readable: {first_line(error)}", setup) from error
    if migration is None:
        raise refuse(f"the ledger does not know migration {ledger.declaration.name!r}", setup)
    checked = ledger.of_migration(migration.migration_id)
    if migration.declared and (
        found := differences(migration.declared, identity(ledger.declaration), find_switched(checked))
    ):
        raise refuse(
            f"the declaration is not what the migration began with: {'; '.join(found)}",
            "put it back; other objects, or another place for them, are declared under a new name, in a file of their "
            "own (docs/runbook.md#the-declaration-was-changed)",
        )
    return checked

"""The rows that name the objects: every value once, in one snapshot, and single values again, as they are now."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import psycopg
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk.exceptions import AirflowException
from botocore.exceptions import BotoCoreError, ClientError
from psycopg import Connection, errors, sql
from psycopg.rows import tuple_row

from s3_migration.model.declaration import Declaration
from s3_migration.model.reference import Reference
from s3_migration.second_opinion.errors import CannotJudge
from s3_migration.second_opinion.spelling import MOST_CHARACTERS

_SETTINGS = {
    "application_name": "s3_migration verify",
    "default_transaction_read_only": "on",
    # An administrator is not to run what somebody has named like a function of PostgreSQL's.
    "search_path": "pg_catalog",
    "client_encoding": "UTF8",
    # Rows that a policy hides would look as if there were none: an error.
    "row_security": "off",
    "lock_timeout": "60s",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}


class Database:
    """The product's, as an administrator (`url`) or as Airflow's connection.

    :raises CannotJudge: of any method: there is none, or it refuses something.
    """

    def __init__(self, declaration: Declaration, url: str | None = None) -> None:
        self._conn_id, self._url = declaration.database.conn_id, url
        self._place = "of --url" if url else f"of {self._conn_id!r}"

    @contextmanager
    def session(self) -> Iterator[Connection[Any]]:
        """A session that can only read."""
        with self._explained("correct the connection: host, port, database, login, password"):
            connection = self._connect()
        try:
            with self._explained("try again"):
                for name, value in _SETTINGS.items():
                    connection.execute("SELECT set_config(%s, %s, false)", [name, value])
                yield connection
        finally:
            connection.close()

    def _connect(self) -> Connection[Any]:
        if self._url:
            return psycopg.connect(self._url, autocommit=True, connect_timeout=10, prepare_threshold=None)
        connection = cast("Connection[Any]", PostgresHook(postgres_conn_id=self._conn_id).get_conn())
        connection.autocommit, connection.row_factory = True, tuple_row
        return connection

    @contextmanager
    def _explained(self, fix: str) -> Iterator[None]:
        try:
            yield
        except (errors.UndefinedTable, errors.UndefinedColumn, errors.InvalidSchemaName) as error:
            raise self._refused(error, "correct database.references in the declaration") from error
        except errors.InsufficientPrivilege as error:
            raise self._refused(error, "GRANT SELECT ON the table to the role, or give --url of who may") from error
        except (psycopg.Error, UnicodeError) as error:
            raise self._refused(error, fix) from error
        except (AirflowException, BotoCoreError, ClientError) as error:
            raise self._refused(error, "run it where Airflow is configured, or give --url") from error

    def _refused(self, error: Exception, fix: str) -> CannotJudge:
        said = next(iter(str(error).strip().splitlines()), type(error).__name__)
        return CannotJudge(f"the database {self._place}: {said}. Fix: {fix}.")


@contextmanager
def snapshot(connection: Connection[Any]) -> Iterator[None]:
    """Whatever is read within is of one moment."""
    connection.isolation_level, connection.read_only = psycopg.IsolationLevel.REPEATABLE_READ, True
    with connection.transaction():
        yield


def is_standby(connection: Connection[Any]) -> bool:
    row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
    return bool(row and row[0])


def estimate(connection: Connection[Any], reference: Reference) -> int:
    """How many values there may be, as the planner thinks."""
    row = connection.execute(sql.SQL("EXPLAIN (FORMAT JSON) {}").format(_values(reference))).fetchone()
    return int(row[0][0]["Plan"]["Plan Rows"]) if row else 0


def read(connection: Connection[Any], reference: Reference) -> Iterator[str]:
    """All values that are not null; what is too long to name an object is cut off."""
    cut = sql.SQL("COPY (SELECT left(value, {}) FROM ({}) AS v WHERE value IS NOT NULL) TO STDOUT").format(
        sql.Literal(MOST_CHARACTERS + 1), _values(reference)
    )
    with connection.cursor().copy(cut) as copy:
        copy.set_types(["text"])
        for (value,) in copy.rows():
            yield value


def count_now(connection: Connection[Any], reference: Reference, values: Sequence[str]) -> dict[str, int]:
    """How many times each of the values is there now; those that are nowhere are left out."""
    query = sql.SQL("SELECT value, count(*) FROM ({}) AS v WHERE value = ANY({}::text[]) GROUP BY value")
    return dict(connection.execute(query.format(_values(reference), sql.Literal(list(values)))).fetchall())


def _values(reference: Reference) -> sql.Composed:
    """Its values as rows; of a table its partitions, and what inherits from it, too."""
    column, table = sql.Identifier(reference.column), sql.Identifier(reference.schema, reference.table)
    if reference.array:
        return sql.SQL("SELECT n.value::text AS value FROM {} AS a, unnest(a.{}) AS n (value)").format(table, column)
    if reference.json_path:
        at = sql.Literal(list(reference.json_path))
        return sql.SQL("SELECT a.{} #>> {}::text[] AS value FROM {} AS a").format(column, at, table)
    return sql.SQL("SELECT a.{}::text AS value FROM {} AS a").format(column, table)

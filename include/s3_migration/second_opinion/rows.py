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

# Of each transaction, and not of the session, which behind a pooler would be somebody else's next.
_SETTINGS = {
    "application_name": "s3_migration verify",
    # An administrator is not to run what somebody has named like a function of PostgreSQL's.
    "search_path": "pg_catalog",
    "client_encoding": "UTF8",
    # Rows that a policy hides would look as if there were none: an error.
    "row_security": "off",
    "lock_timeout": "60s",
    "statement_timeout": "0",
    "transaction_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
}


class Database:
    """The product's, as an administrator (`url`) or as Airflow's connection."""

    def __init__(self, declaration: Declaration, url: str | None = None) -> None:
        self._conn_id, self._url = declaration.database.conn_id, url

    @contextmanager
    def snapshot(self) -> Iterator[Connection[Any]]:
        """A connection on which all that is read is of one moment, and nothing can be written.

        :raises CannotJudge: there is none, or the database refuses something.
        """
        try:
            connection = self._connect()
        except (psycopg.Error, AirflowException, BotoCoreError, ClientError) as error:
            where = "" if self._url else ", and run it where Airflow is configured"
            raise self._refused(error, f"correct host, port, database, login or password{where}") from error
        connection.isolation_level, connection.read_only = psycopg.IsolationLevel.REPEATABLE_READ, True
        try:
            with connection.transaction():
                connection.execute(
                    "SELECT set_config(name, value, true) FROM unnest(%s::text[], %s::text[]) AS o (name, value) "
                    "WHERE name IN (SELECT s.name FROM pg_settings AS s)",  # an older server does not know them all
                    [list(_SETTINGS), list(_SETTINGS.values())],
                )
                yield connection
        except errors.InsufficientPrivilege as error:
            raise self._refused(error, "GRANT SELECT ON the table to the role, or give --url of who may") from error
        except psycopg.ProgrammingError as error:
            raise self._refused(error, "correct database.references in the declaration") from error
        except (psycopg.Error, UnicodeError) as error:
            raise self._refused(error, "try again") from error
        finally:
            connection.close()

    def _connect(self) -> Connection[Any]:
        if self._url:
            return psycopg.connect(self._url, autocommit=True, connect_timeout=10)
        connection = cast("Connection[Any]", PostgresHook(postgres_conn_id=self._conn_id).get_conn())
        connection.autocommit, connection.row_factory = True, tuple_row
        return connection

    def _refused(self, error: Exception, fix: str) -> CannotJudge:
        place = "of --url" if self._url else f"of {self._conn_id!r}"
        said = next(iter(str(error).strip().splitlines()), type(error).__name__)
        return CannotJudge(f"the database {place}: {said}. Fix: {fix}.")


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
    """How many times each of the values is there now, with those that the column's collation takes for the same.

    Those that are nowhere are left out. Compared by the column's collation, so that its index serves, and told apart by
    their bytes: to a nondeterministic one a lost `A.png` is the `a.png` that is there.
    """
    query = sql.SQL('SELECT value COLLATE "C", count(*) FROM ({}) AS v WHERE value = ANY({}::text[]) GROUP BY 1')
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

"""The ledger's connection: the statements of `ledger/sql`, run for one declared migration."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from airflow.providers.postgres.hooks.postgres import PostgresHook
from botocore.exceptions import BotoCoreError, ClientError
from psycopg import Connection, Cursor, Error, OperationalError, sql
from psycopg.rows import DictRow, dict_row

from s3_migration.ledger.statements import statement
from s3_migration.model.declaration import Declaration
from s3_migration.model.objects import S3Object

# The staging tables of a listing: what legacy holds, what production holds, what only rows name.
STAGING = ("legacy", "production", "rows")


_ESCAPED = re.compile(r"[\\\t\n\r]").search
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def _identifier(*names: str) -> sql.Identifier:
    """For a statement with bound values: there psycopg reads a `%` of a name as the start of a placeholder."""
    return sql.Identifier(*(name.replace("%", "%%") for name in names))


def _copy_text(page: Iterable[S3Object]) -> str:
    """Rows in COPY's text format: what psycopg does row by row takes half of a listing's time."""
    return "".join(
        f"{key.translate(_ESCAPES) if _ESCAPED(key) else key}\t{size}\t{etag}\t{modified}\n"
        for key, size, etag, modified in page
    )


def first_line(error: Error) -> str:
    """What PostgreSQL says, without its hints and where in the statement it was."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


class Ledger:
    """One connection to the product's database; every statement is its own transaction, or part of `batch()`."""

    def __init__(self, connection: Connection[DictRow], declaration: Declaration) -> None:
        keys, database = declaration.keys, declaration.database
        self.connection = connection
        self.declaration = declaration
        self.values: dict[str, Any] = {
            "legacy_prefix": keys.legacy_prefix,
            "legacy_path_prefix": keys.legacy_path_prefix,
            "production_path_prefix": keys.production_path_prefix,
            # substr counts characters from 1
            "legacy_rest": len(keys.legacy_prefix) + 1,
            "legacy_path_rest": len(keys.legacy_path_prefix) + 1,
            "production_path_rest": len(keys.production_path_prefix) + 1,
            "proof_max_age": declaration.proof_max_age,
            "table": sql.Identifier(*declaration.table).as_string(),
        }
        self.parts: dict[str, sql.Composable] = {
            "table": _identifier(*declaration.table),
            "column": _identifier(database.column),
            **{side: sql.Identifier("pg_temp", f"listed_{side}") for side in STAGING},
        }

    @classmethod
    def connect(cls, declaration: Declaration) -> Ledger:
        """Open a connection of the declared `conn_id`.

        A hook each time: with IAM database authentication it signs a token, which lets in for a quarter of an hour.

        :raises psycopg.OperationalError: no such server, database, or login; no credentials to sign a token with.
        """
        hook = PostgresHook(postgres_conn_id=declaration.database.conn_id)
        try:
            connection = cast("Connection[DictRow]", hook.get_conn())
        except (BotoCoreError, ClientError) as error:
            raise OperationalError(f"no token for IAM database authentication: {error}") from error
        connection.autocommit = True
        connection.row_factory = dict_row
        # Rows of a live product are locked for moments only: rather give up than make the application wait, and
        # do so before its deadlock detector (1 s) looks for a victim.
        connection.execute("SET lock_timeout = '500ms'")
        # pg_stat_activity tells whose statement it is, and which process to look at.
        connection.execute("SELECT set_config('application_name', %s, false)", [f"s3_migration pid {os.getpid()}"])
        return cls(connection, declaration)

    def of_migration(self, migration_id: int) -> None:
        """Say which migration the statements are about."""
        self.values["migration_id"] = migration_id

    def of_run(self, run_no: int, *, undo: bool = False) -> None:
        """Say which run they are about, and which way it switches rows."""
        self.values["run_no"] = run_no
        self.values["undo"] = undo
        for way, side in (
            (("from", "production"), ("to", "legacy")) if undo else (("from", "legacy"), ("to", "production"))
        ):
            for part in ("prefix", "rest"):
                self.values[f"{way}_path_{part}"] = self.values[f"{side}_path_{part}"]

    def close(self) -> None:
        self.connection.close()

    # -- statements ---------------------------------------------------------------------------------------------

    def execute(self, file: str, /, **values: Any) -> Cursor[DictRow]:
        """Run the statement of `ledger/sql/<file>.sql`."""
        return self.connection.execute(statement(file, **self.parts), {**self.values, **values})

    def find(self, file: str, /, **values: Any) -> DictRow | None:
        return self.execute(file, **values).fetchone()

    def one(self, file: str, /, **values: Any) -> DictRow:
        row = self.find(file, **values)
        if row is None:
            raise LookupError(f"statement {file} answered no row for {values}")
        return row

    def value(self, file: str, /, **values: Any) -> Any:
        """The first column of the one row."""
        return next(iter(self.one(file, **values).values()))

    @contextmanager
    def batch(self) -> Iterator[None]:
        """One transaction around several statements."""
        with self.connection.transaction():
            yield

    @contextmanager
    def alone(self, work: str) -> Iterator[None]:
        """Let one task of the migration at a time do this work; the others wait."""
        name = f"s3_migration {self.values['migration_id']} {work}"
        while not self.value("try_advisory_lock", name=name):
            time.sleep(1)
        try:
            yield
        finally:
            self.execute("advisory_unlock", name=name)

    def add_tally(self, step: str, what: str, number: int, chunk: int = 0, *, add: bool = True) -> None:
        """Count what was done; with `add=False` the number replaces what an earlier try counted."""
        self.execute("add_tally", step=step, what=what, number=number, chunk=chunk, add=add)

    # -- staging tables -----------------------------------------------------------------------------------------

    def staging_parts(self, side: str) -> dict[str, sql.Composable]:
        """The parts of a statement that is about one staging table."""
        return {**self.parts, "staging": self.parts[side], "index": sql.Identifier(f"listed_{side}_key")}

    def _staging(self, side: str, file: str, **values: Any) -> Cursor[DictRow]:
        return self.connection.execute(statement(file, **self.staging_parts(side)), {**self.values, **values})

    def reset_staging(self) -> None:
        """Make the three staging tables anew."""
        self.drop_staging()
        for side in STAGING:
            self._staging(side, "create_staging")

    def drop_staging(self) -> None:
        for side in STAGING:
            self._staging(side, "drop_staging")

    def fill_staging(self, side: str, pages: Iterable[list[S3Object]]) -> None:
        """COPY what was seen, as it comes; `key` must be the legacy key. May be called again for more."""
        into = statement("fill_staging", staging=self.parts[side])
        with self.connection.cursor() as cursor, cursor.copy(into) as copy:
            for page in pages:
                copy.write(_copy_text(page))

    def finish_staging(self, side: str) -> None:
        """Ready for joins, when all that was seen is in: each key once, indexed, and the planner told of it."""
        for file in ("drop_duplicates", "index_staging", "analyze_staging"):
            self._staging(side, file)

    def count_staging(self, side: str) -> int:
        row = self._staging(side, "count_staging").fetchone()
        return int(row["count"]) if row else 0

    def staging_keys(self, side: str) -> list[str]:
        return [row["key"] for row in self._staging(side, "staging_keys")]

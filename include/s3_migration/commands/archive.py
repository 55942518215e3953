"""Writes a migration's ledger into an archive, as it is at one moment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from airflow.sdk.exceptions import AirflowNotFoundException
from psycopg import sql

from s3_migration.commands import archive_files
from s3_migration.commands.answer import CommandError
from s3_migration.commands.archive_files import TABLES, Manifest, Writer, progress_bar
from s3_migration.commands.finished import Finding, find_unexplained_keys, judge
from s3_migration.commands.session import open_ledger
from s3_migration.ledger import schema
from s3_migration.ledger import statements as files
from s3_migration.ledger.archive import find_last_change
from s3_migration.ledger.connection import MigrationLedger
from s3_migration.ledger.lease import find_lease_holder, take_lease
from s3_migration.ledger.run import schema_version
from s3_migration.model.declaration import Declaration
from s3_migration.steps.hooks import opened_hooks
from s3_migration.steps.preflight.canary import remove_canaries

# As pg_dump: what is written says the same wherever it is read, and no time-out of the role ends it.
_SETTINGS = (
    "TimeZone = 'UTC'",
    "DateStyle = 'ISO'",
    "IntervalStyle = 'postgres'",
    "statement_timeout = 0",
    "idle_in_transaction_session_timeout = 0",
)


def write(declaration: Declaration, directory: Path, abandoned: str | None = None) -> tuple[Finding, Manifest]:
    """Archive the ledger, read the archive again, and remove the canaries that a killed check left.

    :param abandoned: why it is archived although it is not finished.
    :raises CommandError: a run is at work, or it is not finished; nothing was written.
    :raises ArchiveError: it could not be written.
    """
    with open_ledger(declaration) as (ledger, _), archive_files.new_archive(directory) as (partial, writer):
        _take_and_release_lease(ledger)
        unexplained = find_unexplained_keys(ledger) if abandoned is None else []
        with ledger.batch():
            ledger.connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            for setting in _SETTINGS:
                ledger.connection.execute(f"SET LOCAL {setting}")
            finding = judge(ledger, unexplained)
            if finding.left and abandoned is None:
                raise CommandError(
                    f"nothing was archived. {finding.text}\n"
                    f"Fix: do what is named; or, to archive it as it is, add --abandoned 'why, and who'"
                )
            manifest = _write_ledger(ledger, writer, finding, abandoned)
        writer.close(manifest)
        archive_files.verify(partial)
    with suppress(AirflowNotFoundException), opened_hooks(declaration, attempts=3) as hooks:
        remove_canaries(declaration, *hooks)
    return finding, manifest


def _take_and_release_lease(ledger: MigrationLedger) -> None:
    """Raise the lease's token, by which the drop knows that the ledger is as it was archived: whoever works on it later
    has to take the lease again, a run whose lease expired as well.

    :raises CommandError: a run is at work.
    """
    with ledger.batch():
        if take_lease(ledger, None, timedelta(0)) is not None:
            return
    holder = find_lease_holder(ledger)
    at_work = f"Run {holder.run} is at work, at least until {holder.until}" if holder else "A run is at work"
    raise CommandError(f"nothing was archived. {at_work}. Fix: pause the DAG, and let the run end.")


def _write_ledger(ledger: MigrationLedger, writer: Writer, finding: Finding, abandoned: str | None) -> Manifest:
    last_change = find_last_change(ledger)
    headers, rows = {}, {}
    with progress_bar("archived", finding.objects) as bar:
        for table in TABLES:
            headers[table], rows[table] = _write_table(ledger, writer, table, bar)
    writer.text("restore.sql", _restore_script(headers))
    writer.text("declaration.json", ledger.declaration.model_dump_json(indent=2) + "\n")
    return Manifest(
        migration=ledger.declaration.name,
        made_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        finished=not finding.left,
        left=finding.left,
        reason=abandoned,
        schema_version=schema_version(ledger) or 0,
        lease_token=last_change.lease_token,
        newest_run=last_change.newest_run.isoformat() if last_change.newest_run else None,
        server=f"PostgreSQL {ledger.connection.info.server_version // 10_000}",
        rows=rows,
    )


def _write_table(ledger: MigrationLedger, writer: Writer, table: str, bar: Any) -> tuple[str, int]:
    """Returns the table's header, and the number of its rows as the server counts them."""
    query = files.statement(TABLES[table], relation=sql.Identifier("s3_migration", table))
    header = b""
    with ledger.connection.cursor() as cursor:

        def lines() -> Iterator[bytes]:
            nonlocal header
            with cursor.copy(query, ledger.values) as copy:
                for line in copy:
                    header = header or bytes(line)
                    bar.update(table == "ledger")
                    yield bytes(line)

        writer.table(table, lines())
        return header.decode().strip(), cursor.rowcount


def _restore_script(headers: Mapping[str, str]) -> str:
    """Puts the archive into an empty database, for whoever wants to query it in SQL."""
    copies = [
        rf"\copy s3_migration.{table} ({header}) FROM PROGRAM 'gzip -dc {archive_files.csv_name(table)}' CSV HEADER"
        for table, header in headers.items()
    ]
    return "".join(
        [
            "-- The archive in an empty database: psql --file restore.sql, in this directory.\n",
            "-- PostgreSQL before 18 takes a line of a key that is nothing but \\. for the end of the file.\n",
            schema.script(schema.schema(), then=[f"{copy}\n" for copy in copies]),
        ]
    )

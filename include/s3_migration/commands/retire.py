"""The end of a migration: its ledger is archived, then dropped, and all else that was made for it is named.

python -m s3_migration retire avatars show
python -m s3_migration retire avatars archive avatars-ledger
python -m s3_migration retire avatars verify avatars-ledger
python -m s3_migration retire avatars drop avatars-ledger --role migrator | psql "$DB_CONN_STRING"

Run it where Airflow is configured: it takes the declaration's connections from Airflow, as a task does. What drop
prints is for an administrator of the database; it refuses a ledger that is not as it was archived.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from airflow.sdk.exceptions import AirflowNotFoundException
from botocore.exceptions import BotoCoreError, ClientError
from psycopg import sql
from tqdm import tqdm

from s3_migration.commands import archive, removal
from s3_migration.commands.archive import TABLES, ArchiveError, Manifest, Writer
from s3_migration.commands.session import CommandError, declared, opened
from s3_migration.ledger import schema
from s3_migration.ledger import statements as files
from s3_migration.ledger.archive import find_last_change
from s3_migration.ledger.connection import MigrationLedger
from s3_migration.ledger.lease import find_lease_holder, take_lease
from s3_migration.ledger.retirement import count_all_states, count_unexplained_rows, find_last_run, find_unexplained
from s3_migration.ledger.run import schema_version
from s3_migration.model import declaration as declarations
from s3_migration.model.completion import HELD, NAMED, find_unfinished
from s3_migration.model.declaration import Declaration, DeclarationError
from s3_migration.s3.errors import error_text
from s3_migration.steps.hooks import opened_hooks
from s3_migration.steps.preflight.canary import remove_canaries

# For a batch of a run that was left to lapse.
LOCK_TIMEOUT = "60s"
# As pg_dump: what is written says the same wherever it is read, and no time-out of the role's ends it.
_SETTINGS = (
    "TimeZone = 'UTC'",
    "DateStyle = 'ISO'",
    "IntervalStyle = 'postgres'",
    "statement_timeout = 0",
    "idle_in_transaction_session_timeout = 0",
)


# -- is it finished? ----------------------------------------------------------------------------------------------


def show(declaration: Declaration) -> str:
    """Whether it is finished, and what there is to remove.

    :raises CommandError: nobody can tell.
    :raises DeclarationError: another declaration cannot be read, so nobody knows what it needs.
    """
    listed = removal.checklist(declaration, _others(declaration))
    with opened(declaration, LOCK_TIMEOUT) as (ledger, _):
        found = _judge(ledger, _unexplained(ledger))
    return "\n".join([found.said, "", "What was made for it, and what removes it:", *listed])


@dataclass(frozen=True)
class _Judgement:
    said: str
    left: list[str]
    objects: int


def _judge(ledger: MigrationLedger, legacy: Sequence[str]) -> _Judgement:
    counts = count_all_states(ledger)
    left = find_unfinished(
        find_last_run(ledger),
        {count.state: count.objects - count.acknowledged for count in counts},
        count_unexplained_rows(ledger, NAMED),
        legacy,
    )
    listed = ", ".join(f"{count.objects} {count.state}" for count in counts) or "no objects"
    said = f"Migration {ledger.declaration.name} is {'not finished' if left else 'finished'}: {listed}."
    return _Judgement(
        "\n".join([said, *(f"  - {item}" for item in left)]), left, sum(count.objects for count in counts)
    )


def _unexplained(ledger: MigrationLedger) -> list[str]:
    """The first keys that legacy holds and the ledger does not account for. Where all is moved, that is one page."""
    store, canary = ledger.declaration.legacy, ledger.declaration.keys.legacy_canary
    try:
        with opened_hooks(ledger.declaration, attempts=3) as (legacy, _):
            for page in legacy.list_objects(store.bucket, store.prefix):
                keys = [entry.key for entry in page if entry.key != canary]
                if found := find_unexplained(ledger, keys, HELD):
                    return found
            return []
    except AirflowNotFoundException as error:
        raise CommandError(f"{error}. Fix: run it where Airflow is configured.") from error
    except (ClientError, BotoCoreError) as error:
        raise CommandError(
            f"cannot list s3://{store.bucket}/{store.prefix}: {error_text(error).rstrip('.')}. "
            f"Fix: correct Airflow's connection {store.conn_id!r}, or its rights."
        ) from error


# -- the archive --------------------------------------------------------------------------------------------------


def write(declaration: Declaration, directory: Path, abandoned: str | None = None) -> str:
    """Archive the ledger as it is at one moment, and say so.

    :param abandoned: why, where it is not finished and never will be.
    :raises CommandError: a run is at work, or it is not finished; nothing was written.
    :raises ArchiveError: it could not be written.
    """
    with opened(declaration, LOCK_TIMEOUT) as (ledger, _), archive.making(directory) as (new, writer):
        _seal(ledger)
        legacy = _unexplained(ledger) if abandoned is None else []
        with ledger.batch():
            ledger.connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            for setting in _SETTINGS:
                ledger.connection.execute(f"SET LOCAL {setting}")
            found = _judge(ledger, legacy)
            if found.left and abandoned is None:
                raise CommandError(
                    f"nothing was archived. {found.said}\nIf it is to be retired as it is: --abandoned 'why, and who'"
                )
            manifest = _write(ledger, writer, found, abandoned)
        writer.close(manifest)
        _verify(new)
    with suppress(AirflowNotFoundException), opened_hooks(declaration, attempts=3) as hooks:
        remove_canaries(declaration, *hooks)
    return "\n".join(
        [
            found.said,
            f"Its ledger is archived in {directory}: {_counts(manifest)}; read again, and complete.",
            *(
                f"Broken off by an earlier try, and no archive: {path}; remove it."
                for path in archive.broken_off(directory)
            ),
            f"Next: python -m s3_migration retire {declaration.name} drop {directory} --role {schema.ROLE} | psql …",
        ]
    )


def _seal(ledger: MigrationLedger) -> None:
    """Take the lease and let go of it. Who works on the ledger later has to take it again, a run that was left to lapse
    as well, and so raises its token: by that the drop knows that the ledger is as it was.

    :raises CommandError: a run is at work.
    """
    with ledger.batch():
        if take_lease(ledger, None, timedelta(0)) is not None:
            return
    holder = find_lease_holder(ledger)
    at_work = f"Run {holder.run} is at work, at least until {holder.until}" if holder else "A run is at work"
    raise CommandError(f"nothing was archived. {at_work}. Fix: pause the DAG, and let the run end.")


def _write(ledger: MigrationLedger, writer: Writer, found: _Judgement, abandoned: str | None) -> Manifest:
    changed = find_last_change(ledger)
    headers, rows = {}, {}
    with _bar("archived", found.objects) as bar:
        for table in TABLES:
            headers[table], rows[table] = _write_table(ledger, writer, table, bar)
    writer.text("restore.sql", _restore(headers))
    writer.text("declaration.json", ledger.declaration.model_dump_json(indent=2) + "\n")
    return Manifest(
        migration=ledger.declaration.name,
        made_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        finished=not found.left,
        left=found.left,
        reason=abandoned,
        schema_version=schema_version(ledger) or 0,
        lease_token=changed.lease_token,
        newest_run=changed.newest_run.isoformat() if changed.newest_run else None,
        server=f"PostgreSQL {ledger.connection.info.server_version // 10_000}",
        rows=rows,
    )


def _write_table(ledger: MigrationLedger, writer: Writer, table: str, bar: Any) -> tuple[str, int]:
    """Answers its header, and the number of its rows as the server says it."""
    of = files.statement(TABLES[table], relation=sql.Identifier("s3_migration", table))
    header = b""
    with ledger.connection.cursor() as cursor:

        def lines() -> Iterator[bytes]:
            nonlocal header
            with cursor.copy(of, ledger.values) as copy:
                for line in copy:
                    header = header or bytes(line)
                    bar.update(table == "ledger")
                    yield bytes(line)

        writer.table(table, lines())
        return header.decode().strip(), cursor.rowcount


def _restore(headers: Mapping[str, str]) -> str:
    """The archive into an empty database, for whoever wants to ask it in SQL."""
    filled = [
        rf"\copy s3_migration.{table} ({header}) FROM PROGRAM 'gzip -dc {archive.packed(table)}' CSV HEADER" + "\n"
        for table, header in headers.items()
    ]
    return "".join(
        [
            "-- The archive in an empty database: psql --file restore.sql, in this directory.\n",
            "-- PostgreSQL before 18 takes a line of a key that is nothing but \\. for the end of the file.\n",
            schema.script(schema.schema(), then=filled),
        ]
    )


def verify(declaration: Declaration, directory: Path) -> str:
    """Read an archive again, all of it, and say so.

    :raises CommandError: it is another migration's.
    :raises ArchiveError: it is incomplete.
    """
    manifest = _of(declaration, directory)
    return f"{directory} is complete: migration {manifest.migration}, {manifest.made_at}, {_counts(manifest)}."


def _of(declaration: Declaration, directory: Path) -> Manifest:
    manifest = _verify(directory)
    if manifest.migration != declaration.name:
        raise CommandError(f"{directory} is of migration {manifest.migration!r}. Fix: name the archive of this one.")
    return manifest


def _verify(directory: Path) -> Manifest:
    with _bar("read again") as bar:

        def tell(rows: int, of: int) -> None:
            bar.total = of
            bar.update(rows)

        return archive.verify(directory, tell)


def _bar(what: str, rows: int | None = None) -> Any:
    return tqdm(total=rows, desc=what, unit=" rows", unit_scale=True, disable=None)


def _counts(manifest: Manifest) -> str:
    told = f"{manifest.rows['ledger']} objects, {manifest.rows['run']} runs"
    return told if manifest.finished else f"{told}, not finished ({manifest.reason})"


# -- the drop -----------------------------------------------------------------------------------------------------


def drop(declaration: Declaration, directory: Path, role: str | None) -> str:
    """The SQL that forgets the migration, for an administrator.

    :param role: loses what the set-up gave it, but for what other migrations need; None: nobody loses anything.
    :raises CommandError: the archive is another migration's.
    :raises ArchiveError: it is incomplete.
    :raises DeclarationError: another declaration cannot be read, so nobody knows what it needs.
    """
    others = _others(declaration)
    return removal.script(declaration, others, _of(declaration, directory), role)


def _others(declaration: Declaration) -> list[Declaration]:
    found = [declarations.load(path) for path in declarations.paths()]
    return [other for other in found if other.name != declaration.name]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("migration", help="name of a declaration's file, without .yaml")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("show", help="whether it is finished, and all that was made for it")
    archiving = actions.add_parser("archive", help="write its ledger into a new directory, and read it again")
    archiving.add_argument("--abandoned", metavar="REASON", help="it is not finished and never will be: why, and who")
    verifying = actions.add_parser("verify", help="read an archive again: checksums and rows")
    dropping = actions.add_parser("drop", help="print the SQL, for an administrator, that forgets what was archived")
    dropping.add_argument("--role", help="database role that loses its rights too (default: none does)")
    for action in (archiving, verifying, dropping):
        action.add_argument("directory", type=Path, help="of the archive")
    options = parser.parse_args(arguments)
    try:
        declaration = declared(options.migration)
        if options.action == "show":
            print(show(declaration))
        elif options.action == "archive":
            if options.abandoned is not None and not options.abandoned.strip():
                parser.error("--abandoned is empty: say why, and who")
            print(write(declaration, options.directory, options.abandoned and options.abandoned.strip()))
        elif options.action == "verify":
            print(verify(declaration, options.directory))
        else:
            sys.stdout.write(drop(declaration, options.directory, options.role))
    except (DeclarationError, CommandError, ArchiveError) as error:
        sys.exit(f"Migration {options.migration}: {error}")

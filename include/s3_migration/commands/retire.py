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
from collections.abc import Sequence
from pathlib import Path

from s3_migration.commands import archive, archive_files, removal
from s3_migration.commands.archive_files import ArchiveError, Manifest
from s3_migration.commands.finished import find_unexplained_keys, judge
from s3_migration.commands.session import MIGRATION_HELP, PROGRAM, CommandError, load_declaration, open_ledger
from s3_migration.ledger import schema
from s3_migration.model import declaration as declarations
from s3_migration.model.declaration import Declaration, DeclarationError
from s3_migration.steps.hooks import opened_hooks
from s3_migration.steps.preflight.stores import unfinished_uploads


def show(declaration: Declaration) -> str:
    """Whether it is finished, and what there is to remove.

    :raises CommandError: nobody can tell.
    :raises DeclarationError: another declaration cannot be read, so nobody knows what it needs.
    """
    with opened_hooks(declaration, attempts=3) as (_, production):
        left = unfinished_uploads(declaration, production)
    checklist = removal.checklist(declaration, _other_declarations(declaration), left)
    with open_ledger(declaration) as (ledger, _):
        finding = judge(ledger, find_unexplained_keys(ledger))
    return "\n".join([finding.text, "", "What was made for it, and what removes it:", *checklist])


def write(declaration: Declaration, directory: Path, abandoned: str | None = None) -> str:
    """Archive the ledger as it is at one moment, and say so.

    :param abandoned: why it is archived although it is not finished.
    :raises CommandError: a run is at work, or it is not finished; nothing was written.
    :raises ArchiveError: it could not be written.
    """
    finding, manifest = archive.write(declaration, directory, abandoned)
    partial = archive_files.partial_archives(directory)
    return "\n".join(
        [
            finding.text,
            f"Its ledger is archived in {directory}: {_counts(manifest)}; read again, and complete.",
            *(f"Left by an earlier try that was killed, and no archive: {path}; remove it." for path in partial),
            f"Next: {PROGRAM} retire {declaration.name} drop {directory} --role {schema.ROLE} | psql …",
        ]
    )


def verify(declaration: Declaration, directory: Path) -> str:
    """Read an archive again, all of it, and say so.

    :raises CommandError: it is another migration's.
    :raises ArchiveError: it is incomplete.
    """
    manifest = _read(declaration, directory)
    return f"{directory} is complete: migration {manifest.migration}, {manifest.made_at}, {_counts(manifest)}."


def drop(declaration: Declaration, directory: Path, role: str | None) -> str:
    """The SQL that removes the migration from the database, for an administrator.

    :param role: loses what the set-up gave it, but for what other migrations need; None: nobody loses anything.
    :raises CommandError: the archive is another migration's.
    :raises ArchiveError: it is incomplete.
    :raises DeclarationError: another declaration cannot be read, so nobody knows what it needs.
    """
    others = _other_declarations(declaration)
    return removal.script(declaration, others, _read(declaration, directory), role)


def _read(declaration: Declaration, directory: Path) -> Manifest:
    manifest = archive_files.verify(directory)
    if manifest.migration != declaration.name:
        raise CommandError(
            f"{directory} is of migration {manifest.migration!r}, expected {declaration.name!r}. "
            f"Fix: name the archive of this one."
        )
    return manifest


def _counts(manifest: Manifest) -> str:
    counts = f"{manifest.rows['ledger']} objects, {manifest.rows['run']} runs"
    return counts if manifest.finished else f"{counts}, not finished ({manifest.reason})"


def _other_declarations(declaration: Declaration) -> list[Declaration]:
    found = [declarations.load(path) for path in declarations.paths()]
    return [other for other in found if other.name != declaration.name]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} retire", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("migration", help=MIGRATION_HELP)
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("show", help="whether it is finished, and all that was made for it")
    archive_parser = actions.add_parser("archive", help="write its ledger into a new directory, and read it again")
    archive_parser.add_argument(
        "--abandoned", metavar="REASON", help="it is not finished and never will be: why, and who"
    )
    verify_parser = actions.add_parser("verify", help="read an archive again: checksums and rows")
    drop_parser = actions.add_parser("drop", help="print the SQL, for an administrator, that drops what was archived")
    drop_parser.add_argument("--role", help="database role that loses its rights too (default: none does)")
    for action in (archive_parser, verify_parser, drop_parser):
        action.add_argument("directory", type=Path, help="of the archive")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    """:param arguments: the migration, the action, and its options."""
    parser = _parser()
    options = parser.parse_args(arguments)
    abandoned = options.abandoned.strip() if options.action == "archive" and options.abandoned is not None else None
    if abandoned == "":
        parser.error("--abandoned is empty. Fix: say why, and who")
    try:
        declaration = load_declaration(options.migration)
        if options.action == "show":
            print(show(declaration))
        elif options.action == "archive":
            print(write(declaration, options.directory, abandoned))
        elif options.action == "verify":
            print(verify(declaration, options.directory))
        else:
            sys.stdout.write(drop(declaration, options.directory, options.role))
    except (DeclarationError, CommandError, ArchiveError) as error:
        sys.exit(f"Migration {options.migration}: {error}")

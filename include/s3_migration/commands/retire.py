"""The end of a migration: its ledger is archived, then dropped, and all else that was made for it is named."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from s3_migration.commands import archive as archives
from s3_migration.commands import archive_files, removal
from s3_migration.commands.answer import PROGRAM, Answer, CommandError, answers, as_json, migration, not_empty
from s3_migration.commands.archive_files import ArchiveError, Manifest
from s3_migration.commands.finished import find_unexplained_keys, judge
from s3_migration.commands.session import open_ledger
from s3_migration.ledger import schema
from s3_migration.model import declaration as declarations
from s3_migration.model.declaration import Declaration
from s3_migration.steps.hooks import opened_hooks
from s3_migration.steps.preflight.stores import unfinished_uploads


def tell(declaration: Declaration) -> Answer:
    """Whether it is finished, and what there is to remove.

    :raises CommandError: nobody can tell.
    :raises DeclarationError: another declaration cannot be read, so nobody knows what it needs.
    """
    with opened_hooks(declaration, attempts=3) as (_, production):
        left = unfinished_uploads(declaration, production)
    checklist = removal.checklist(declaration, _other_declarations(declaration), left)
    with open_ledger(declaration) as (ledger, _):
        finding = judge(ledger, find_unexplained_keys(ledger))
    lines = [f"  {thing}: {how}" for thing, how in checklist.items()]
    return Answer(
        "\n".join([finding.text, "", "What was made for it, and what removes it:", *lines]),
        {"migration": declaration.name, "finished": not finding.left, "left": finding.left, "made_for_it": checklist},
        yes=not finding.left,
    )


def write(declaration: Declaration, directory: Path, abandoned: str | None = None) -> Answer:
    """Archive the ledger as it is at one moment, and say so.

    :param abandoned: why it is archived although it is not finished.
    :raises CommandError: a run is at work, or it is not finished; nothing was written.
    :raises ArchiveError: it could not be written.
    """
    finding, manifest = archives.write(declaration, directory, abandoned)
    partial = archive_files.partial_archives(directory)
    lines = [
        finding.text,
        f"Its ledger is archived in {directory}: {_counts(manifest)}; read again, and complete.",
        *(f"Left by an earlier try that was killed, and no archive: {path}; remove it." for path in partial),
        f"Next: {PROGRAM} retire {declaration.name} drop {directory} --role {schema.ROLE} | psql …",
    ]
    return Answer("\n".join(lines), {**_document(directory, manifest), "partial": [str(path) for path in partial]})


def read_again(declaration: Declaration, directory: Path) -> Answer:
    """Read an archive again, all of it, and say whether it is complete.

    :raises CommandError: it is another migration's.
    """
    try:
        manifest = _read(declaration, directory)
    except ArchiveError as error:
        return Answer(str(error), {"archive": str(directory), "complete": False, "why": str(error)}, yes=False)
    said = f"{directory} is complete: migration {manifest.migration}, {manifest.made_at}, {_counts(manifest)}."
    return Answer(said, _document(directory, manifest))


def script(declaration: Declaration, directory: Path, role: str | None) -> str:
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


def _document(directory: Path, manifest: Manifest) -> dict[str, Any]:
    return {"archive": str(directory), "complete": True, **asdict(manifest)}


# -- the command line ---------------------------------------------------------------------------------------------

_directory = click.argument("directory", type=click.Path(path_type=Path))


@click.group(subcommand_metavar="ACTION …")
@migration
def retire() -> None:
    """The end of a migration: its ledger is archived, then dropped, and all else that was made for it is named.

    \b
    python -m s3_migration retire avatars show
    python -m s3_migration retire avatars archive avatars-ledger
    python -m s3_migration retire avatars verify avatars-ledger
    python -m s3_migration retire avatars drop avatars-ledger --role migrator | psql "$DB_CONN_STRING"

    What drop prints is for an administrator of the database; it refuses a ledger that is not as it was archived.
    """


@retire.command()
@as_json
@answers
def show(declaration: Declaration) -> Answer:
    """Whether it is finished (else it ends with 1), and all that was made for it."""
    return tell(declaration)


@retire.command()
@_directory
@click.option(
    "--abandoned", metavar="REASON", callback=not_empty, help="It is not finished, and never will be: why, and who."
)
@as_json
@answers
def archive(declaration: Declaration, directory: Path, abandoned: str | None) -> Answer:
    """Write its ledger into a new DIRECTORY, and read it again."""
    return write(declaration, directory, abandoned)


@retire.command()
@_directory
@as_json
@answers
def verify(declaration: Declaration, directory: Path) -> Answer:
    """Read the archive in DIRECTORY again, checksums and rows: else it ends with 1."""
    return read_again(declaration, directory)


@retire.command()
@_directory
@click.option("--role", help="Database role that loses its rights too.  [default: none does]")
@answers
def drop(declaration: Declaration, directory: Path, role: str | None) -> Answer:
    """Print the SQL, for an administrator, that drops what was archived in DIRECTORY."""
    return Answer(script(declaration, directory, role))

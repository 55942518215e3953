"""The completion report, at any time and by hand: one line an object, with what became of it."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import click

from s3_migration.commands.answer import Answer, CommandError, answers, as_json, migration
from s3_migration.commands.session import open_ledger
from s3_migration.model.declaration import Declaration
from s3_migration.steps import completion_report
from s3_migration.steps.completion_report import Directory, Place, ReportNotWritten
from s3_migration.steps.hooks import opened_hooks


def write(declaration: Declaration, directory: Path | None) -> Answer:
    """:raises CommandError: it cannot be written, or nothing says where."""
    now = datetime.now(timezone.utc)
    with opened_hooks(declaration, attempts=3) as (_, production), open_ledger(declaration) as (ledger, _):
        place: Place | None = (
            Directory(directory.absolute())
            if directory
            else completion_report.declared_place(declaration, production, f"by-hand-{now:%Y-%m-%dT%H-%M-%S}")
        )
        if place is None:
            raise CommandError("nothing says where. Fix: give --directory, or declare completion_report.")
        try:
            manifest = completion_report.write(ledger, place, f"by hand, {now.isoformat(timespec='seconds')}")
        except ReportNotWritten as error:
            raise CommandError(str(error)) from error
    return Answer(f"The report is written; its manifest: {manifest}", {"manifest": manifest})


@click.command()
@migration
@click.option("--directory", type=click.Path(path_type=Path, file_okay=False), help="Instead of where it is declared.")
@as_json
@answers
def report(declaration: Declaration, directory: Path | None) -> Answer:
    """Write what became of each object, a line each, as gzipped CSV in parts, with a manifest.

    \b
    python -m s3_migration report avatars --directory avatars-report

    The run that finishes the migration does so by itself, where completion_report is declared.
    """
    return write(declaration, directory)

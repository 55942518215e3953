"""A second opinion: whether a migration is whole for the product, from S3 and SQL alone."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from tqdm import tqdm

from s3_migration.commands.answer import Answer, CommandError, answers, as_json, migration, require_address
from s3_migration.commands.verify_report import document, report
from s3_migration.model.declaration import Declaration
from s3_migration.second_opinion.errors import CannotJudge
from s3_migration.second_opinion.look import look
from s3_migration.second_opinion.rows import Database


class _OnStderr:
    """Progress where a person sees it; bars on a terminal alone."""

    def say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    @contextmanager
    def stage(self, what: str) -> Iterator[Callable[[int], object]]:
        if not sys.stderr.isatty():
            self.say(f"{what} …")
        with tqdm(desc=what, unit="", unit_scale=True, disable=None) as bar:
            yield bar.update


@click.command()
@migration
@click.option("--url", help="Of the database, as an administrator (default: Airflow's connection).")
@click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    help="For scratch files, which do not outlive the command (default: where temporary files go).",
)
@click.option("--bytes", "compare_bytes", is_flag=True, help="Fetch and compare contents where ETags cannot tell.")
@as_json
@answers
def verify(declaration: Declaration, url: str | None, directory: Path | None, compare_bytes: bool) -> Answer:
    """A second opinion: is the migration whole for the product?

    Reads every row and both listings, and nothing of the ledger; shares no code with what moves the objects. It changes
    nothing. Ends with 1 where it is not whole.
    """
    if url is not None:
        require_address(url)
    scratch = directory or Path(tempfile.gettempdir())
    try:
        finding = look(declaration, Database(declaration, url), scratch, _OnStderr(), compare_bytes=compare_bytes)
    except CannotJudge as error:
        raise CommandError(str(error)) from error
    return Answer(report(declaration, finding), document(declaration, finding), yes=finding.whole)

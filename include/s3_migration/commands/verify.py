"""A second opinion: whether a migration is whole for the product, from S3 and SQL alone."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import click
from tqdm import tqdm

from s3_migration.commands.session import PROGRAM, CommandError, load_declaration
from s3_migration.commands.verify_report import document, report
from s3_migration.model.declaration import DeclarationError
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


@click.command("verify", short_help="whether it is whole for the product, from S3 and SQL alone")
@click.argument("name", metavar="NAME")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--url", help="Of the database, as an administrator (default: Airflow's connection).")
@click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    help="For scratch files, which do not outlive the command (default: where temporary files go).",
)
@click.option("--bytes", "compare_bytes", is_flag=True, help="Fetch and compare contents where ETags cannot tell.")
def verify(name: str, as_json: bool, url: str | None, directory: Path | None, compare_bytes: bool) -> None:
    """A second opinion on migration NAME (a declaration's file, without .yaml): is it whole for the product?

    Reads every row and both listings, and nothing of the ledger; shares no code with what moves the objects. It changes
    nothing. Ends with 0: whole; 1: not whole; 2: it could not be done, and the error says why.
    """
    try:
        if url is not None and not url.startswith(("postgresql://", "postgres://")):
            raise CommandError(
                "--url is no address of a database, expected postgresql://USER@HOST:PORT/DATABASE. "
                "Fix: correct it; a password may stand in PGPASSWORD instead."
            )
        declaration = load_declaration(name)
        scratch = directory or Path(tempfile.gettempdir())
        with redirect_stdout(sys.stderr):  # where Airflow logs which connections it takes
            finding = look(declaration, Database(declaration, url), scratch, _OnStderr(), compare_bytes=compare_bytes)
    except (DeclarationError, CommandError, CannotJudge) as error:
        print(f"Migration {name}: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"Migration {name}: interrupted; nothing was concluded, and nothing is left.", file=sys.stderr)
        sys.exit(2)
    print(json.dumps(document(declaration, finding), indent=2) if as_json else report(declaration, finding))
    sys.exit(0 if finding.whole else 1)


def main(arguments: Sequence[str] | None = None) -> None:
    """:param arguments: the migration, and the options."""
    verify.main(args=arguments, prog_name=f"{PROGRAM} verify")

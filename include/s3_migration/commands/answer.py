"""What every command shares: the NAME of a declaration, `--json`, how it answers, and how it says that it cannot."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from functools import wraps
from typing import Any, NamedTuple

import click

from s3_migration.model import declaration as declarations
from s3_migration.model.declaration import Declaration, DeclarationError

PROGRAM = "python -m s3_migration"


class CommandError(Exception):
    """The command could not do what it was asked. The message says what, where and how to fix it."""


class Undone(click.ClickException):
    """Ends the program: the message goes to stderr."""

    exit_code = 2


class Answer(NamedTuple):
    """What a command has found or done."""

    text: str  # for a person
    document: Mapping[str, Any] | None = None  # the same for a program; None: the text is for one
    yes: bool = True  # False: it is done, and not all is well


def load_declaration(name: str) -> Declaration:
    """The declaration of that name.

    :raises DeclarationError: it cannot be read.
    """
    # As Airflow's own commands do: otherwise a connection that was made in the UI is not looked up.
    os.environ.setdefault("_AIRFLOW_PROCESS_CONTEXT", "server")
    return declarations.of_file(name)


def _load(context: click.Context, _: click.Parameter, name: str) -> None:
    try:
        context.obj = load_declaration(name)
    except DeclarationError as error:
        raise Undone(f"Migration {name}: {error}") from error


def not_empty(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    """A reason, for whoever finds it later."""
    if text is not None and not text.strip():
        raise click.BadParameter("it is empty. Fix: say why, and who")
    return text and text.strip()


def require_address(url: str) -> None:
    """:raises CommandError: it is none of a database."""
    if not url.startswith(("postgresql://", "postgres://")):
        raise CommandError(
            "--url is no address of a database, expected postgresql://USER@HOST:PORT/DATABASE. "
            "Fix: correct it; a password may stand in PGPASSWORD instead."
        )


migration = click.argument("name", expose_value=False, callback=_load)
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document, and nothing else.")


def answers(work: Callable[..., Answer]) -> Callable[..., None]:
    """The callback of a command: lets `work` answer about the declaration NAME, and ends the program.

    stdout gets the answer alone. What is printed meanwhile, by Airflow for example, goes to stderr.
    """

    @wraps(work)
    def run(*, as_json: bool = False, **options: Any) -> None:
        context = click.get_current_context()
        try:
            with redirect_stdout(sys.stderr):
                answer = work(context.obj, **options)
            text = json.dumps(answer.document, indent=2) if as_json else answer.text
            click.echo(text.removesuffix("\n"))
        except (CommandError, DeclarationError) as error:
            raise Undone(f"Migration {context.obj.name}: {error}") from error
        except click.ClickException:
            raise
        except Exception as error:
            # A mistake of ours, or nobody reads stdout. Python, and of some errors Click, would end with 1: an answer.
            traceback.print_exc()
            raise Undone(
                f"Migration {context.obj.name}: there is no answer: {type(error).__name__}: {error}. "
                f"Fix: try again; else report what stands above."
            ) from error
        context.exit(0 if answer.yes else 1)

    return run

"""The program `python -m s3_migration`: its commands, of which only the one that is asked for is loaded."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from importlib import import_module
from typing import Any, NamedTuple

import click

from s3_migration.commands.answer import PROGRAM, Undone


class Listed(NamedTuple):
    """A command as --help and docs/operate.md list it."""

    module: str  # in commands/; it has the Click command under the command's name
    does: str


COMMANDS = {
    "declaration": Listed("declaration", "what is declared and whence, where a key goes; a schema for editors"),
    "check": Listed("check", "all that a run needs: connections, database, stores, rights; changes nothing"),
    "survey": Listed("survey", "which columns name the objects, the undeclared ones first; changes nothing"),
    "setup": Listed("setup", "print what administrators run once: SQL, policies"),
    "status": Listed("status", "the run at work, objects by state, what is left; whether deletion is stopped"),
    "verify": Listed("verify", "a second opinion from S3 and SQL alone: is it whole for the product?"),
    "stop": Listed("stop_deletion", "stop all deletion now"),
    "resume": Listed("stop_deletion", "let deletion go on"),
    "report": Listed("report", "write what became of each object, a line each, as gzipped CSV"),
    "retire": Listed("retire", "the end: is it finished, archive its ledger, drop it"),
}
ENDS = """\b
Ends with
  0  done, and the answer is yes: all is well
  1  done, and the answer is no: see what it says (check, survey, verify, stop, retire show, retire verify)
  2  it could not be done, or not be understood; stderr says why, and the fix"""


class _Program(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        # Most of them load Airflow, which takes seconds, and may print.
        try:
            with redirect_stdout(sys.stderr):
                module = import_module(f"s3_migration.commands.{COMMANDS[cmd_name].module}")
        except Exception as error:
            raise Undone(
                f"{cmd_name} cannot be loaded: {type(error).__name__}: {error}. "
                f"Fix: run it with the Python of Airflow, where Airflow is configured."
            ) from error
        command: click.Command = getattr(module, cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"there is no command {args[0]!r}. Fix: one of {', '.join(COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, listed.does) for name, listed in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx  # Click says how to get help only where it knows of which command
            raise
        except KeyboardInterrupt as error:  # Click would end with 1, which is an answer
            raise Undone("interrupted") from error


@click.command(cls=_Program, epilog=ENDS, context_settings={"max_content_width": 120})
def program() -> None:
    """What a person runs for a migration. NAME is the name of its declaration's file, without .yaml.

    Each command has a --help of its own. Run it where Airflow is configured: connections come from Airflow, as in a
    task. stdout has the answer, with --json as one document; all else is on stderr.
    """


def main() -> None:
    program(prog_name=PROGRAM)

"""All that a run would need, asked for without a run: the list of checks is that of the task `check`."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import click
from airflow.sdk.exceptions import AirflowException
from psycopg import Error

from s3_migration.commands.answer import Answer, answers, as_json, migration
from s3_migration.ledger.connection import first_line
from s3_migration.model.declaration import Declaration
from s3_migration.model.modes import Mode
from s3_migration.s3.errors import STORE_ERRORS, error_text
from s3_migration.steps.hooks import opened_hooks
from s3_migration.steps.preflight.checks import Check, Preflight
from s3_migration.steps.preflight.errors import PreflightFailed, PreflightRetryable


@dataclass(frozen=True)
class Finding:
    """What became of one check: it is well, or it failed, or it could not be asked because of others that failed."""

    check: str
    what: str | None = None  # it failed: what is wrong
    fix: str | None = None
    because: tuple[str, ...] = ()
    note: str | None = None  # worth knowing, although it is well

    @property
    def result(self) -> str:
        return "not asked" if self.because else "failed" if self.what else "ok"


def find_all(declaration: Declaration, mode: Mode, *, remove_copies: bool = False) -> list[Finding]:
    """Ask all there is to ask, whatever fails. Opens no run and takes no lease: a run may be at work."""
    by_hand = f"by hand {secrets.token_hex(8)}"  # its canaries are its own: a run may check at this very moment
    with (
        opened_hooks(declaration, attempts=3) as hooks,
        closing(Preflight(declaration, mode, remove_copies, by_hand, *hooks)) as preflight,
    ):
        found: dict[str, Finding] = {}
        for check in [*preflight.before_the_run(), *preflight.of_the_run()]:
            because = tuple(name for name in check.needs if found[name].result != "ok")
            found[check.name] = Finding(check.name, because=because) if because else _ask(check, declaration.name)
        return list(found.values())


def _ask(check: Check, name: str) -> Finding:
    try:
        return Finding(check.name, note=check.ask())
    except (PreflightFailed, PreflightRetryable) as error:
        said = str(error).removeprefix(f"Migration {name}: ")
    except Error as error:
        said = f"the database says: {first_line(error)}. Fix: see that it is up, and ask again."
    except STORE_ERRORS as error:
        said = f"the store says: {error_text(error).rstrip('.')}. Fix: see that it is up, and ask again."
    except (AirflowException, ValueError) as error:
        said = f"Airflow says: {error}. Fix: correct its connections."
    what, _, fix = said.partition(" Fix: ")
    return Finding(check.name, what, fix)


def report(declaration: Declaration, mode: Mode, findings: list[Finding]) -> Iterator[str]:
    """All of it, for a person: a line each."""
    failed = sum(each.result == "failed" for each in findings)
    said = f"{failed} of {len(findings)} checks failed" if failed else f"all {len(findings)} checks are well"
    yield f"Migration {declaration.name}, mode {mode.value}: {said}."
    for each in findings:
        yield f"{'FAILED' if each.result == 'failed' else each.result:<9}  {each.check}"
        if each.because:
            yield f"{'':11}because of: {', '.join(each.because)}"
        for label, text in (("", each.what), ("Fix: ", each.fix), ("", each.note)):
            if text:
                yield f"{'':11}{label}{text}"


def document(declaration: Declaration, mode: Mode, findings: list[Finding]) -> dict[str, Any]:
    """All of it, for a program."""
    return {
        "migration": declaration.name,
        "mode": mode.value,
        "well": all(each.result == "ok" for each in findings),
        "checks": [
            {
                "check": each.check,
                "result": each.result,
                "what": each.what,
                "fix": each.fix,
                "because": list(each.because),
                "note": each.note,
            }
            for each in findings
        ],
    }


@click.command()
@migration
@click.option(
    "--mode",
    type=click.Choice([mode.value for mode in Mode]),
    default=Mode.MOVE.value,
    show_default=True,
    help="Of the run that is to be.",
)
@click.option("--remove-copies", is_flag=True, help="With mode undo: it is to remove our copies as well.")
@as_json
@answers
def check(declaration: Declaration, mode: str, remove_copies: bool) -> Answer:
    """All that a run would need, without a run: connections, database, buckets, other declarations, rights, conditions.

    It asks what the task check asks, and goes on where that fails. It opens no run, takes no lease and writes nothing
    to the ledger, so that it hinders no run at work. A switch is tried on some rows and rolled back; rights and
    conditions are tried with one canary a bucket, which is deleted again.

    Ends with 1 where anything failed.
    """
    asked = Mode(mode)
    if remove_copies and not asked.undoes:
        raise click.UsageError("--remove-copies belongs to --mode undo. Fix: leave it out, or add --mode undo")
    findings = find_all(declaration, asked, remove_copies=remove_copies)
    told = document(declaration, asked, findings)
    return Answer("\n".join(report(declaration, asked, findings)), told, yes=told["well"])

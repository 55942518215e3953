"""The gate: whether a run may delete. may_delete asks first; each batch of a deletion asks again."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from psycopg.errors import QueryCanceled

from s3_migration.ledger import deletion
from s3_migration.ledger.connection import ReferenceLedger
from s3_migration.ledger.deletion import Gate
from s3_migration.model.reference import Reference
from s3_migration.steps.gate_errors import GateClosed, ScopeUnreferenced, closed
from s3_migration.steps.proof import ask_rows
from s3_migration.steps.run import Run
from s3_migration.steps.undeclared import describe, find_undeclared, names_known_objects

log = logging.getLogger(__name__)

# Objects of a listing from which on it matters how many are named by rows.
MIN_SCOPE = 100
# How long rows are looked through for what they are spelt like.
SPELLING_TIME = "30s"


def find_idle_stop(run: Run) -> str | None:
    """That a person has stopped deletion, where nothing of the run's chunk is to be deleted: it turns nothing red then.

    None: it is not stopped, or that keeps something.
    """
    reason = deletion.gate(run.ledger, rows_asked=True).deletion_stopped
    if reason is None or not run.mode.deletes:
        return None
    states = run.states()
    if states.get("copied") or states.get("failed"):  # what the store refused to delete is tried again
        return None
    return f"it was stopped by hand ({reason}), and nothing is to be deleted"


def require_open(run: Run, *, rows_asked: bool | None = None) -> Gate:
    """Ask the run row, not the gate's colour. Rows that were asked too long ago are asked again.

    :param rows_asked: each batch asks all rows itself; None: to be found out.
    :raises GateClosed: says why, and what opens it.
    """
    if rows_asked is None:
        rows_asked = asks_all(run, indexed(run))
    gate = ask_gate(run, rows_asked=rows_asked)
    if gate.fresh:
        return gate
    # Of both sides nothing is looked at: each slice is, just before it goes.
    with run.ledger.alone("proof"):
        if not ask_gate(run, rows_asked=rows_asked).fresh:  # by another chunk's task, meanwhile
            log.info("rows were asked longer ago than proof_max_age (%s): again", run.declaration.proof_max_age)
            ask_rows(run)
    return ask_gate(run, rows_asked=rows_asked)


def indexed(run: Run) -> list[ReferenceLedger]:
    """The references whose rows a batch can ask by an index."""
    return [rows for rows in map(run.ledger.of_reference, run.declaration.references) if deletion.is_indexed(rows)]


def asks_all(run: Run, asked: Sequence[ReferenceLedger]) -> bool:
    return len(asked) == len(run.declaration.references)


def ask_gate(run: Run, *, rows_asked: bool = True, asked_first: bool = False, despite_stop: bool = False) -> Gate:
    """What only the age of what is known of rows may keep closed.

    :param asked_first: by may_delete, which then looks for what is not declared.
    :param despite_stop: nothing is to be deleted anyway.
    :raises GateClosed: something else does.
    """
    gate, name = deletion.gate(run.ledger, rows_asked=rows_asked), run.declaration.name
    if gate.deletion_stopped is not None and not despite_stop:
        raise GateClosed(
            f"{_closed(run)} deletion was stopped by hand: {gate.deletion_stopped}. Fix: "
            f"python -m s3_migration resume {name}; then clear this task (docs/runbook.md#stop-all-deletion-now)."
        )
    if gate.verified_at is None:
        raise GateClosed(
            f"{_closed(run)} the verification never finished. Fix: clear verify_copies with its downstream "
            f"(docs/runbook.md#closed-nothing-is-deleted)."
        )
    # An undo removes copies that nobody names, each by its ETag: what is wrong with others is why it was asked for.
    if gate.damaged and not run.mode.undoes:
        raise GateClosed(
            f"{_closed(run)} {gate.damaged} copies are damaged. Fix: find out what touches "
            f"s3://{run.production_bucket}/{run.keys.production_prefix}, then clear verify_copies with its "
            f"downstream (docs/runbook.md#verify_copies-is-red)."
        )
    if run.mode.deletes:
        _require_referenced(run)
        if not asked_first:
            _require_declared(run)
    return gate


def _closed(run: Run) -> str:
    return closed(run.declaration.name, more=run.step != "gate")


def _require_declared(run: Run) -> None:
    """:raises GateClosed: may_delete found columns that are not declared, or never came to look for them."""
    undeclared = deletion.count_undeclared(run.ledger)
    if undeclared is None or undeclared:
        what = f"{undeclared} columns name its objects and are not declared" if undeclared else "may_delete never ended"
        raise GateClosed(
            f"{_closed(run)} {what}. Fix: see the log of may_delete; clear it with its downstream, or trigger a new "
            f"run once the declaration is right (docs/runbook.md#what-else-names-the-objects)."
        )


def _require_referenced(run: Run) -> None:
    """:raises ScopeUnreferenced: no row names more than half of many objects: rows may be spelt otherwise."""
    if run.declaration.unreferenced is not None:
        return
    objects, unreferenced = deletion.count_unreferenced(run.ledger)
    if objects < MIN_SCOPE or 2 * unreferenced <= objects:
        return
    raise ScopeUnreferenced(
        f"{_closed(run)} no row names {unreferenced} of the {objects} objects that this run has listed: the rows that "
        f"name them may be spelt otherwise, or lie in another table. "
        f"Fix: correct legacy.path_prefix, table or column in the declaration, or add the reference that is missing; "
        f"or, if nobody needs these objects, declare unreferenced: move (or keep, and they stay). Then trigger a new "
        f"run (docs/runbook.md#closed-nothing-is-deleted)."
    )


def look_for_undeclared(run: Run) -> None:
    """Write down how many columns name objects of this migration that no declaration switches.

    :raises GateClosed: there are some.
    """
    found = [find for find in find_undeclared(run) if names_known_objects(find)]
    run.tally("undeclared", len(found), add=False)
    if found:
        columns = "\n".join(f"  {describe(run, find)}" for find in found)
        raise GateClosed(
            f"{_closed(run)} columns name objects of it and are not declared:\n{columns}\n"
            f"Fix: declare them, or add them to database.ignored_columns if nothing "
            f"serves what they name; then trigger a new run (docs/runbook.md#what-else-names-the-objects)."
        )


def find_spelling(run: Run) -> str:
    """How rows name what they should, as far as a look of some seconds tells."""
    return " ".join(_spelling_of(run, reference) for reference in run.declaration.references)


def _spelling_of(run: Run, reference: Reference) -> str:
    prefix, where = reference.keys.legacy_path_prefix, reference.name
    try:
        with run.ledger.batch():
            run.ledger.connection.execute(f"SET LOCAL statement_timeout = '{SPELLING_TIME}'")
            found = deletion.find_rows_beside(run.ledger.of_reference(reference), 3) if prefix else []
    except QueryCanceled:
        return f"(No row of {where} with {prefix!r} inside was found within {SPELLING_TIME}.)"
    if not found:
        return f"(No row of {where} has {prefix!r} inside.)"
    fits = sorted({path[: path.index(prefix)] + prefix for path in found})
    named, fitting = ", ".join(map(repr, found)), " or ".join(map(repr, fits))
    return f"(Rows of {where} have {prefix!r} inside: {named}. The path_prefix that fits: {fitting}.)"

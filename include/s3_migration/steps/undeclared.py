"""Columns that name the migration's objects and are not declared, as far as its role can see."""

from __future__ import annotations

import logging

from s3_migration.ledger.run import find_tallies
from s3_migration.ledger.survey import survey
from s3_migration.model.account import NOT_DECLARED
from s3_migration.model.legacy_names import Names
from s3_migration.model.reference_entry import declare_as
from s3_migration.model.survey import Way
from s3_migration.model.survey_found import Find
from s3_migration.steps.run import Run

log = logging.getLogger(__name__)

# How long is looked, in seconds: a sample of each column, of as many as there is time for.
SURVEY_TIME = 30.0
# Entries in a message: a document may name objects at many places.
MAX_ENTRIES = 5


def find_undeclared(run: Run) -> list[Find]:
    """Those that name objects, as far as anybody knows, and were not declared to be ignored."""
    found = survey(run.ledger.connection, run.declaration, SURVEY_TIME)
    for each in found.unseen:
        log.info("not looked at: %s: %s", each.name, each.why)
    ignored = set(run.declaration.database.ignored_columns)
    return [find for find in found.undeclared if not ignored & {find.look.column.name, short_name(find)}]


def tell_undeclared(run: Run) -> None:
    """Of a plan: each such column into the log, with what to declare, and into the account, with its rows."""
    for step, what in find_tallies(run.ledger):
        if step == run.step and what.startswith(NOT_DECLARED):
            run.tally(what, 0, add=False)  # of an earlier try, since when it may have been declared
    for find in find_undeclared(run):
        log.warning("not declared, and may name these objects: %s", describe(run, find))
        run.tally(f"{NOT_DECLARED}{short_name(find)}", max(1, find.look.about_found), add=False)


def names_known_objects(find: Find) -> bool:
    """Whether a value was seen that names an object of the ledger."""
    return any(group.objects for group in find.groups)


def short_name(find: Find) -> str:
    return find.look.column.name.removeprefix("public.")


def describe(run: Run, find: Find) -> str:
    """The column, a value of it, and what to declare."""
    column, names = find.look.column, Names.of(run.declaration)
    entries = [declare_as((column.schema, column.table), column.column, way, names) for way in _undeclared(run, find)]
    lines = "".join(f"\n    {line}" for entry in entries[:MAX_ENTRIES] for line in entry.splitlines())
    what = f"declare it, below database.references:{lines}" if entries else "text within text, which is not rewritten"
    return f"{short_name(find)} holds {find.examples[0]!r}: {what}"


def _undeclared(run: Run, find: Find) -> list[Way]:
    """Those that a declaration can take, and has not."""
    column = find.look.column
    if column.type == "json":  # without an operator that changes a part of it
        return []
    references = run.declaration.references
    declared = [each.json_path for each in references if (each.schema, each.table, each.column) == column.key]
    ways = [group.way for group in find.groups if group.declarable and group.names_objects]
    return [way for way in ways if tuple(map(str, way.json_path)) not in declared]

"""Columns that name the migration's objects and are not declared, as far as its role can see."""

from __future__ import annotations

import logging

from s3_migration.ledger.survey import survey
from s3_migration.model.legacy_names import Names
from s3_migration.model.reference_entry import declare_as
from s3_migration.model.survey_found import Find
from s3_migration.steps.run import Run

log = logging.getLogger(__name__)

# How long is looked, in seconds: a sample of each column, of as many as there is time for.
SURVEY_TIME = 30.0


def find_undeclared(run: Run) -> list[Find]:
    """Those that name objects, as far as anybody knows, and were not declared to be ignored."""
    found = survey(run.ledger.connection, run.declaration, SURVEY_TIME)
    for each in found.unseen:
        log.info("not looked at: %s: %s", each.name, each.why)
    ignored = set(run.declaration.database.ignored_columns)
    return [find for find in found.undeclared if not ignored & {find.look.column.name, short_name(find)}]


def names_known_objects(find: Find) -> bool:
    """Whether a value was seen that names an object of the ledger."""
    return any(group.objects for group in find.groups)


def short_name(find: Find) -> str:
    return find.look.column.name.removeprefix("public.")


def describe(run: Run, find: Find) -> str:
    """The column, a value of it, and what to declare."""
    column = find.look.column
    ways = [group.way for group in find.groups if group.declarable and group.names_objects and column.type != "json"]
    entry = declare_as((column.schema, column.table), column.column, ways[0], Names.of(run.declaration)) if ways else ""
    lines = "".join(f"\n    {line}" for line in entry.splitlines())
    what = f"declare it, below database.references:{lines}" if entry else "text within text, which is not rewritten"
    return f"{short_name(find)} holds {find.examples[0]!r}: {what}"

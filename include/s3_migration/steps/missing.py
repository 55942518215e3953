"""Our copy is gone from production: whether that is damage, the rows decide."""

from __future__ import annotations

from s3_migration.ledger import missing
from s3_migration.ledger.connection import ReferenceLedger
from s3_migration.ledger.deletion import is_indexed
from s3_migration.steps.inventory import SLICE
from s3_migration.steps.passes import look
from s3_migration.steps.run import Run


def judge_missing(run: Run, problem_if_referenced: str | None, keys: list[str] | None = None) -> None:
    """Ask the rows about copies that are gone, where there are any: by an index, else by one pass over the table.

    :param problem_if_referenced: what it is where a row names the copy; None: no problem, it is copied again.
    :param keys: of these legacy keys only.
    """
    if next(missing.find_missing(run.ledger, keys, SLICE), None) is None:
        return
    indexed = []
    missing.create_named(run.ledger)
    for reference in run.declaration.references:
        rows = run.ledger.of_reference(reference)
        if is_indexed(rows):
            indexed.append(rows)
            continue
        for found in look(run, reference, _find):
            missing.fill_named(run.ledger, found)
    for some in missing.find_missing(run.ledger, keys, SLICE):
        run.stop_if_asked()
        with run.ledger.batch():
            run.lease.fence()
            named = set(missing.find_named(run.ledger, some))
            for rows in indexed:
                named.update(missing.find_rows_naming(rows, some))
            missing.judge_missing_copies(run.ledger, some, named, problem_if_referenced)
    missing.drop_named(run.ledger)


def _find(run: Run, rows: ReferenceLedger, first: str, last: str) -> list[str]:
    return missing.find_missing_named(rows, first, last)

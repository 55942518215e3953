"""The last passes over the rows, which a proof rests on: switched once more, and what is named even so is marked."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass

from s3_migration.ledger import reconciliation, spelling, switching
from s3_migration.ledger.connection import ReferenceLedger
from s3_migration.ledger.run import owns_objects
from s3_migration.ledger.spelling import Otherwise
from s3_migration.steps.inventory import SLICE
from s3_migration.steps.passes import look
from s3_migration.steps.run import Run
from s3_migration.steps.spelling import Speller
from s3_migration.steps.switching import switch_rows

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seen:
    """What one piece of the pass found."""

    rows: int  # that name what the run switches from, of its objects
    named: list[str]  # the legacy keys of those that should be switched, and are marked by now
    otherwise: list[Otherwise]


def settle_rows(run: Run) -> None:
    """Switch the rows that named a legacy path again since the switch; mark what rows name even so, and how many.

    What no row names any more is cleared at the end, each slice of it together with what is misspelt: between the two,
    what has both problems would seem to have none.

    :raises RowsLocked: other transactions hold rows, or the table.
    :raises TooManyMisspelt: the declaration does not say how rows are spelt.
    """
    if not run.mode.switches:
        return
    if not owns_objects(run.ledger):
        _tally(run, Counter())
        return
    switch_rows(run, late=True)
    switching.create_unnamed(run.ledger, SLICE)
    speller, left = Speller(run), Counter[str]()
    for reference in run.declaration.references:
        rows = run.ledger.of_reference(reference)
        for seen in look(run, reference, _see):
            left[reference.name] += seen.rows
            if seen.named:
                switching.drop_still_named(run.ledger, seen.named)
            speller.gather(rows, seen.otherwise)
    speller.finish()
    after = ""
    while keys := switching.find_settled(run.ledger, after, SLICE):
        run.stop_if_asked()
        with run.ledger.batch():
            run.lease.fence()
            switching.clear_still_referenced(run.ledger, keys)
            spelling.mark_misspelt(run.ledger, keys)
        after = keys[-1]
    spelling.drop_misspelt(run.ledger)
    switching.drop_unnamed(run.ledger)
    _tally(run, left)


def _see(run: Run, rows: ReferenceLedger, first: str, last: str) -> Seen:
    found = switching.find_rows_left(rows, first, last)
    named = {each.key: each.path for each in found if each.key is not None}
    if named:
        run.lease.fence()
        switching.mark_still_referenced(rows, named)
    return Seen(sum(each.rows for each in found), list(named), spelling.find_otherwise(rows, first, last))


def count_rows_left(run: Run) -> None:
    """How many rows name what the run switches from, of its objects, for the account of a run that switches none."""
    left = Counter[str]()
    for reference in run.declaration.references if owns_objects(run.ledger) else ():
        left[reference.name] += sum(look(run, reference, _count))
    _tally(run, left)


def _count(run: Run, rows: ReferenceLedger, first: str, last: str) -> int:
    return reconciliation.count_rows_left(rows, first, last)


def _tally(run: Run, left: Counter[str]) -> None:
    run.tally("rows_left", left.total(), add=False)
    for reference in run.declaration.references:
        run.tally(f"rows_left of {reference.name}", left[reference.name], add=False)

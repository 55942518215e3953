"""Rows that name an object in another spelling than the declared one: found, and told apart from those of its twins."""

from __future__ import annotations

import logging

from airflow.sdk.exceptions import AirflowFailException

from s3_migration.ledger import spelling
from s3_migration.ledger.connection import ReferenceLedger
from s3_migration.ledger.spelling import Found, Misspelt, Otherwise
from s3_migration.steps.inventory import SLICE, lookup_legacy, lookup_production
from s3_migration.steps.passes import look
from s3_migration.steps.run import Run

log = logging.getLogger(__name__)

# What is kept at once of what rows hold otherwise, before the objects are looked through for what that names.
MAX_OTHERWISE = 1_000_000
# Objects that rows may name so, before the declaration is wrong rather than the rows.
MAX_MISSPELT = 1_000_000
# Of these, how many an error names.
NAMED = 5


class TooManyMisspelt(AirflowFailException):
    """The declaration does not say how rows are spelt. The verification does not end, so that nothing is deleted."""


class Speller:
    """What a pass gathers, piece by piece, of rows that may name an object in another spelling; and which ones do."""

    def __init__(self, run: Run, objects: str | None = None) -> None:
        """:param objects: the staging table (its part of a statement) that has them; None: the run's, of the ledger."""
        self._run = run
        self._objects = objects
        self._gathered = self._found = 0
        spelling.create_misspelt(run.ledger)
        spelling.create_otherwise(run.ledger)

    def gather(self, rows: ReferenceLedger, found: list[Otherwise]) -> None:
        """Take in what one piece of a pass found (`find_otherwise`).

        :raises TooManyMisspelt: more than MAX_MISSPELT.
        """
        if not found:
            return
        spelling.fill_otherwise(rows, found)
        self._gathered += len(found)
        if self._gathered >= MAX_OTHERWISE:
            self._look_through()
            spelling.create_otherwise(self._run.ledger)

    def finish(self) -> None:
        """Staging table `misspelt` has the objects, and how they are spelt.

        :raises TooManyMisspelt: more than MAX_MISSPELT.
        """
        if self._gathered:
            self._look_through()
        self._drop_exact()
        spelling.drop_otherwise(self._run.ledger)

    def _look_through(self) -> None:
        """The objects, slice by slice, for what has been gathered."""
        after: str | None = ""
        while after is not None:
            self._run.stop_if_asked()
            after, found = self._find(after)
            self._found += found
            if self._found > MAX_MISSPELT:
                self._drop_exact()
                self._found = spelling.count_misspelt(self._run.ledger)
                if self._found > MAX_MISSPELT:
                    raise TooManyMisspelt(self._too_many())
        self._gathered = 0

    def _find(self, after: str) -> Found:
        if self._objects is None:
            return spelling.find_misspelt(self._run.ledger, after, SLICE)
        return spelling.forecast_misspelt(self._run.ledger, self._objects, after, SLICE)

    def _drop_exact(self) -> None:
        """A.png and a.png may both be there: a row names the one that it is spelt like."""
        run, after = self._run, ""
        while keys := spelling.find_exact_keys(run.ledger, after, SLICE):
            after = keys[-1]
            pages = (lookup_production if run.mode.undoes else lookup_legacy)(run, keys, keys)
            if there := [entry.key for page in pages for entry in page]:
                spelling.drop_exact_rows(run.ledger, there)

    def _too_many(self) -> str:
        named = "\n".join(f"  {key!r}: {detail}" for key, detail in spelling.name_misspelt(self._run.ledger, NAMED))
        return (
            f"Migration {self._run.declaration.name}: rows name more than {MAX_MISSPELT} objects in another spelling "
            f"than the declared one, so the declaration does not fit the rows. The verification does not end, and "
            f"until it does the gate stays closed and nothing is deleted. The first ones:\n{named}\nFix: declare the "
            f"path_prefix or path_encoding that the rows have, then trigger a new run "
            f"(docs/runbook.md#verify_copies-is-red)."
        )


def forecast_misspelt(run: Run, named: int, objects: str = "legacy") -> tuple[int, list[Misspelt]]:
    """What rows name so of what a plan has listed. Answers how many objects, and at most `named` of them.

    :param objects: the staging table (its part of a statement) that has their keys.
    """
    speller = Speller(run, objects)
    for reference in run.declaration.references:
        rows = run.ledger.of_reference(reference)
        for found in look(run, reference, find_otherwise):
            speller.gather(rows, found)
    speller.finish()
    answer = spelling.count_misspelt(run.ledger), spelling.name_misspelt(run.ledger, named)
    spelling.drop_misspelt(run.ledger)
    return answer


def find_otherwise(run: Run, rows: ReferenceLedger, first: str, last: str) -> list[Otherwise]:
    """As `look` calls it."""
    return spelling.find_otherwise(rows, first, last)

"""Rows that name an object in another spelling than the declared one: found, and told apart from those of its twins."""

from __future__ import annotations

from s3_migration.ledger import spelling
from s3_migration.steps.inventory import SLICE, lookup_legacy, lookup_production
from s3_migration.steps.run import Run


def find_misspelt(run: Run) -> None:
    """Fill staging table `misspelt` with the rows that name the run's objects so."""
    spelling.create_misspelt(run.ledger)
    # Of a part of legacy most rows name what is not in it: there the objects are few, and looked for at once.
    if not run.takes_all or spelling.has_misspelt_rows(run.ledger):
        spelling.find_misspelt(run.ledger)
        _drop_exact(run)


def forecast_misspelt(run: Run, named: int) -> tuple[int, list[spelling.Misspelt]]:
    """The same of what a plan has listed. Answers how many objects, and at most `named` of them."""
    spelling.create_misspelt(run.ledger)
    spelling.forecast_misspelt(run.ledger)
    _drop_exact(run)
    found = spelling.count_misspelt(run.ledger), spelling.name_misspelt(run.ledger, named)
    spelling.drop_misspelt(run.ledger)
    return found


def _drop_exact(run: Run) -> None:
    """A.png and a.png may both be there: a row names the one that it is spelt like."""
    after = ""
    while keys := spelling.find_exact_keys(run.ledger, after, SLICE):
        after = keys[-1]
        pages = (lookup_production if run.mode.undoes else lookup_legacy)(run, keys, keys)
        if there := [entry.key for page in pages for entry in page]:
            spelling.drop_exact_rows(run.ledger, there)

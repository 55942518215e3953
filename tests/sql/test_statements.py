"""A statement is run with exactly the values that it takes: psycopg passes over one that no statement asks for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from psycopg import sql

from s3_migration.ledger.connection import Ledger
from s3_migration.ledger.statements import run, statement, takes
from tests.support.product import declare

NOWHERE: Any = SimpleNamespace(connection=None)  # it is refused before it is sent
BOUNDS = {"first_key": "", "last_key": "~"}


def test_what_a_statement_takes_is_read_of_its_text_and_of_its_parts() -> None:
    assert takes(statement("hold_lease")) == {"pause", "migration_id", "run_no", "token"}
    query = sql.SQL("SELECT %(a)s, format('%%s %%(not)s'), {}").format(sql.SQL("%(b)s + %(a)s"))
    assert takes(query) == {"a", "b"}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"pause": 1}, r"lacks the values \['migration_id', 'run_no', 'token'\] and does not take \[\]"),
        ({**dict.fromkeys(["pause", "migration_id", "run_no", "token"], 1), "tokne": 2}, r"not take \['tokne'\]"),
    ],
    ids=["too few", "too many"],
)
def test_a_value_too_few_or_too_many_is_refused(values: dict[str, Any], says: str) -> None:
    with pytest.raises(TypeError, match=says):
        run(NOWHERE, statement("hold_lease"), values)


def test_a_statement_of_a_run_is_refused_without_one() -> None:
    ledger = Ledger(NOWHERE, declare())
    for unknown in (ledger, ledger.of_migration(1)):
        with pytest.raises(TypeError, match="run_no"):
            unknown.execute("reclaim", **BOUNDS)


def test_a_bound_that_is_left_out_is_no_null() -> None:
    with pytest.raises(TypeError, match=r"lacks the values \['first_key', 'last_key'\]"):
        Ledger(NOWHERE, declare()).of_migration(1).of_run(1).execute("reclaim")

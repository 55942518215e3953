"""The SQL fragments against the pure decisions that they come from, on all combinations, by the real PostgreSQL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import product
from typing import Any

import psycopg
import pytest
from psycopg import sql

from devstack.postgres import Postgres
from s3_migration.ledger.predicates import FRAGMENTS, permitted
from s3_migration.ledger.statements import files
from s3_migration.model.copy_refusal import (
    PROBLEM_OF_COPY,
    PROBLEM_WITHOUT_COPY,
    Holds,
    Known,
    production_holds,
)
from s3_migration.model.objects import Version
from s3_migration.model.states import STATES, STORED, Act, Fact, permits, state_of


@pytest.fixture
def connection(postgres: Postgres) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    with psycopg.connect(postgres.dsn("postgres")) as made:
        yield made
        made.rollback()


def values(rows: list[tuple[Any, ...]], name: str, columns: str) -> sql.Composed:
    """Rows with their number, as something to select from."""
    each = sql.SQL(", ").join(sql.SQL("({})").format(sql.SQL(", ").join(map(sql.Literal, row))) for row in rows)
    return sql.SQL("(VALUES {}) AS {} ({})").format(each, sql.Identifier(name), sql.SQL(columns))  # type: ignore[arg-type]


# -- what is permitted, and which state it is ---------------------------------------------------------------------

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
OBJECTS = list(product((None, *STORED), *[(False, True)] * 6))


def facts(in_legacy: bool, has_copy: bool, ours: bool, same: bool, rewritten: bool, in_grace: bool) -> frozenset[Fact]:
    """`same` is the content that was copied, `rewritten` that it was written again since."""
    return frozenset(
        {
            Fact.IN_LEGACY if in_legacy else Fact.GONE,
            Fact.HAS_COPY if has_copy else Fact.NO_COPY,
            Fact.OURS if ours else Fact.NOT_OURS,
            Fact.CURRENT if ours and same and not rewritten else Fact.OUTDATED,
            Fact.IN_GRACE if in_grace else Fact.PAST_GRACE,
        }
    )


def ledger() -> sql.Composed:
    rows = []
    for number, (problem, in_legacy, has_copy, ours, same, rewritten, in_grace) in enumerate(OBJECTS):
        rows.append(
            (
                number,
                problem,
                None if in_legacy else NOW,
                NOW if has_copy else None,
                "v1" if ours else None,
                "v1" if same else "v2",
                rewritten,
                NOW - timedelta(hours=1 if in_grace else 3),
                NOW - timedelta(hours=9),
            )
        )
    columns = (
        "number, problem, legacy_gone_at, production_modified, copied_etag, legacy_etag, rewritten, switched_at, "
        "owned_since"
    )
    run = [("move", False, NOW - timedelta(hours=9), timedelta(hours=2), NOW)]
    return sql.SQL("{}, {}").format(
        values(rows, "l", columns), values(run, "r", "mode, remove_copies, switched_at, grace_period, verified_at")
    )


@pytest.mark.parametrize("act", Act)
def test_what_is_permitted_is_the_same_in_sql(connection: psycopg.Connection[tuple[Any, ...]], act: Act) -> None:
    found = connection.execute(
        sql.SQL("SELECT l.number, {} FROM {}").format(sql.SQL(permitted(act)), ledger())  # type: ignore[arg-type]
    ).fetchall()
    assert len(found) == len(OBJECTS)
    expected = {number: permits(act, problem, facts(*known)) for number, (problem, *known) in enumerate(OBJECTS)}
    assert {number: bool(allowed) for number, allowed in found} == expected
    assert set(expected.values()) == {True, False}


def test_each_object_is_in_the_same_one_state_in_sql(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    found = dict(connection.execute(sql.SQL("SELECT l.number, {state} FROM {rows}").format(**FRAGMENTS, rows=ledger())))
    expected = {number: state_of(problem, facts(*known)) for number, (problem, *known) in enumerate(OBJECTS)}
    assert found == expected
    assert set(found.values()) == set(STATES)


# -- what production holds ----------------------------------------------------------------------------------------

COPIED_AT = NOW.replace(microsecond=600_000)
ETAGS = ("a", "b", "c")
VERSIONS = (None, *(Version(size, etag) for size in (1, 2) for etag in ETAGS[:2]))
TIMES = (COPIED_AT - timedelta(seconds=2), NOW, COPIED_AT)  # before the copy, in its second, when it was made
KNOWN = [
    Known(ours, etag, COPIED_AT if etag else None, listed)
    for ours, etag, listed in product((True, False), (None, *ETAGS), VERSIONS)
    if etag or not ours
]
SIDES = [(known, legacy, held, at) for known in KNOWN for legacy in VERSIONS for held in VERSIONS for at in TIMES]


def size_and_etag(version: Version | None) -> tuple[int, str] | tuple[None, None]:
    return (version.size, version.etag) if version else (None, None)


def test_what_production_holds_is_the_same_in_sql(connection: psycopg.Connection[tuple[Any, ...]]) -> None:
    rows = [
        (
            number,
            *(("copied" if known.ours else None), known.etag, known.modified),
            *size_and_etag(known.listed),
            *size_and_etag(legacy),
            *("key" if held else None, *size_and_etag(held), at if held else None),
        )
        for number, (known, legacy, held, at) in enumerate(SIDES)
    ]
    asked = sql.SQL(
        """
        CREATE TEMPORARY TABLE sides (
            number int, copied_etag text, production_etag text, production_modified timestamptz, legacy_size bigint,
            legacy_etag text, s_size bigint, s_etag text, key text, size bigint, etag text, modified timestamptz
        ) ON COMMIT DROP
        """
    )
    connection.execute(asked)
    with connection.cursor().copy("COPY sides FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    found = connection.execute(
        sql.SQL(
            """
            SELECT l.number, v.holds, {problem_of_copy}, {problem_without_copy}
            FROM sides AS l
            CROSS JOIN LATERAL (SELECT l.s_size AS size, l.s_etag AS etag) AS s
            CROSS JOIN LATERAL (SELECT l.key, l.size, l.etag, l.modified) AS p
            CROSS JOIN LATERAL (SELECT {production_holds} AS holds) AS v
            """
        ).format(**FRAGMENTS)
    ).fetchall()
    assert len(found) == len(SIDES)
    seen = set()
    for number, *answered in found:
        known, legacy, held, at = SIDES[number]
        holds = production_holds(known, legacy, held, at)
        seen.add(holds)
        assert answered == [holds.value, PROBLEM_OF_COPY[holds], PROBLEM_WITHOUT_COPY[holds]], SIDES[number]
    assert seen == set(Holds)


# -- detail -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", sorted(set(files()) - {"23_ledger_problems"}))
def test_no_statement_reads_what_is_written_for_people(file: str) -> None:
    """It may be selected, written and kept; nothing is decided by it."""
    text = re.sub(r"--[^\n]*|\bTHEN\b[^\n]*|%\(\w+\)s", "", files()[file].read_text(encoding="utf-8"))
    assert not re.search(r"(\b(AND|OR|WHERE|WHEN|NOT)\b[^\n]*|\(\s*)\bdetail\b\s*(IS|=|<>|~|LIKE|,|\))", text), file

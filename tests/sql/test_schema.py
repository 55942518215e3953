"""The ledger's schema through the project's versions: tests/sql/schema/<version>.sql is what each set-up printed."""

from __future__ import annotations

import secrets
from typing import Any

import psycopg
import pytest
from psycopg import errors

from devstack.postgres import Postgres
from s3_migration.ledger.schema import SCHEMA_VERSION, script, statements
from s3_migration.model.modes import Mode
from s3_migration.model.run_request import Request
from s3_migration.model.states import STATES
from s3_migration.steps.check import check
from s3_migration.steps.preflight.errors import PreflightFailed
from tests.support import ROOT
from tests.support.connections import ROLE, psql
from tests.support.flow import Flow, shared_clients
from tests.support.product import Product, declare

HOW_TO = "the set-up changed: docs/development.md says how its version rises (The ledger's schema)"


def schema_file(version: int) -> str:
    path = ROOT / "tests" / "sql" / "schema" / f"{version}.sql"
    assert path.exists(), HOW_TO
    return path.read_text(encoding="utf-8")


class Made:
    """A database with the product's table, and what an administrator ran in it."""

    def __init__(self, postgres: Postgres) -> None:
        self.name = f"schema_{secrets.token_hex(4)}"
        self.uri = postgres.dsn(self.name)
        with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {self.name}")  # type: ignore[call-overload]
        self.run("CREATE TABLE avatars (id serial PRIMARY KEY, path varchar)")

    def run(self, text: str) -> None:
        done = psql(self.uri, text)
        assert (done.returncode, done.stderr.replace("NOTICE", "").count("ERROR")) == (0, 0), done.stderr

    def of_version(self, version: int) -> Made:
        self.run(schema_file(version).replace("proddatabase", self.name))
        return self

    def of_now(self) -> Made:
        self.run(script(statements(declare(), ROLE)))
        return self

    def catalog(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything that a set-up makes, but for the order in which it came."""
        with psycopg.connect(self.uri) as connection:
            return {what: connection.execute(text).fetchall() for what, text in CATALOG.items()}


# An index and a NOT NULL keep the names that their columns had once: nobody meets them.
CATALOG = {
    "relations": """
        SELECT c.relname, c.relkind, c.reloptions, ARRAY(SELECT a::text FROM unnest(c.relacl) AS a ORDER BY 1),
            CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) WHEN c.relkind = 'i' THEN pg_get_indexdef(c.oid) END
        FROM pg_class AS c WHERE c.relnamespace::regnamespace::text IN ('public', 's3_migration') ORDER BY 1
    """,
    "columns": """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
            a.attcollation::regcollation, pg_get_expr(d.adbin, d.adrelid),
            ARRAY(SELECT x::text FROM unnest(a.attacl) AS x ORDER BY 1)
        FROM pg_attribute AS a
        JOIN pg_class AS c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind <> 'i'
            AND c.relnamespace::regnamespace::text IN ('public', 's3_migration')
        ORDER BY 1, 2
    """,
    "constraints": """
        SELECT c.relname, CASE WHEN o.contype <> 'n' THEN o.conname END, pg_get_constraintdef(o.oid)
        FROM pg_constraint AS o
        JOIN pg_class AS c ON c.oid = o.conrelid
        WHERE c.relnamespace::regnamespace::text IN ('public', 's3_migration') ORDER BY 1, 2, 3
    """,
    "functions": """
        SELECT pg_get_functiondef(oid), ARRAY(SELECT a::text FROM unnest(proacl) AS a ORDER BY 1) FROM pg_proc
        WHERE pronamespace::regnamespace::text = 's3_migration' ORDER BY 1
    """,
    "rights": """
        SELECT nspname, ARRAY(SELECT a::text FROM unnest(nspacl) AS a ORDER BY 1) FROM pg_namespace
        WHERE nspname IN ('public', 's3_migration')
        UNION ALL SELECT '', ARRAY(SELECT a::text FROM unnest(datacl) AS a ORDER BY 1) FROM pg_database
        WHERE datname = current_database() ORDER BY 1
    """,
    "migrations": "SELECT name, lease_token, deletion_stopped FROM s3_migration.migration",
    "version": "SELECT max(version) FROM s3_migration.schema_version",
}


def test_whoever_changes_the_schema_raises_its_version(postgres: Postgres) -> None:
    kept, now = Made(postgres).of_version(SCHEMA_VERSION).catalog(), Made(postgres).of_now().catalog()
    assert kept == now, HOW_TO
    assert not (ROOT / "tests" / "sql" / "schema" / f"{SCHEMA_VERSION + 1}.sql").exists()


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_an_upgraded_schema_is_the_one_that_is_made_from_nothing(postgres: Postgres, version: int) -> None:
    upgraded = Made(postgres).of_version(version).of_now()
    assert upgraded.catalog() == Made(postgres).of_now().catalog()


def test_an_older_set_up_changes_nothing_in_a_newer_database(postgres: Postgres) -> None:
    made = Made(postgres).of_now()
    made.run("INSERT INTO s3_migration.schema_version VALUES (99)")
    before = made.catalog()
    done = psql(made.uri, script(statements(declare(), ROLE)))
    assert done.returncode == 3
    assert f"this set-up is of version {SCHEMA_VERSION}, and schema s3_migration of a newer one: nothing" in done.stderr
    assert "newer version of the project" in done.stderr
    assert made.catalog() == before


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_a_ledger_of_an_earlier_version_is_brought_up_to_date_with_all_that_is_in_it(
    product: Product, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    product.sql("DROP SCHEMA s3_migration CASCADE")
    done = psql(product.database_uri, schema_file(version).replace("proddatabase", product.database.info.dbname))
    assert done.returncode == 0, done.stderr
    product.sql(
        "INSERT INTO s3_migration.run (migration_id, run_id, mode, grace_period) VALUES (1, 'of then', 'move', '0s')"
    )
    product.sql(
        "INSERT INTO s3_migration.ledger (migration_id, legacy_key, legacy_etag, run_no) "
        "VALUES (1, 'image/then.png', 'e', 1)"
    )
    product.seed("image/now.png")
    with pytest.raises(PreflightFailed, match=f"of version {version}, expected {SCHEMA_VERSION}.*s3_migration setup"):
        check(product.declaration, "r", Request(Mode.MOVE))
    for text in statements(product.declaration):
        product.database.execute(text.encode())
    with shared_clients(product.declaration, monkeypatch) as hooks:
        account = Flow(product.declaration, hooks).run()
    assert account.deleted == 1
    assert product.problems()["image/then.png"] == "withdrawn"


# Of versions 1 and 2: key, what production held, whether legacy was empty of it, kind, detail.
THEN = """
INSERT INTO s3_migration.run (migration_id, run_id, mode, grace_period, switched_at)
VALUES (1, 'of then', 'move', '1h', now());
INSERT INTO s3_migration.ledger (
    migration_id, run_no, legacy_key, legacy_size, legacy_etag, copied_etag, production_etag, copied_at, gone_at, kind,
    detail
)
SELECT 1, 1, key, 1, 'e', copied, copied, CASE WHEN copied IS NOT NULL THEN now() END, CASE WHEN gone THEN now() END,
    kind, detail
FROM (VALUES
    ('listed', NULL, false, NULL, NULL),
    ('copied', 'd', false, NULL, NULL),
    ('waiting', 'e', false, NULL, NULL),
    ('moved', 'e', true, NULL, 'AccessDenied: of a deletion that was refused, and then made by hand'),
    ('failed', NULL, false, 'failed', 'SlowDown: reduce your request rate: please'),
    ('failed often', NULL, false, 'failed', '5 tries, last ConditionalRequestConflict: again'),
    ('failed by status', NULL, false, 'failed', '503: no body'),
    ('failed untold', NULL, false, 'failed', NULL),
    ('conflict', NULL, false, 'conflict', 'production holds 1 bytes, ETag x, since then'),
    ('missing', 'e', false, 'damaged', 'production holds no object'),
    ('missing and forgotten', NULL, false, 'damaged', 'production holds no object'),
    ('damaged', 'e', false, 'damaged', 'production holds 1 bytes, ETag x, since then'),
    ('changed', 'd', false, 'changed', 'legacy holds ETag e since then, ETag d was copied'),
    ('named', 'e', false, 'named', NULL),
    ('named and stale', 'e', false, 'named', 'AccessDenied: of a deletion'),
    ('refused', 'e', false, 'named', '23505: row not switched: duplicate key value'),
    ('superseded', 'e', false, 'superseded', 'production holds 2 bytes, ETag y, since then'),
    ('removed', 'e', false, 'superseded', 'production holds no object'),
    ('withdrawn', NULL, true, 'withdrawn', '404: Not Found'),
    ('dangling', NULL, true, 'dangling', NULL)
) AS l (key, copied, gone, kind, detail);
"""
# Of version 2 alone.
ACKNOWLEDGED = """
INSERT INTO s3_migration.acknowledged (migration_id, legacy_key, kind, reason, run_no)
VALUES (1, 'named', 'named', 'a job of Bob', 1), (1, 'refused', 'named', 'a rule of Bob', 1),
    (1, 'failed', 'failed', 'lost', 1);
"""
# Now: state, code, whether the copy is missing.
SINCE = {
    "listed": ("listed", None, False),
    "copied": ("listed", None, False),  # of an older version
    "waiting": ("waiting", None, False),
    "moved": ("moved", None, False),
    "failed": ("failed", "SlowDown", False),
    "failed often": ("failed", "ConditionalRequestConflict", False),
    "failed by status": ("failed", "503", False),
    "failed untold": ("failed", "Unknown", False),
    "conflict": ("conflict", None, False),
    "missing": ("damaged", None, True),
    "missing and forgotten": ("damaged", None, False),
    "damaged": ("damaged", None, False),
    "changed": ("changed", None, False),
    "named": ("still_referenced", None, False),
    "named and stale": ("still_referenced", None, False),
    "refused": ("row_refused", "23505", False),
    "superseded": ("superseded", None, False),
    "removed": ("superseded", None, True),
    "withdrawn": ("withdrawn", None, False),
    "dangling": ("dangling", None, False),
}
# What is copied waits here; the others came with version 5.
NOT_THEN = {"copied", "misspelt", "unreferenced"}
ACKNOWLEDGED_SINCE = {"named": "still_referenced", "refused": "row_refused", "failed": "failed"}


@pytest.mark.parametrize("version", [1, 2])
def test_what_a_text_was_read_for_is_data_after_the_upgrade(postgres: Postgres, version: int) -> None:
    made = Made(postgres).of_version(version)
    made.run(THEN + ACKNOWLEDGED * (version > 1))
    assert {state for state, _, _ in SINCE.values()} == set(STATES) - NOT_THEN
    for _ in range(2):
        made.of_now()
        with psycopg.connect(made.uri) as connection:
            found = connection.execute(
                "SELECT legacy_key, s.state, s.error_code, l.copy_missing "
                "FROM s3_migration.state AS s JOIN s3_migration.ledger AS l USING (migration_id, legacy_key)"
            ).fetchall()
            known = connection.execute("SELECT legacy_key, problem FROM s3_migration.acknowledged").fetchall()
        assert {key: tuple(rest) for key, *rest in found} == SINCE
        assert dict(known) == (ACKNOWLEDGED_SINCE if version > 1 else {})


# Of versions 3 to 5.
SINCE_3 = """
INSERT INTO s3_migration.run (migration_id, run_id, mode, grace_period, switched_at)
VALUES (1, 'of then', 'move', '1h', now());
INSERT INTO s3_migration.ledger (
    migration_id, run_no, legacy_key, legacy_size, legacy_etag, legacy_modified, copied_etag, production_etag,
    production_modified, legacy_gone_at, problem, error_code, copy_missing, detail
)
SELECT 1, 1, key, 1, 'e', '2020-01-01', copied, copied, CASE WHEN copied IS NOT NULL THEN now() END,
    CASE WHEN gone THEN now() END, problem, code, missing, 'of then'
FROM (VALUES
    ('listed', NULL, false, NULL, NULL, false),
    ('waiting', 'e', false, NULL, NULL, false),
    ('moved', 'e', true, NULL, NULL, false),
    ('failed', NULL, false, 'failed', 'SlowDown', false),
    ('conflict', NULL, false, 'conflict', NULL, false),
    ('damaged', 'e', false, 'damaged', NULL, true),
    ('changed', 'd', false, 'changed', NULL, false),
    ('still_referenced', 'e', false, 'still_referenced', NULL, false),
    ('row_refused', 'e', false, 'row_refused', '23505', false),
    ('superseded', 'e', false, 'superseded', NULL, false),
    ('withdrawn', NULL, true, 'withdrawn', NULL, false),
    ('dangling', NULL, true, 'dangling', NULL, false)
) AS l (key, copied, gone, problem, code, missing);
INSERT INTO s3_migration.acknowledged (migration_id, legacy_key, problem, reason, run_no)
VALUES (1, 'row_refused', 'row_refused', 'a rule of Bob', 1);
"""
HELD_THEN = """
SELECT legacy_key, l.legacy_etag, l.copied_etag, l.production_modified, l.legacy_gone_at, l.problem, l.error_code,
    l.copy_missing, l.detail, s.state, s.acknowledged
FROM s3_migration.state AS s JOIN s3_migration.ledger AS l USING (migration_id, legacy_key) ORDER BY 1
"""
# A run of then needs nobody's word.
APPROVALS_SINCE = """
SELECT run_id, approve_deletion, approval_asked_at, approved, answered_at, answered_by FROM s3_migration.run
"""


@pytest.mark.parametrize("version", [3, 4, 5])
def test_what_is_in_a_ledger_stays_as_it_is_and_takes_the_problem_that_came_later(
    postgres: Postgres, version: int
) -> None:
    made = Made(postgres).of_version(version)
    made.run(SINCE_3)
    with psycopg.connect(made.uri) as connection:
        before = connection.execute(HELD_THEN).fetchall()
    assert {state for *_, state, _ in before} == set(STATES) - NOT_THEN
    assert [key for key, *_, acknowledged in before if acknowledged] == ["row_refused"]
    for _ in range(2):
        made.of_now()
        with psycopg.connect(made.uri) as connection:
            assert connection.execute(HELD_THEN).fetchall() == before
            assert connection.execute("SELECT DISTINCT rewritten FROM s3_migration.ledger").fetchall() == [(False,)]
            assert connection.execute(APPROVALS_SINCE).fetchall() == [("of then", None, None, None, None, None)]
            assert connection.execute("SELECT name, declared FROM s3_migration.migration").fetchall() == [
                ("avatars", None)
            ]
    with psycopg.connect(made.uri) as connection:
        for problem in ("misspelt", "unreferenced"):
            connection.execute("UPDATE s3_migration.ledger SET problem = %s WHERE legacy_key = 'listed'", [problem])
        with pytest.raises(errors.CheckViolation, match="ledger_problem_is_known"):
            connection.execute("UPDATE s3_migration.ledger SET problem = 'unheard of' WHERE legacy_key = 'listed'")


CONTRADICTIONS = {
    "problem_is_known": b"UPDATE s3_migration.ledger SET problem = 'named'",
    "code_of_refusals": b"UPDATE s3_migration.ledger SET problem = 'failed'",
    "copy_has_etag_and_time": b"UPDATE s3_migration.ledger SET production_etag = NULL",
    "copied_is_in_production": b"UPDATE s3_migration.ledger SET production_modified = NULL, production_etag = NULL",
    "missing_is_a_copy": b"UPDATE s3_migration.ledger SET copy_missing = true",
    "in_legacy_has_etag": b"UPDATE s3_migration.ledger SET legacy_etag = NULL",
    "withdrawn_is_nowhere": b"UPDATE s3_migration.ledger SET problem = 'withdrawn'",
    "dangling_is_not_in_legacy": b"UPDATE s3_migration.ledger SET problem = 'dangling'",
}


@pytest.fixture(scope="module")
def ruled(postgres: Postgres) -> Made:
    made = Made(postgres).of_now()
    made.run(
        "INSERT INTO s3_migration.ledger (migration_id, legacy_key, legacy_etag, run_no, copied_etag, production_etag, "
        "production_modified) VALUES (1, 'image/a', 'e', 1, 'e', 'e', now())"
    )
    return made


@pytest.mark.parametrize("rule", CONTRADICTIONS)
def test_a_ledger_that_contradicts_itself_is_refused(ruled: Made, rule: str) -> None:
    with psycopg.connect(ruled.uri) as connection, pytest.raises(errors.CheckViolation, match=f"ledger_{rule}"):
        connection.execute(CONTRADICTIONS[rule])


def test_each_rule_of_the_ledger_has_its_contradiction(ruled: Made) -> None:
    rules = {name for table, name, _ in ruled.catalog()["constraints"] if table == "ledger" and name}
    assert rules - {"ledger_pkey"} == {f"ledger_{rule}" for rule in CONTRADICTIONS}

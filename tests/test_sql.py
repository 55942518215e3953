"""Every statement of include/sql on the real PostgreSQL, as the role that runs it, twice in a row."""

from __future__ import annotations

import ast
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql

from include.declaration import Declaration
from include.ledger import SCRATCH, Ledger
from include.local.postgres import Postgres
from include.setup import statements
from include.statements import DIRECTORY, statement

from .conftest import ROLE, ROOT, connect_database, declare

FILES = sorted(path.stem for path in DIRECTORY.glob("*.sql"))
SETUP = sorted(path.stem for path in (DIRECTORY / "setup").glob("*.sql"))
CODE = [
    path
    for folder in ("dags", "include", "plugins")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "local" not in path.parts  # the embedded stack and its audit have a product of their own to make
]


# -- the files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(DIRECTORY.rglob("*.sql")), ids=lambda path: path.stem)
def test_a_file_holds_one_statement(path: Path) -> None:
    bare = re.sub(r"--[^\n]*|'[^']*'", "", path.read_text(encoding="utf-8")).strip()
    assert bare
    assert ";" not in bare


def calls() -> Iterator[tuple[Path, str, str]]:
    """The first argument of each call that could run SQL, by file and method."""
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                first = node.args[0].values[0] if isinstance(node.args[0], ast.JoinedStr) else node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield path, node.func.attr, first.value


RUN_SQL = {"execute", "executemany", "copy", "run", "get_records", "get_first", "insert_rows"}


def test_no_sql_stands_in_python() -> None:
    found = [
        (path.name, text)
        for path, method, text in calls()
        if method in RUN_SQL and text not in FILES and not re.match(r"SET |SELECT set_config\(", text)
    ]
    assert found == []


def test_every_file_is_used() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in CODE)
    assert [file for file in FILES if f'"{file}"' not in code] == []


# -- a database in which every kind of object is there ------------------------------------------------------------

WORLD = """
INSERT INTO avatars (path) VALUES
    ('image/listed'), ('image/copied'), ('image/copied'), ('avatar/copied'), ('image/named'), ('avatar/damaged-named'),
    ('image/withdrawn'), ('image/only-row'), ('image/only-there'), (NULL), (''), ('other/listed');
UPDATE s3_migration.migration
SET lease_run_no = 2, lease_token = 7, lease_until = now() + interval '3 min' WHERE name = 'avatars';
INSERT INTO s3_migration.run (migration_id, run_id, mode, grace_period, listed_at, switched_at, verified_at, damaged) VALUES
    (1, 'former', 'move', '1h', now() - interval '3h', now() - interval '2h', NULL, NULL),
    (1, 'now', 'move', '0s', now() - interval '2 min', now() - interval '1 min', now() - interval '1 min', 0);
INSERT INTO s3_migration.chunk VALUES (2, 1, 'image/', 'image/m', 9), (2, 2, 'image/n', 'image/z', 9);
INSERT INTO s3_migration.tally VALUES (2, 'copy', 1, 'copied', 5), (2, 'copy', 2, 'copied', 2);
INSERT INTO s3_migration.timing VALUES (2, 'copy', 1, now() - interval '9s', now()), (2, 'list', 0, now() - interval '10s', NULL);
INSERT INTO s3_migration.ledger
    (migration_id, run_no, legacy_size, legacy_key, legacy_etag, copied_etag, production_etag, copied_at, gone_at, kind, detail)
SELECT 1, run_no, 1, 'image/' || key, etag, copied, production, now() - c::interval, now() - g::interval, kind, detail
FROM (VALUES
    (2, 'listed', 'v1', NULL, NULL, NULL, NULL, NULL, NULL),
    (2, 'copied', 'v1', 'v1', 'p1', '1h', NULL, NULL, NULL),
    (2, 'moved', 'v1', 'v1', 'p1', '1h', '1 min', NULL, NULL),
    (2, 'changed', 'v2', 'v1', 'p1', '1h', NULL, 'changed', NULL),
    (2, 'failed', 'v1', NULL, NULL, NULL, NULL, 'failed', 'AccessDenied: no'),
    (2, 'kept', 'v1', 'v1', 'p1', '1h', NULL, 'failed', 'AccessDenied: no'),
    (2, 'conflict', 'v1', NULL, NULL, NULL, NULL, 'conflict', 'other'),
    (2, 'damaged-named', 'v1', 'v1', 'p1', '1h', NULL, 'damaged', 'production holds no object'),
    (2, 'damaged-unnamed', 'v1', 'v1', 'p1', '1h', NULL, 'damaged', 'production holds no object'),
    (2, 'superseded', 'v1', 'v1', 'p1', '1h', NULL, 'superseded', NULL),
    (2, 'named', 'v1', 'v1', 'p1', '1h', NULL, 'named', NULL),
    (2, 'withdrawn', 'v1', NULL, NULL, NULL, '1 min', 'withdrawn', NULL),
    (1, 'left', 'v1', 'v1', 'p1', '3h', NULL, NULL, NULL),
    (1, 'vanished', 'v1', 'v1', 'p1', '3h', NULL, 'failed', 'AccessDenied: no')
) AS l (run_no, key, etag, copied, production, c, g, kind, detail);
"""
OLD, NEW = datetime(2020, 1, 1, tzinfo=timezone.utc), datetime(2100, 1, 1, tzinfo=timezone.utc)
# What both sides hold now: key, ETag and, of production, whether it was written before or after our copy.
LEGACY = {
    **dict.fromkeys(["listed", "copied", "failed", "kept", "conflict", "damaged-named"], "v1"),
    **dict.fromkeys(["damaged-unnamed", "superseded", "named", "left", "there", "new", "taken"], "v1"),
    "changed": "v2",
}
PRODUCTION = {
    **dict.fromkeys(["copied", "moved", "changed", "kept", "named", "left"], ("p1", OLD)),
    "superseded": ("p2", NEW),
    "conflict": ("x", OLD),
    "taken": ("x", OLD),
    "there": ("v1", OLD),
    "only-there": ("x", OLD),
}
COLUMNS = ("key", "size", "etag", "modified")


@pytest.fixture(scope="module")
def database(postgres: Postgres) -> Iterator[str]:
    name = f"sql_{secrets.token_hex(4)}"
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with psycopg.connect(postgres.dsn(name), autocommit=True) as connection:
        connection.execute("CREATE TABLE avatars (id serial PRIMARY KEY, path varchar)")
        for text in statements(declare(), ROLE, name):
            connection.execute(text)  # type: ignore[call-overload]
        connection.execute(WORLD)
    yield name


@pytest.fixture
def ledger(postgres: Postgres, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """The migrator's, in the midst of run 2; what a test does is rolled back."""
    connect_database(monkeypatch, postgres.port, database)
    made = Ledger.connect(declare())
    made.of_migration(1)
    made.of_run(2)
    with made.connection.transaction(force_rollback=True):
        made.empty_scratch()
        for side, held in (("legacy", LEGACY), ("production", PRODUCTION)):
            into = statement("fill_scratch", scratch=made.parts[side])
            with made.connection.cursor() as cursor, made.connection.cursor().copy(into) as copy:
                for key, value in held.items():
                    etag, modified = (value, OLD) if isinstance(value, str) else value
                    copy.write_row((f"image/{key}", 1, etag, modified))
            cursor.close()
        made.connection.execute(sql.SQL("INSERT INTO {} VALUES ('image/only-row'), ('image/only-there')").format(made.parts["rows"]))
        yield made
    made.close()


TABLES = ("avatars", *(f"s3_migration.{name}" for name in ("migration", "run", "ledger", "chunk", "tally", "timing")))


def contents(ledger: Ledger) -> dict[str, set[tuple[Any, ...]]]:
    """All rows of all tables; a scratch table that is not there has none."""
    found = {}
    for table in TABLES:
        rows = ledger.connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(*table.split("."))))
        found[table.rpartition(".")[2]] = {tuple(map(str, row.values())) for row in rows}
    for side in SCRATCH:
        name = ledger.parts[side].as_string()
        there = ledger.connection.execute("SELECT to_regclass(%s) AS there", [name]).fetchone()
        assert there is not None
        rows = ledger.connection.execute(sql.SQL("SELECT * FROM {}").format(ledger.parts[side])) if there["there"] else []
        found[side] = {tuple(map(str, row.values())) for row in rows}
    return found


def differing(before: dict[str, set[tuple[Any, ...]]], after: dict[str, set[tuple[Any, ...]]]) -> dict[str, Any]:
    """What a statement wrote: of the ledger the keys, of any other table the number of its rows written."""
    changed: dict[str, Any] = {}
    for table in before:
        rows = before[table] ^ after[table]
        if rows and table == "ledger":
            changed[table] = " ".join(sorted({next(v for v in row if v.startswith("image/"))[6:] for row in rows}))
        elif rows:
            changed[table] = max(len(before[table] - after[table]), len(after[table] - before[table]))
    return changed


# -- each statement -----------------------------------------------------------------------------------------------

HOUR = timedelta(hours=1)
NOTHING: dict[str, Any] = {}
ALL: dict[str, Any] = {"first_key": None, "last_key": None}
CHUNK: dict[str, Any] = {"after": "", "first_key": "image/", "last_key": "image/z", "most": 100}
PAGES: dict[str, Any] = {"first": "(0,0)", "last": "(1,0)"}
RUN: dict[str, Any] = {"run_id": "now"}
TALLY = {"step": "copy", "what": "copied", "number": 3, "chunk": 1}
MARKS: dict[str, Any] = {"keys": ["image/listed"], "sizes": [2], "etags": ["v1"], "kinds": [None], "details": [None]}


@dataclass(frozen=True)
class Case:
    """What a statement answers and writes; run again it answers the same (or `again`) and writes nothing (or `rewrites`)."""

    values: dict[str, Any] = field(default_factory=dict)
    answers: str | None = ""  # each row in brackets; None: not looked at, since it tells the time
    writes: dict[str, Any] = field(default_factory=dict)
    again: str | None = "the same"
    rewrites: dict[str, Any] = field(default_factory=dict)
    run_no: int = 2


CASES: dict[str, Case] = {
    "add_tally": Case({**TALLY, "add": False}, "", {"tally": 1}),
    "adopt_gone": Case(),
    "adopt_listed": Case(),
    "adopt_unlisted_rows": Case(),
    "begin_listing": Case(),
    "begin_timing": Case({"step": "copy", "chunk": 1}),
    "begin_verification": Case(),
    "check_column": Case({"column": "path"}),
    "check_ledger": Case(),
    "compare": Case({"keys": None}),
    "count_missing": Case(),
    "count_named": Case(),
    "count_pages": Case(),
    "count_refused_rows": Case(),
    "count_scope": Case(),
    "count_states": Case(ALL),
    "draw_chunks": Case({"length": 4}),
    "end_listing": Case(),
    "end_run": Case({"account": "{}"}),
    "end_switch": Case(),
    "end_timing": Case({"step": "list", "chunk": 0}),
    "end_verification": Case({"since": NEW}),
    "fence": Case({"token": 7}),
    "find_changed": Case(ALL),
    "find_chunk": Case({"chunk": 2}),
    "find_deletable": Case(CHUNK),
    "find_lease_holder": Case({}, None),
    "find_migration": Case({"name": "avatars"}),
    "find_problems": Case({**CHUNK, "problems": ["failed", "conflict"]}),
    "find_rows_to_switch": Case(PAGES),
    "find_run": Case(RUN, None),
    "find_tallies": Case(),
    "find_timings": Case({}, None),
    "find_uncopied": Case({**CHUNK, "kind": None}),
    "find_unlisted_rows": Case(),
    "forecast": Case(),
    "forget_chunks": Case(),
    "forget_listed_rows": Case(),
    "forget_run": Case({"name": "avatars", **RUN}),
    "gate": Case({}, None),
    "give_lease_back": Case({"name": "avatars", **RUN}),
    "grace_ends": Case({}, None),
    "hold_lease": Case({"token": 7, "until": NEW}),
    "insert_listed": Case(),
    "judge_missing": Case({"kind_of_named": "damaged"}),
    "keep_lease": Case({"ttl": HOUR}),
    "mark_copied": Case({**MARKS, "production_etags": ["p1"], "copied_ats": [NEW]}),
    "mark_deleted": Case({**MARKS, "modifieds": [None]}),
    "mark_named": Case(),
    "mark_refused_row": Case({"key": "image/copied", "detail": "23505: no"}),
    "open_run": Case({"run_id": "next", "mode": "move", "limit": 5, "grace_period": HOUR}),
    "release_lease": Case({"token": 7}),
    "renew_lease": Case({"token": 7, "ttl": HOUR}),
    "retry_refused_deletes": Case(CHUNK),
    "retry_refused_rows": Case(),
    "schema_version": Case(),
    "scope_keys": Case(),
    "switch_rows": Case({**PAGES, "late": True}),
    "switch_unlocked_rows": Case({**PAGES, "late": True}),
    "take_lease": Case({"ttl": HOUR}, run_no=1),
}
SCRATCH_CASES = {
    "create_scratch": Case(), "drop_scratch": Case(),"analyze_scratch":Case(),"count_scratch":Case(),"drop_repeated":Case(),"scratch_keys":Case(),"fill_scratch":Case(),
}

def answer_of(cursor):
    if not cursor.description: return ""
    return " ".join("(" + " ".join(str(v) for v in row.values()) + ")" for row in cursor.fetchall())

@pytest.mark.parametrize("file", CASES)
def test_a_statement_does_what_it_says_and_again_nothing(ledger: Ledger, file: str) -> None:
    case = CASES[file]
    ledger.values["run_no"]=case.run_no
    c0 = contents(ledger)
    a1=answer_of(ledger.execute(file, **case.values)); c1=contents(ledger)
    a2=answer_of(ledger.execute(file, **case.values)); c2=contents(ledger)
    with open("/tmp/w/out.txt","a") as f: print(f"{file!r}: {a1!r}, {differing(c0,c1)}", f"AGAIN {a2!r}" if a2!=a1 else "", f"REWRITES {differing(c1,c2)}" if c1!=c2 else "", file=f)

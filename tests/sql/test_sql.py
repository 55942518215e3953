"""Every statement of ledger/sql on the real PostgreSQL, as the role that runs it, twice in a row."""

from __future__ import annotations

import ast
import re
import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql

from devstack.postgres import Postgres
from s3_migration.ledger import references, spelling, staging
from s3_migration.ledger.connection import STAGING, Ledger, RunLedger
from s3_migration.ledger.schema import SCHEMA_VERSION, statements
from s3_migration.ledger.statements import DIRECTORY, files, of, statement
from s3_migration.model.declaration import Declaration
from tests.sql.empty_product import set_up
from tests.support import ROOT
from tests.support.connections import ROLE, connect_database
from tests.support.product import declare

SETUP = of("schema")
FILES = sorted(set(files()) - {*SETUP, *of("retirement")})
# Nothing to do in a new database.
REFUSING = {
    *("20_version_newer", "20_version_renames", "23_ledger_misspelt", "23_ledger_problems"),
    "28_ledger_runs_summary",
}
CODE = [path for folder in ("dags", "include", "plugins") for path in sorted((ROOT / folder).rglob("*.py"))]


# -- the files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(DIRECTORY.rglob("*.sql")), ids=lambda path: path.stem)
def test_a_file_holds_one_statement(path: Path) -> None:
    bare = re.sub(r"--[^\n]*|'[^']*'|(?s:\$\$.*\$\$)", "", path.read_text(encoding="utf-8")).strip()
    assert bare
    assert ";" not in bare


def test_a_file_has_its_name_for_itself() -> None:
    assert len(files()) == len(list(DIRECTORY.rglob("*.sql")))


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
    """But in the second opinion, which shares no statement with the ledger: its four stand where it reads rows."""
    found = [
        (path.name, text)
        for path, method, text in calls()
        if path.parent.name != "second_opinion"
        and method in RUN_SQL
        and text not in FILES
        and not re.match(r"SET |SELECT set_config\(|VACUUM ", text)  # no transaction may hold the last, nor a case here
    ]
    assert found == []


def test_every_file_is_used() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in CODE)
    assert [file for file in FILES if f'"{file}"' not in code] == []


# -- a database in which every problem of object is there ------------------------------------------------------------

WORLD = """
INSERT INTO avatars (path) VALUES
    ('image/listed'), ('image/copied'), ('image/copied'), ('avatar/copied'), ('image/named'), ('avatar/damaged-named'),
    ('image/withdrawn'), ('image/only-row'), ('image/only-there'), (NULL), (''), ('other/listed');
UPDATE s3_migration.migration
SET lease_run_no = 2, lease_token = 7, lease_until = now() + interval '3 min' WHERE name = 'avatars';
INSERT INTO s3_migration.run
    (migration_id, run_id, mode, grace_period, listed_at, switched_at, verified_at, damaged)
VALUES
    (1, 'former', 'move', '1h', now() - interval '3h', now() - interval '2h', NULL, NULL),
    (1, 'now', 'move', '0s', now() - interval '2 min', now() - interval '1 min', now() - interval '1 min', 0);
INSERT INTO s3_migration.deletion (migration_id, run_no, chunk, deleting_until) VALUES (1, 2, 1, now() + interval '1h');
INSERT INTO s3_migration.chunk VALUES (2, 1, 'image/', 'image/m', 9), (2, 2, 'image/n', 'image/z', 9);
INSERT INTO s3_migration.tally VALUES (2, 'copy', 1, 'copied', 5), (2, 'copy', 2, 'copied', 2);
INSERT INTO s3_migration.timing VALUES
    (2, 'copy', 1, now() - interval '9s', now()), (2, 'list', 0, now() - interval '10s', NULL);
INSERT INTO s3_migration.ledger (
    migration_id, run_no, owned_since, legacy_size, legacy_key, legacy_etag, copied_etag, production_etag,
    production_modified, legacy_gone_at, problem, error_code, copy_missing, detail
)
SELECT 1, run_no, now() - interval '150 min', 1, 'image/' || key, etag, copied, production, now() - c::interval,
    now() - g::interval, problem, code, missing, detail
FROM (VALUES
    (2, 'listed', 'v1', NULL, NULL, NULL, NULL, NULL, NULL, false, NULL),
    (2, 'copied', 'v1', 'v1', 'p1', '1h', NULL, NULL, NULL, false, NULL),
    (2, 'moved', 'v1', 'v1', 'p1', '1h', '1 min', NULL, NULL, false, NULL),
    (2, 'changed', 'v2', 'v1', 'p1', '1h', NULL, 'changed', NULL, false, NULL),
    (2, 'failed', 'v1', NULL, NULL, NULL, NULL, 'failed', 'AccessDenied', false, 'AccessDenied: no'),
    (2, 'kept', 'v1', 'v1', 'p1', '1h', NULL, 'failed', 'AccessDenied', false, 'AccessDenied: no'),
    (2, 'conflict', 'v1', NULL, NULL, NULL, NULL, 'conflict', NULL, false, 'other'),
    (2, 'damaged-named', 'v1', 'v1', 'p1', '1h', NULL, 'damaged', NULL, true, 'production holds no object'),
    (2, 'damaged-unnamed', 'v1', 'v1', 'p1', '1h', NULL, 'damaged', NULL, true, 'production holds no object'),
    (2, 'superseded', 'v1', 'v1', 'p1', '1h', NULL, 'superseded', NULL, false, NULL),
    (2, 'named', 'v1', 'v1', 'p1', '1h', NULL, 'still_referenced', NULL, false, NULL),
    (2, 'withdrawn', 'v1', NULL, NULL, NULL, '1 min', 'withdrawn', NULL, false, NULL),
    (1, 'left', 'v1', 'v1', 'p1', '3h', NULL, NULL, NULL, false, NULL),
    (1, 'vanished', 'v1', 'v1', 'p1', '3h', NULL, 'failed', 'AccessDenied', false, 'AccessDenied: no')
) AS l (run_no, key, etag, copied, production, c, g, problem, code, missing, detail);
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


@pytest.fixture(scope="module")
def database(postgres: Postgres) -> str:
    name = set_up(postgres)
    with psycopg.connect(postgres.dsn(name), autocommit=True) as connection:
        connection.execute(WORLD)
    return name


@pytest.fixture
def ledger(postgres: Postgres, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunLedger]:
    """The migrator's, in the midst of run 2; what a test does is rolled back."""
    connect_database(monkeypatch, postgres.port, database)
    made = Ledger.connect(declare()).of_migration(1).of_run(2).of_reference(declare().references[0])
    with made.connection.transaction(force_rollback=True):
        staging.create(made)
        for side, held in (("legacy", LEGACY), ("production", PRODUCTION)):
            into = statement("fill_staging", staging=made.parts[side])
            with made.connection.cursor() as cursor, made.connection.cursor().copy(into) as copy:
                for key, value in held.items():
                    etag, modified = (value, OLD) if isinstance(value, str) else value
                    copy.write_row((f"image/{key}", 1, etag, modified))
            cursor.close()
        made.connection.execute(
            sql.SQL("INSERT INTO {} VALUES ('image/only-row'), ('image/only-there')").format(made.parts["rows"])
        )
        made.parts["row_id"] = references.identifier("id")
        yield made
    made.close()


# What tells a table's rows apart. Of a staging table a row is all that it holds, and how often the like came before.
KEYS = {
    "avatars": ("id",),
    "migration": ("name",),
    "run": ("run_id",),
    "ledger": ("legacy_key",),
    "chunk": ("chunk",),
    "deletion": ("chunk", "deletion_no"),
    "tally": ("step", "chunk", "what"),
    "timing": ("step", "chunk"),
    "acknowledged": ("legacy_key",),
    "lane": ("lane",),
    "place": ("step", "chunk"),
}
Contents = dict[str, dict[Any, dict[str, Any]]]


def contents(ledger: Ledger) -> Contents:
    """All rows of all tables; a staging table may be absent."""
    found: Contents = {}
    tables = {name: sql.Identifier(*(["s3_migration"] * (name != "avatars")), name) for name in KEYS}
    staged = {
        **{side: ledger.parts[side] for side in STAGING},
        **{name: sql.Identifier("pg_temp", f"listed_{name}") for name in ("misspelt", "otherwise", "unnamed", "named")},
        "sample": ledger.parts["sample"],
    }
    for name, table in {**tables, **staged}.items():
        there = ledger.connection.execute("SELECT to_regclass(%s) AS there", [table.as_string()]).fetchone()
        if there and there["there"]:
            rows = ledger.connection.execute(sql.SQL("SELECT * FROM {}").format(table)).fetchall()
            if name in KEYS:
                found[name] = {" ".join(str(row[column]) for column in KEYS[name]): row for row in rows}
                assert len(found[name]) == len(rows)
            else:
                found[name] = {(str(row), n): row for n, row in numbered(rows)}
    return found


def numbered(rows: list[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each row with how often the like has come before."""
    seen: Counter[str] = Counter()
    for row in rows:
        seen[str(row)] += 1
        yield seen[str(row)], row


def state(row: dict[str, Any]) -> str:
    if row["problem"]:
        return str(row["problem"])
    if row["production_modified"] is None or (
        row["legacy_gone_at"] is None and row["copied_etag"] != row["legacy_etag"]
    ):
        return "listed"
    return "moved" if row["legacy_gone_at"] else "copied"


def written(before: Contents, after: Contents) -> dict[str, Any]:
    """What a statement wrote: of the ledger the objects and what they are now, of any other table how many rows."""
    found: dict[str, Any] = {}
    for table in sorted({*before, *after}):
        old, new = before.get(table, {}), after.get(table, {})
        if (table in before) != (table in after):
            found[table] = "made" if table in after else "dropped"
        elif table == "ledger":
            changed = [key for key, row in new.items() if old.get(key) != row]
            found[table] = " ".join(f"{key[6:]}:{state(new[key])}" for key in sorted(changed))
        else:
            changed = [key for key in old.keys() | new.keys() if old.get(key) != new.get(key)]
            found[table] = max(sum(key in of for key in changed) for of in (old, new))
    return {table: what for table, what in found.items() if what}


def columns(before: Contents, after: Contents, now: datetime) -> dict[str, str]:
    """Which columns a statement wrote, and what to, by row; rows of which the same was written are named together."""
    found: dict[tuple[str, str], list[str]] = {}
    for table in (table for table in KEYS if table in after):
        old, new = before[table], after[table]
        for key in sorted(old.keys() | new.keys()):
            was, row = old.get(key, {}), new.get(key, {})
            changed = {
                column: value
                for column, value in sorted(row.items())
                if value != was.get(column) and column not in KEYS[table]
            }
            what = " ".join(f"{column}={told(value, now)}" for column, value in changed.items()) if row else "gone"
            if what:
                found.setdefault((table, what), []).append(key.removeprefix("image/"))
    return {f"{table} {', '.join(keys)}": what for (table, what), keys in found.items()}


def told(value: Any, now: datetime) -> str:
    if value is None:
        return "null"
    if isinstance(value, datetime):
        if now <= value <= datetime.now(timezone.utc):  # clock_timestamp() goes on within the transaction
            return "now"
        hours = (value - now) / timedelta(hours=1)
        return f"{hours:+.0f}h" if abs(hours) < 24 else str(value.astimezone(timezone.utc).date())
    return "text" if " " in str(value) else str(value)


# -- each statement -----------------------------------------------------------------------------------------------

HOUR = timedelta(hours=1)
NAME: dict[str, Any] = {"name": "avatars", "run_id": "now"}
ALL: dict[str, Any] = {"first_key": "", "last_key": "~"}
CHUNK: dict[str, Any] = {"after": "", "first_key": "image/", "last_key": "image/z", "limit": 100}
DUE: dict[str, Any] = {**CHUNK, "rows_asked": False}
PLACE: dict[str, Any] = {"step": "verify", "chunk": 1}
BEGUN = "INSERT INTO s3_migration.place VALUES (2, 'verify', 1, 'image/c', true)"
KEPT_STATES = """
INSERT INTO s3_migration.place VALUES (2, 'states', 1, 'image/m', true);
INSERT INTO s3_migration.tally VALUES (2, 'states', 1, 'moved', 5), (2, 'states', 1, 'waiting', 0);
"""
PAGES: dict[str, Any] = {"first": "(0,0)", "last": "(1,0)", "late": True, "relation": None}
PIECE: dict[str, Any] = {"first": "(0,0)", "last": "(1,0)"}
TALLY: dict[str, Any] = {"step": "copy", "what": "copied", "number": 3, "chunk": 1}
MARKS: dict[str, Any] = {
    **{"keys": ["image/listed"], "sizes": [2], "etags": ["v1"]},
    **{"problems": [None], "error_codes": [None], "details": [None]},
}
COPIED = "UPDATE s3_migration.ledger SET production_etag = 'p1', production_modified = now() WHERE problem IS NULL"
GIVEN = "UPDATE s3_migration.ledger SET run_no = 2"  # as adopt.sql does
UNSWITCHED = "UPDATE s3_migration.run SET switched_at = NULL WHERE run_no = 2"
UNLISTED = "UPDATE s3_migration.run SET listed_at = NULL, listing_token = 7"
ABSENT = "INSERT INTO pg_temp.listed_rows VALUES ('image/vanished')"
SAMPLED = """
CREATE TEMPORARY TABLE listed_sample (
    key text COLLATE "C" PRIMARY KEY, named boolean NOT NULL DEFAULT false, rows bigint NOT NULL DEFAULT 0
);
INSERT INTO listed_sample VALUES ('image/copied', true, 2), ('image/none', false, 0);
"""
SAMPLED_ALL = "INSERT INTO listed_sample SELECT key FROM pg_temp.listed_legacy ON CONFLICT DO NOTHING"
LANES = "INSERT INTO s3_migration.lane VALUES (2, 0, 'image/', '{image/a,image/b}', 'image/b', 't')"
LISTING = "UPDATE s3_migration.run SET listing_began_at = now() - interval '151 min' WHERE run_no = 2"
KEPT = """
UPDATE s3_migration.ledger SET problem = 'unreferenced' WHERE legacy_key IN ('image/copied', 'image/left')
"""
LAPSED = "UPDATE s3_migration.migration SET lease_until = now() - interval '1s'"
ADOPTED = """
WITH later AS (
    INSERT INTO s3_migration.run (migration_id, run_id, mode, grace_period)
    VALUES (1, 'later', 'copy', '0') RETURNING run_no
)
UPDATE s3_migration.ledger SET run_no = later.run_no, owned_since = now() - interval '1h'
FROM later WHERE legacy_key = 'image/failed'
"""
OPENED: dict[str, Any] = {
    **{"mode": "move", "object_limit": None, "grace_period": HOUR},
    **{"window_start": None, "window_end": None, "remove_copies": False},
}
WANTED = "UPDATE s3_migration.run SET approve_deletion = 'every' WHERE run_no = 2"
ASKED = "UPDATE s3_migration.run SET approval_asked_at = now() WHERE run_no = 2"
KNOWN = "INSERT INTO s3_migration.acknowledged VALUES (1, 'image/{}', 'failed', 'known', 2, now())"
UNDONE = "UPDATE s3_migration.run SET mode = 'undo', remove_copies = true WHERE run_no = 2"
SEARCHED: dict[str, Any] = {"as_json": False, "patterns": ["%image/withdrawn%", "%image/only\\-%"]}
MISSPELT = """
CREATE TEMPORARY TABLE listed_misspelt (
    key text COLLATE "C" NOT NULL, reference text NOT NULL, path text NOT NULL, exact text COLLATE "C",
    path_prefix text NOT NULL, rest text NOT NULL
);
INSERT INTO listed_misspelt VALUES
    ('image/copied', 'avatars.path', '/image/copied', NULL, 'image/', 'copied'),
    ('image/copied', 'avatars.path', 'image/Copied', 'image/Copied', 'image/', 'copied'),
    ('image/listed', 'avatars.path', 'image/LISTED', 'image/LISTED', 'image/', 'listed'),
    ('image/changed', 'avatars.path', 'image/%63hanged', 'image/%63hanged', 'image/', 'changed'),
    ('image/left', 'avatars.path', '/image/left', NULL, 'image/', 'left');
"""
# Of what was misspelt then, nothing is found now.
MISSPELT_THEN = """
UPDATE s3_migration.ledger SET problem = 'misspelt', detail = 'of then' WHERE legacy_key = 'image/moved';
"""
OTHERWISE = """
UPDATE avatars SET path = '/image/copied' WHERE id = 2; UPDATE avatars SET path = 'image/Listed' WHERE id = 12;
"""
UNNAMED = """
CREATE TEMPORARY TABLE listed_unnamed (key text COLLATE "C" PRIMARY KEY);
INSERT INTO listed_unnamed VALUES ('image/named'), ('image/copied'), ('image/z');
"""
EMPTY_UNNAMED = f"{UNNAMED} TRUNCATE listed_unnamed;"
NAMED = UNNAMED.replace("unnamed", "named")
GATHERED = """
CREATE TEMPORARY TABLE listed_otherwise (
    spelling text NOT NULL, exact text COLLATE "C", reference text NOT NULL, path text NOT NULL,
    path_prefix text NOT NULL
);
INSERT INTO listed_otherwise VALUES
    ('image/copied', NULL, 'avatars.path', '/image/copied', 'image/'),
    ('image/listed', 'image/Listed', 'avatars.path', 'image/Listed', 'image/'),
    ('image/left', 'image/Left', 'avatars.path', 'image/Left', 'image/'),
    ('image/kept', 'image/kept', 'avatars.path', 'image/kept', 'image/');
"""
EMPTY_GATHERED = f"{GATHERED} TRUNCATE listed_otherwise;"
SPELT_OTHERWISE = f"{MISSPELT} TRUNCATE listed_misspelt; {GATHERED}"
SAME = "the same"


@dataclass(frozen=True)
class Case:
    """What a statement answers and writes; then it answers the same (or `again`), writes nothing (or `rewrites`)."""

    values: dict[str, Any] = field(default_factory=dict)
    answers: str | None = ""  # rows in brackets; None: they tell the time
    writes: dict[str, Any] = field(default_factory=dict)
    again: str | None = SAME
    rewrites: dict[str, Any] = field(default_factory=dict)
    fails_again: bool = False  # what it makes is there
    before: str = ""  # what is done before
    side: str = ""  # the staging table it is about
    relation: str = ""  # the table that it copies out


CASES: dict[str, Case] = {
    "acknowledge": Case(
        {"key": "image/conflict", "problem": None, "reason": "known", "problems": ["conflict"]},
        writes={"acknowledged": 1},
    ),
    "add_tally": Case({**TALLY, "add": True}, writes={"tally": 1}, rewrites={"tally": 1}),
    "adopt": Case(
        before=f"{UNSWITCHED}; {ABSENT}",
        writes={
            "ledger": "changed:changed conflict:conflict copied:copied damaged-named:damaged damaged-unnamed:damaged "
            "failed:failed kept:failed left:copied listed:listed named:still_referenced superseded:superseded "
            "vanished:failed"
        },
    ),
    "judge_gone": Case(before=f"{GIVEN}; {ABSENT}", writes={"ledger": "vanished:moved"}),
    "judge_listed": Case(
        before=GIVEN,
        writes={
            "ledger": "changed:listed conflict:conflict copied:copied damaged-named:damaged damaged-unnamed:damaged "
            "failed:listed kept:copied left:copied listed:listed named:copied superseded:superseded"
        },
    ),
    "judge_unlisted_rows": Case(writes={"ledger": "only-row:dangling only-there:moved"}),
    "advisory_unlock": Case(
        {"name": "a"}, "(True)", again="(False)", before="SELECT pg_advisory_lock(hashtextextended('a', 0))"
    ),
    "allow_deletion": Case(
        NAME, before="UPDATE s3_migration.migration SET deletion_stopped = 'why'", writes={"migration": 1}
    ),
    "answer_approval": Case(
        {**NAME, "approved": True, "answered_by": "ada", "answered_at": OLD}, before=ASKED, writes={"run": 1}
    ),
    "ask_for_approval": Case(
        before="UPDATE s3_migration.run SET approved = true, answered_by = 'ada', answered_at = now() WHERE run_no = 2",
        writes={"run": 1},
    ),
    "count_unapproved": Case(CHUNK, "(1 1 1 image/copied image/copied)", before=WANTED),
    "archive_of_all": Case(answers="(version,applied_at)", relation="schema_version"),
    "archive_of_migration": Case(
        answers="(migration_id,legacy_key,problem,reason,run_no,acknowledged_at)", relation="acknowledged"
    ),
    "archive_of_runs": Case(
        answers="(run_no,step,chunk,what,number) (2,copy,1,copied,5) (2,copy,2,copied,2)", relation="tally"
    ),
    "begin_listing": Case(
        {"token": 7},
        "(True)",
        before=f"{UNLISTED}; {LANES}",
        writes={"run": 1},
    ),
    "begin_timing": Case({"step": "copy", "chunk": 1}, writes={"timing": 2}, rewrites={"timing": 1}),
    "begin_verification": Case({}, writes={"run": 1}),
    "check_column": Case(
        {"column": "path", "name": "avatars"},
        "(r varchar None True False True False False None None None None None UTF8 False -1)",
    ),
    "find_rows_to_try": Case({"limit": 1}, None),
    "find_undecodable": Case({}, ""),
    "find_too_long": Case({"longest": 10}, "(image/listed)"),
    "try_switch": Case({"relation": 0, "ctid": "(0,1)"}),
    "check_ledger": Case({}, "(True True)"),
    "compare": Case(
        {"keys": [f"image/{key}" for key in sorted({*LEGACY, *PRODUCTION})], "proving": True},
        writes={"ledger": "kept:copied"},
    ),
    "count_all_states": Case(
        ALL,
        "(changed 1 0 None) (conflict 1 0 None) (copied 2 0 None) (damaged 2 0 None) (failed 3 1 None) "
        "(listed 1 0 None) (moved 1 0 None) (still_referenced 1 0 None) (superseded 1 0 None) (withdrawn 1 0 None)",
        before=KNOWN.format("kept"),
    ),
    "count_beyond_undo": Case({"after": "image/c", "limit": 9}, "(0 image/listed)"),
    "count_finds": Case({**SEARCHED, "percent": 100}, "(12 3)"),
    "count_gone": Case({}, "(2)"),
    "count_pages": Case({}, "(1 1)"),
    "count_states_in_legacy": Case(
        ALL,
        "(changed 1 0) (conflict 1 0) (copied 1 0) (damaged 2 0) (failed 2 0) (listed 1 0) (still_referenced 1 0) "
        "(superseded 1 0)",
    ),
    "count_rows_left": Case(PIECE, "(5)"),
    "count_states": Case(
        ALL,
        "(changed 1 0) (conflict 1 0) (copied 1 0) (damaged 2 0) (failed 2 1) (listed 1 0) (moved 1 0) "
        "(still_referenced 1 0) "
        "(superseded 1 0) (withdrawn 1 0)",
        before=KNOWN.format("kept"),
    ),
    "count_undecided": Case(ALL, "(2)"),
    "count_unexplained_rows": Case({"explained": ["withdrawn"]}, "(6 image/copied)"),
    "create_staging": Case(
        before="DROP TABLE pg_temp.listed_rows", writes={"rows": "made"}, fails_again=True, side="rows"
    ),
    "create_chunks": Case(
        {"chunks": [1, 2], "first_keys": ["a", "c"], "last_keys": ["b", "d"], "objects": [3, 4]},
        before="DELETE FROM s3_migration.chunk",
        writes={"chunk": 2},
        fails_again=True,
    ),
    "database_time": Case({}, None, again=None),
    "drop_duplicates": Case(
        before="INSERT INTO pg_temp.listed_legacy SELECT key, 9, etag, '2020-01-02' FROM pg_temp.listed_legacy",
        writes={"legacy": 14},
        side="legacy",
    ),
    "drop_staging": Case(writes={"rows": "dropped"}, side="rows"),
    "end_listing": Case(writes={"run": 1}),
    "end_run": Case({"account": "{}"}, writes={"run": 1}),
    "end_switch": Case(before="UPDATE s3_migration.run SET switched_at = NULL", writes={"run": 1}),
    "end_timing": Case({"step": "list", "chunk": 0}, writes={"timing": 1}, rewrites={"timing": 1}),
    "end_verification": Case({"since": NEW}, "(2)", writes={"run": 1}),
    "fence": Case({"token": 7}, "(1)"),
    "fill_staging": Case(writes={"rows": 1}, rewrites={"rows": 1}, side="rows"),  # drop_duplicates.sql follows
    "find_with_problem": Case({**ALL, "problem": "changed"}, "(image/changed)"),
    "find_chunk": Case({"chunk": 2}, "(image/n image/z 9)"),
    "find_deletable": Case(DUE, "(image/copied v1)"),
    "find_copies_in_legacy": Case({"first_key": "image/m", "last_key": "image/s"}, "(image/named False)"),
    "find_copies_of": Case(
        {"keys": ["image/moved", "image/copied", "image/left"]}, "(image/copied False) (image/moved True)"
    ),
    "find_first_look": Case({}, ""),
    "find_gone": Case({"limit": 9}, "(image/moved True moved False) (image/withdrawn False withdrawn False)"),
    "find_kept_states": Case({}, "(1 moved 5)", before=KEPT_STATES),
    "find_left": Case(
        ALL,
        "(image/changed False) (image/copied False) (image/damaged-named False) (image/damaged-unnamed False) "
        "(image/kept False) (image/named False)",
    ),
    "find_piece_end": Case({**ALL, "length": 12}, "(image/superseded)"),
    "find_piece_end_in_legacy": Case({**ALL, "length": 11}, "(image/superseded)"),
    "find_place": Case(PLACE, "(image/c True)", before=BEGUN),
    "find_range_ends": Case({}, "(1 image/m 9) (2 image/z 9)"),
    "forget_ended_verification": Case({"chunk": 1}, before=BEGUN, writes={"place": 1}),
    "forget_places": Case({"steps": ["verify"], "chunk": None}, before=BEGUN, writes={"place": 1}),
    "is_unfinished": Case({"first_key": "image/m", "last_key": "image/n"}, "(False)"),
    "keep_place": Case({**PLACE, "after": "image/d", "ended": False}, writes={"place": 1}),
    "keep_states": Case({"chunk": 1, "states": ["moved"], "numbers": [9]}, before=KEPT_STATES, writes={"tally": 1}),
    "find_last_change": Case({}, None),
    "find_last_run": Case({}, "(now move False False)"),
    "find_latest_run": Case({}, None),
    "find_lease_holder": Case({}, None),
    "find_migration": Case(NAME, "(1 None None)"),
    "find_examples": Case(
        {**SEARCHED, "patterns": ["%drawn%"], "needles": ["drawn"], "percent": 100, "limit": 9},
        "(image/withdrawn False)",
    ),
    "find_known_keys": Case({**NAME, "keys": ["image/moved", "image/new", "image/left"]}, "(image/left) (image/moved)"),
    "find_newest_examples": Case(
        {**SEARCHED, "needles": ["image/"], "first": "(0,7)", "limit": 9},
        "(image/withdrawn False) (image/only-row False) (image/only-there False)",
    ),
    "find_text_columns": Case({}, None),
    "find_failure_codes": Case(ALL, "(AccessDenied)"),
    "find_observed_rate": Case({"enough": 7}, None, again=None),
    "find_object": Case({"key": "image/conflict"}, "(conflict)"),
    "find_problems": Case(
        {**CHUNK, "states": ["failed", "conflict", "listed"]},
        "(image/conflict conflict other) (image/failed failed AccessDenied: no) (image/kept failed AccessDenied: no) "
        "(image/listed listed None)",
    ),
    "count_compared": Case({}, "(18 0)"),
    "count_problems": Case(
        {"limit": 100},
        "(changed 1 0) (conflict 1 0) (damaged 2 0) (failed 3 1) (still_referenced 1 0)",
        before=KNOWN.format("failed"),
    ),
    "find_chunk_times": Case({}, None, again=None),
    "find_problems_shown": Case({"after": "image/c", "problem": "failed", "containing": "e", "limit": 9}, None),
    "find_run_shown": Case({"run_id": "run"}, None),
    "find_runs_shown": Case({"limit": 9}, None),
    "find_story": Case({"key": "image/copied"}, None),
    "find_row_id": Case({}, "(id)"),
    "find_paths_of_row": Case({"row_id": "1"}, None),
    "find_pace": Case({}, "(None None None)"),
    "set_pace": Case(
        {"run_id": "now", "requests_in_flight": 8, "parallel_chunks": 1, "max_lag": timedelta(seconds=5)},
        writes={"run": 1},
    ),
    "is_followed": Case({}, "(True)", before=ADOPTED),
    "find_report_lines": Case({"first": "image/c", "last": "image/copied", "production_prefix": "avatar/"}, None),
    "find_rows_to_switch": Case(PAGES, None),
    "find_run": Case(NAME, None),
    "find_steps_at_work": Case({}, None),
    "find_switched": Case({}, ""),
    "find_tallies": Case({}, "(copy copied 7)"),
    "find_timings": Case({}, None, again=None),
    "find_uncopied": Case(
        {**CHUNK, "problem": None},
        "(image/changed 1 v2 p1 False) (image/conflict 1 v1 None False) (image/failed 1 v1 None True) "
        "(image/listed 1 v1 None False)",
        before=KNOWN.format("failed"),
    ),
    "find_unexplained": Case(
        {"keys": ["image/new", "image/moved", "image/superseded", "image/kept"], "explained": ["superseded"]},
        "(image/moved) (image/new)",
        before=KNOWN.format("kept"),
    ),
    "find_unlisted_rows": Case(PIECE, "(image/only-row 1) (image/only-there 1) (image/withdrawn 1)", before=LISTING),
    "forecast": Case({}, "(14 14 5 2)"),
    "count_unreferenced": Case(
        {},
        "(9 6)",
        before="INSERT INTO s3_migration.tally VALUES (2, 'list', 0, 'objects', 9), (2, 'list', 0, 'unreferenced', 6), "
        "(2, 'verify', 0, 'objects', 98)",
    ),
    "find_rows_beside": Case({"limit": 1, "inside": "image/"}),
    "drop_fixed_acknowledgements": Case(before=KNOWN.format("copied"), writes={"acknowledged": 1}),
    "clear_chunks": Case(writes={"chunk": 2}),
    "invalidate_run": Case(NAME, writes={"run": 1}),
    "gate": Case({"rows_asked": False}, None),
    "give_lease_back": Case(NAME, writes={"migration": 1}),
    "grace_left": Case(ALL, None),
    "hold_lease": Case({"token": 7, "pause": HOUR}, writes={"migration": 1}),
    "insert_listed": Case(writes={"ledger": "new:listed taken:conflict there:copied"}),
    "keep_lease": Case({"ttl": HOUR}, "(7)", writes={"migration": 1}),
    "find_last_mode": Case({"run_id": "now"}, "(move)"),
    "observe_load": Case({}, None),
    "mark_copied": Case(
        {**MARKS, "production_etags": ["p1"], "production_modifieds": [NEW], "proving": False},
        writes={"ledger": "listed:copied"},
    ),
    "mark_deleted": Case({**MARKS, "modifieds": [None]}, before=COPIED, writes={"ledger": "listed:moved"}),
    "mark_still_referenced": Case(
        {
            "reference": "avatars.path",
            "keys": ["image/copied", "image/withdrawn", "image/named", "image/left"],
            "paths": '{"image/copied": "image/copied", "image/named": "image/named"}',
        },
        writes={"ledger": "copied:still_referenced withdrawn:dangling"},
    ),
    "find_rows_left": Case(
        PIECE,
        "(image/copied image/copied 2) (image/named image/named 1) (image/withdrawn image/withdrawn 1) "
        "(None image/listed 1)",
    ),
    "create_unnamed": Case(writes={"unnamed": "made"}, fails_again=True),
    "drop_unnamed": Case(before=UNNAMED, writes={"unnamed": "dropped"}),
    "fill_unnamed": Case(
        {"after": "image/c", "limit": 7}, "(image/named)", before=EMPTY_UNNAMED, writes={"unnamed": 1}, fails_again=True
    ),
    "drop_still_named": Case({"keys": ["image/named", "image/no"]}, before=UNNAMED, writes={"unnamed": 1}),
    "find_settled": Case(
        {"after": "image/a", "limit": 2},
        "(image/changed) (image/conflict)",
        before=MISSPELT + UNNAMED,
    ),
    "clear_still_referenced": Case(
        {"keys": ["image/named", "image/z"]}, before=UNNAMED, writes={"ledger": "named:copied"}
    ),
    "mark_refused_row": Case(
        {"key": "image/copied", "error_code": "23505", "detail": "23505: no"},
        writes={"ledger": "copied:row_refused"},
    ),
    "mark_removed": Case(
        {"keys": ["image/copied"], "problems": [None], "error_codes": [None], "details": [None]},
        writes={"ledger": "copied:listed"},
    ),
    "record_damage": Case(
        {"keys": ["image/damaged-named"]},
        writes={"run": 1},
        rewrites={"run": 1},
        before="UPDATE s3_migration.run SET damaged = 0",
    ),
    "owns_objects": Case({}, "(True)"),
    "open_run": Case({**NAME, **OPENED, "mode": "copy", "object_limit": 5}, "(2)", writes={"run": 1}),
    "release_lease": Case({"token": 7}, writes={"migration": 1}),
    "renew_lease": Case({"token": 7, "ttl": HOUR}, writes={"migration": 1}),
    "retry_refused_deletes": Case(CHUNK, writes={"ledger": "kept:copied"}),
    "retry_refused_rows": Case(writes={"ledger": "named:copied"}),
    "reclaim": Case(CHUNK, before=ADOPTED, writes={"ledger": "failed:failed"}),
    "schema_version": Case({}, f"({SCHEMA_VERSION})"),
    "find_copies": Case(
        {"first_key": "image/copied", "last_key": "image/moved"},
        "(image/copied False) (image/damaged-named False) (image/damaged-unnamed False) (image/kept False) "
        "(image/moved True)",
    ),
    "find_unlisted_copies": Case({}, "(image/damaged-named) (image/damaged-unnamed)"),
    "stop_deletion": Case({**NAME, "reason": "why"}, writes={"migration": 1}),
    "switch_rows": Case(
        PAGES,
        "(3)",
        writes={"avatars": 3, "ledger": "copied:copied named:still_referenced"},
        again="(0)",
    ),
    "switch_unlocked_rows": Case(
        PAGES, "(3)", writes={"avatars": 3, "ledger": "copied:copied named:still_referenced"}, again="(0)"
    ),
    "backend_pid": Case({}, None),
    "find_lock_holders": Case({"relation": "avatars"}),
    "lock_migration": Case(NAME, "(1)"),
    "set_requests_expire": Case({"expire": True}, writes={"migration": 1}),
    "knows_every_object": Case(NAME, "(True)"),
    "survey_limits": Case({"timeout": "9s"}, "(on 9s 500ms off)"),
    "table_pages": Case({}, None),
    "has_unproven": Case({"first_key": "", "last_key": "~"}, "(False)"),
    "begin_deletion": Case({"chunk": 7, "lasts": HOUR}, None, writes={"deletion": 1}, rewrites={"deletion": 1}),
    "end_deletion": Case({"deletion_no": 1}, writes={"deletion": 1}),
    "deletions_left": Case({"beside": True, "chunk": 2}, "(None)"),
    "withdraw_acknowledgement": Case(
        {"key": "image/kept", "problem": None}, before=KNOWN.format("kept"), writes={"acknowledged": 1}
    ),
    "try_advisory_lock": Case({"name": "a"}, "(True)"),
    "take_lease": Case({"ttl": HOUR}, "(8)", before=LAPSED, writes={"migration": 1}, again=""),
    "count_misspelt": Case({}, "(4)", before=MISSPELT),
    "count_undeclared": Case(
        {},
        "(2)",
        before="INSERT INTO s3_migration.tally VALUES (2, 'gate', 0, 'undeclared', 2), (2, 'copy', 0, 'undeclared', 7)",
    ),
    "create_misspelt": Case(writes={"misspelt": "made"}, fails_again=True),
    "drop_exact_rows": Case({"keys": ["image/LISTED", "image/no"]}, before=MISSPELT, writes={"misspelt": 1}),
    "drop_misspelt": Case(before=MISSPELT, writes={"misspelt": "dropped"}),
    "explain_rows_named": Case({"asked": ["image/copied"]}, None),
    "find_chunk_of": Case({"key": "image/m"}, "(1)"),
    "find_exact_keys": Case({"after": "image/%63hanged", "limit": 1}, "(image/Copied)", before=MISSPELT),
    "find_index_starts": Case({"indexes": ["avatars_pkey", "ledger_pkey"]}, "(id)"),
    "find_misspelt": Case(
        {"after": "", "limit": 99},
        "(image/vanished 2)",
        before=SPELT_OTHERWISE,
        writes={"misspelt": 2},
        rewrites={"misspelt": 2},
    ),
    "find_otherwise": Case(
        PIECE,
        "(None image/copied /image/copied) (image/Listed image/listed image/Listed) "
        "(image/only-row image/only-row image/only-row) (image/only-there image/only-there image/only-there)",
        before=OTHERWISE,
    ),
    "create_otherwise": Case(writes={"otherwise": "made"}, fails_again=True),
    "index_otherwise": Case(before=GATHERED, fails_again=True),
    "drop_otherwise": Case(before=GATHERED, writes={"otherwise": "dropped"}),
    "fill_otherwise": Case(
        {
            **{"reference": "avatars.path", "path_prefix": "image/"},
            **{"spellings": ["image/a", "image/b"], "exacts": [None, "image/B"], "paths": ["/image/a", "image/B"]},
        },
        before=EMPTY_GATHERED,
        writes={"otherwise": 2},
        rewrites={"otherwise": 2},
    ),
    "find_rows_named": Case({"asked": ["image/copied", "image/no"]}, "(image/copied)"),
    "forecast_misspelt": Case(
        {"after": "", "limit": 99},
        "(image/there 3)",
        before=SPELT_OTHERWISE,
        writes={"misspelt": 3},
        rewrites={"misspelt": 3},
        side="legacy",
    ),
    "find_missing": Case(
        {"after": "image/changed", "limit": 3},
        "(image/damaged-unnamed ['image/damaged-named', 'image/damaged-unnamed'])",
    ),
    "find_missing_of": Case({"keys": ["image/damaged-named", "image/copied"]}, "(image/damaged-named)"),
    "find_missing_named": Case(PIECE, "(image/damaged-named)"),
    "find_rows_naming": Case(
        {"asked": ["avatar/damaged-named", "image/listed", "other/listed"]}, "(image/damaged-named) (image/listed)"
    ),
    "create_named": Case(writes={"named": "made"}, fails_again=True),
    "drop_named": Case(before=NAMED, writes={"named": "dropped"}),
    "fill_named": Case({"keys": ["image/named", "image/new"]}, before=NAMED, writes={"named": 1}),
    "find_named": Case({"keys": ["image/named", "image/no"]}, "(image/named)", before=NAMED),
    "judge_missing_copies": Case(
        {
            "problem_if_referenced": "damaged",
            "keys": ["image/damaged-named", "image/damaged-unnamed", "image/copied"],
            "named": ["image/damaged-named", "image/copied"],
        },
        writes={"ledger": "damaged-named:damaged damaged-unnamed:superseded"},
    ),
    "keep_declared": Case({"declared": "[1]"}, writes={"migration": 1, "run": 1}),
    "mark_misspelt": Case(
        {"keys": ["image/copied", "image/listed", "image/changed", "image/left", "image/moved", "image/failed"]},
        before=MISSPELT + MISSPELT_THEN,
        writes={"ledger": "copied:misspelt listed:misspelt moved:moved"},
    ),
    "find_unproven_bytes": Case(
        {"checksum_share": 1.0, "after": "", "limit": 9, "first_key": "", "last_key": "~"}, "(image/copied v1 p1)"
    ),
    "mark_bytes": Case(
        {
            **{"keys": ["image/copied", "image/no"], "legacy_etags": ["v1", "v1"], "production_etags": ["p1", "p1"]},
            **{"sames": [False, True], "details": ["other bytes", ""]},
        },
        writes={"ledger": "copied:damaged"},
    ),
    "mark_rewritten": Case(
        {"keys": ["image/copied", "image/kept", "image/no"], "details": ["other metadata", "b", "c"]},
        writes={"ledger": "copied:changed"},
    ),
    "mark_unreferenced": Case(writes={"ledger": "copied:unreferenced listed:unreferenced"}),
    "name_misspelt": Case(
        {"limit": 1},
        "(image/changed avatars.path holds 'image/%63hanged': declare path_encoding: url, if all rows are spelt so; "
        "or correct the row to 'image/changed')",
        before=MISSPELT,
    ),
    "restart_grace": Case(
        {"keys": ["image/copied", "image/left", "image/no"]},
        writes={"ledger": "copied:copied"},
        rewrites={"ledger": "copied:copied"},
    ),
    "clear_staging": Case(writes={"legacy": 14}, side="legacy"),
    "count_ledger_pages": Case({}, "(1)"),
    "count_sample": Case({}, "(2 1 2)", before=SAMPLED),
    "create_sample": Case(writes={"sample": "made"}, fails_again=True),
    "drop_sample": Case(before=SAMPLED, writes={"sample": "dropped"}),
    "draw_chunks": Case(
        {"after": "", "limit": 100, "taken": 3, "length": 4},
        "(0 image/changed image/changed 1) (1 image/conflict image/damaged-unnamed 4) (2 image/failed image/named 4) "
        "(None image/left image/vanished 3)",
    ),
    "fill_absent": Case({"keys": ["image/x"]}, writes={"rows": 1}, rewrites={"rows": 1}),
    "fill_sample": Case({"share": 65536}, before=SAMPLED, writes={"sample": 13}),
    "find_conflicts": Case({"limit": 2}, "(image/conflict) (image/taken)"),
    "find_died_runs": Case({}, "(1)", before="UPDATE s3_migration.run SET verified_at = now()"),
    "find_finished_of": Case({**PIECE, "runs": [2]}, "(image/moved)"),
    "find_lanes": Case({}, "(0 image/ ['image/a', 'image/b'] image/b t)", before=LANES),
    "find_in_sample": Case({"keys": ["image/copied", "image/no"]}, "(image/copied)", before=SAMPLED),
    "find_sampled": Case(
        {**PIECE, "share": 65536},
        "(image/copied 2) (image/damaged-named 0) (image/listed 1) (image/named 1) (image/only-row 1) "
        "(image/only-there 1) (image/withdrawn 1)",
    ),
    "find_unlisted": Case(
        {"after": "", "limit": 100}, "(image/vanished ['image/left', 'image/vanished'])", before=LISTING
    ),
    "find_unlisted_problems": Case({"after": "", "limit": 100}, "", before=LISTING),
    "forget_lanes": Case(before=LANES, writes={"lane": 1}),
    "keep_lane": Case(
        {"lane": 0, "start": "x", "first": ["x"], "last": "image/c", "token": None}, before=LANES, writes={"lane": 1}
    ),
    "mark_referenced": Case(PIECE, before=KEPT, writes={"ledger": "copied:copied"}),
    "note_listed": Case(
        {**PIECE, "share": 65536},
        "(image/only-row 1) (image/only-there 1) (image/withdrawn 1)",
        before=SAMPLED + LISTING,
        writes={"sample": 1},
        rewrites={"sample": 1},
    ),
    "note_sampled": Case(
        {**PIECE, "share": 65536},
        "(image/listed 1) (image/named 1) (image/only-row 1) (image/only-there 1) (image/withdrawn 1)",
        before=SAMPLED,
        writes={"sample": 1},
        rewrites={"sample": 1},
    ),
    "note_named": Case(
        {"keys": ["image/copied", "image/no"], "rows": [3, 1]},
        "(image/copied)",
        before=SAMPLED,
        writes={"sample": 1},
        rewrites={"sample": 1},
    ),
    "refill_sample": Case(
        {"after": "", "limit": 100, "share": 65536}, "(image/vanished)", before=SAMPLED + LISTING, writes={"sample": 9}
    ),
    "reset_found": Case(
        {"found": ["objects"]},
        before="INSERT INTO s3_migration.tally VALUES (2, 'list', 0, 'objects', 9), (2, 'list', 0, 'S3 HEAD', 9)",
        writes={"tally": 1},
    ),
    "thin_sample": Case({"share": 1}, before=SAMPLED, writes={"sample": 2}),
}

# By statement, which columns of which rows its case above writes, and what to.
WRITES: dict[str, dict[str, str]] = {
    "acknowledge": {
        "acknowledged conflict": "acknowledged_at=now migration_id=1 problem=conflict reason=known run_no=2",
    },
    "add_tally": {
        "tally copy 1 copied": "number=8",
    },
    "adopt": {
        "ledger changed, conflict, copied, damaged-named, damaged-unnamed, failed, kept, listed, named, superseded": (
            "owned_since=now"
        ),
        "ledger left, vanished": "owned_since=now run_no=2 switched_at=-2h",
    },
    "judge_gone": {
        "ledger vanished": "detail=null error_code=null legacy_gone_at=now problem=null",
    },
    "judge_listed": {
        "ledger changed, named": "legacy_modified=2020-01-01 problem=null",
        "ledger conflict, superseded": "detail=text legacy_modified=2020-01-01",
        "ledger copied, damaged-named, damaged-unnamed, left, listed": "legacy_modified=2020-01-01",
        "ledger failed, kept": "detail=null error_code=null legacy_modified=2020-01-01 problem=null",
    },
    "judge_unlisted_rows": {
        "ledger only-row": "bytes_proven=False copy_missing=False legacy_gone_at=now migration_id=1 owned_since=now "
        "problem=dangling rewritten=False run_no=2",
        "ledger only-there": "bytes_proven=False copy_missing=False legacy_gone_at=now migration_id=1 owned_since=now "
        "production_etag=x production_modified=2020-01-01 rewritten=False run_no=2",
    },
    "answer_approval": {
        "run now": "answered_at=2020-01-01 answered_by=ada approved=True",
    },
    "ask_for_approval": {
        "run now": "answered_at=null answered_by=null approval_asked_at=now approved=null",
    },
    "allow_deletion": {
        "migration avatars": "deletion_stopped=null",
    },
    "begin_listing": {
        "run now": "verified_at=null",
    },
    "forget_lanes": {
        "lane 0": "gone",
    },
    "keep_lane": {
        "lane 0": "last_key=image/c token=null",
    },
    "mark_referenced": {
        "ledger copied": "problem=null",
    },
    "reset_found": {
        "tally list 0 objects": "number=0",
    },
    "begin_deletion": {
        "deletion 7 2": "deleting_until=+1h migration_id=1 run_no=2",
    },
    "end_deletion": {
        "deletion 1 1": "gone",
    },
    "set_requests_expire": {
        "migration avatars": "requests_expire=True",
    },
    "begin_timing": {
        "timing copy -99999": "ended_at=-0h run_no=2 started_at=-0h",
        "timing copy 1": "ended_at=null started_at=now",
    },
    "begin_verification": {
        "run now": "damaged=null verified_at=null",
    },
    "clear_chunks": {
        "chunk 1, 2": "gone",
    },
    "compare": {
        "ledger kept": "detail=null error_code=null problem=null",
    },
    "create_chunks": {
        "chunk 1": "first_key=a last_key=b objects=3 run_no=2",
        "chunk 2": "first_key=c last_key=d objects=4 run_no=2",
    },
    "drop_fixed_acknowledgements": {
        "acknowledged copied": "gone",
    },
    "end_listing": {
        "run now": "listed_at=now switched_at=null",
    },
    "end_run": {
        "run now": "account={} finished_at=now",
    },
    "set_pace": {
        "run now": "max_lag=0:00:05 parallel_chunks=1 requests_in_flight=8",
    },
    "end_switch": {
        "run now": "switched_at=now",
    },
    "end_timing": {
        "timing list 0": "ended_at=now",
    },
    "end_verification": {
        "run now": "damaged=2 rows_asked_for=text verified_at=2100-01-01",
    },
    "forget_ended_verification": {
        "place verify 1": "gone",
    },
    "forget_places": {
        "place verify 1": "gone",
    },
    "give_lease_back": {
        "migration avatars": "lease_run_no=null lease_until=null",
    },
    "hold_lease": {
        "migration avatars": "lease_until=+1h",
    },
    "insert_listed": {
        "ledger new": "bytes_proven=False copy_missing=False legacy_etag=v1 legacy_modified=2020-01-01 "
        "legacy_size=1 migration_id=1 owned_since=now rewritten=False run_no=2",
        "ledger taken": "bytes_proven=False copy_missing=False detail=text legacy_etag=v1 legacy_modified=2020-01-01 "
        "legacy_size=1 migration_id=1 owned_since=now problem=conflict rewritten=False run_no=2",
        "ledger there": "bytes_proven=False copied_etag=v1 copy_missing=False legacy_etag=v1 "
        "legacy_modified=2020-01-01 legacy_size=1 migration_id=1 owned_since=now production_etag=v1 "
        "production_modified=2020-01-01 rewritten=False run_no=2",
    },
    "invalidate_run": {
        "run now": "listed_at=null verified_at=null",
    },
    "clear_still_referenced": {
        "ledger named": "problem=null",
    },
    "judge_missing_copies": {
        "ledger damaged-named": "copied_etag=null copy_missing=False production_etag=null production_modified=null",
        "ledger damaged-unnamed": "problem=superseded",
    },
    "keep_lease": {
        "migration avatars": "lease_until=+1h",
    },
    "keep_place": {
        "place verify 1": "after_key=image/d begun_at=now ended=False run_no=2",
    },
    "keep_states": {
        "tally states 1 moved": "number=9",
    },
    "mark_copied": {
        "ledger listed": "copied_etag=v1 legacy_size=2 "
        "production_etag=p1 production_modified=2100-01-01 switched_at=now",
    },
    "mark_deleted": {
        "ledger listed": "legacy_gone_at=now legacy_size=2",
    },
    "mark_refused_row": {
        "ledger copied": "detail=text error_code=23505 problem=row_refused",
    },
    "mark_removed": {
        "ledger copied": "copied_etag=null production_etag=null production_modified=null",
    },
    "mark_still_referenced": {
        "ledger copied": "detail=text problem=still_referenced",
        "ledger withdrawn": "problem=dangling",
    },
    "open_run": {
        "run now": "grace_period=1:00:00 mode=copy object_limit=5",
    },
    "reclaim": {
        "ledger failed": "owned_since=now run_no=2",
    },
    "record_damage": {
        "run now": "damaged=1",
    },
    "release_lease": {
        "migration avatars": "lease_run_no=null lease_until=null",
    },
    "renew_lease": {
        "migration avatars": "lease_until=+1h",
    },
    "retry_refused_deletes": {
        "ledger kept": "detail=null error_code=null problem=null",
    },
    "retry_refused_rows": {
        "ledger named": "problem=null",
    },
    "stop_deletion": {
        "migration avatars": "deletion_stopped=why",
    },
    "switch_rows": {
        "avatars 2, 3": "path=avatar/copied",
        "avatars 5": "path=avatar/named",
        "ledger copied, named": "switched_at=now",
    },
    "switch_unlocked_rows": {
        "avatars 2, 3": "path=avatar/copied",
        "avatars 5": "path=avatar/named",
        "ledger copied, named": "switched_at=now",
    },
    "take_lease": {
        "migration avatars": "lease_token=8 lease_until=+1h",
    },
    "withdraw_acknowledgement": {
        "acknowledged kept": "gone",
    },
    "keep_declared": {
        "migration avatars": "declared=[1]",
        "run now": "verified_at=null",
    },
    "mark_misspelt": {
        "ledger copied, listed": "detail=text problem=misspelt",
        "ledger moved": "detail=null problem=null",
    },
    "mark_bytes": {
        "ledger copied": "detail=text problem=damaged rewritten=True",
    },
    "mark_rewritten": {
        "ledger copied": "detail=text problem=changed rewritten=True",
    },
    "mark_unreferenced": {
        "ledger copied, listed": "problem=unreferenced",
    },
    "restart_grace": {
        "ledger copied": "switched_at=now",
    },
}


def answer(cursor: Any) -> str:
    rows = cursor.fetchall() if cursor.description else []
    return " ".join(f"({' '.join(str(value) for value in row.values())})" for row in rows)


@pytest.mark.parametrize("file", FILES)
def test_a_statement_does_what_it_says_and_again_nothing(ledger: Ledger, file: str) -> None:
    case = CASES[file]
    parts = staging.parts(ledger, case.side) if case.side else ledger.parts
    if case.before:
        ledger.connection.execute(case.before)  # type: ignore[call-overload]

    def run() -> str:
        if file == "fill_staging":
            with ledger.connection.cursor() as cursor, cursor.copy(statement(file, **parts)) as copy:
                copy.write_row(("image/x", 1, "v1", OLD))
            return ""
        if case.relation:
            relation = sql.Identifier("s3_migration", case.relation)
            with ledger.connection.cursor().copy(statement(file, relation=relation), ledger.values) as copy:
                lines = b"".join(copy).decode().splitlines()
            return " ".join(f"({line})" for line in lines[: 1 if file == "archive_of_all" else None])
        values = {**ledger.values, **case.values}
        if file == "find_report_lines":
            with ledger.connection.cursor().copy(statement(file), values) as copy:
                return " ".join(f"({line.partition(',')[2][:12]})" for line in b"".join(copy).decode().splitlines())
        return answer(ledger.connection.execute(statement(file, **parts), values))

    began: datetime = ledger.connection.execute("SELECT now() AS now").fetchone()["now"]  # type: ignore[index]
    known = contents(ledger)
    answered = run()
    if case.answers is not None:
        assert answered == case.answers
    now = contents(ledger)
    assert written(known, now) == case.writes
    assert columns(known, now, began) == WRITES.get(file, {})

    if case.fails_again:
        with pytest.raises((errors.UniqueViolation, errors.DuplicateTable)), ledger.batch():
            run()
        return
    answered, expected = run(), case.answers if case.again == SAME else case.again
    if expected is not None:
        assert answered == expected
    assert written(now, contents(ledger)) == case.rewrites


def test_an_undo_finds_our_copies_where_a_move_finds_what_legacy_holds(ledger: RunLedger) -> None:
    ledger.connection.execute(UNDONE)
    assert answer(ledger.execute("find_deletable", **DUE)) == "", "a move's question, of a run that is none"
    ledger = ledger.of_migration(1).of_run(2, undo=True)
    for _ in range(2):
        assert answer(ledger.execute("find_deletable", **DUE)) == "(image/changed p1) (image/copied p1)"


def test_each_object_is_looked_up_by_its_spelling(ledger: RunLedger) -> None:
    """Compared each with each, so many would take a minute."""
    ledger.execute("create_sample")
    ledger.execute("create_misspelt")
    spelling.create_otherwise(ledger)
    for text in (
        "INSERT INTO listed_sample (key) SELECT 'image/' || n FROM generate_series(1, 20000) AS n",
        "INSERT INTO listed_otherwise (spelling, reference, path, path_prefix) "
        "SELECT 'image/' || n, 'avatars.path', 'Image/' || n, 'image/' FROM generate_series(1, 20000) AS n",
        "SET LOCAL statement_timeout = '4s'",
    ):
        ledger.connection.execute(text)
    assert spelling.forecast_misspelt(ledger, "sample", "", 20_000) == ("image/9999", 20_000)


def test_every_statement_has_a_case() -> None:
    assert sorted(CASES) == FILES


# -- names --------------------------------------------------------------------------------------------------------

HOSTILE = Declaration.model_validate(
    {
        "name": "avatars",
        "legacy": {"conn_id": "legacy_s3", "bucket": "legacy", "prefix": "im'a\"ge %s {x}/"},
        "production": {"conn_id": "production_s3", "bucket": "production", "prefix": "av'a\"tar %% {x}/"},
        "database": {
            "conn_id": "proddatabase",
            "table": 'my "shop"; --.av"at %s {key} é',
            "column": 'pa"th %(key)s {table} $1',
        },
    }
)
OF_ROWS = re.compile(r"\{(table|paths|rows_naming_\w+)\}")
OF_THE_TABLE = [file for file in FILES if OF_ROWS.search(files()[file].read_text(encoding="utf-8"))]


@pytest.fixture(scope="module")
def hostile(postgres: Postgres) -> str:
    name = f'da"ta %s base {secrets.token_hex(4)}'
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with psycopg.connect(postgres.dsn("postgres"), dbname=name, autocommit=True) as connection:
        (reference,) = HOSTILE.references
        schema, table = reference.schema, reference.table
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        made = sql.SQL("CREATE TABLE {} (id serial PRIMARY KEY, {} varchar)")
        connection.execute(made.format(sql.Identifier(schema, table), sql.Identifier(reference.column)))
        for text in statements(HOSTILE, ROLE):
            connection.execute(text)  # type: ignore[call-overload]
        row = sql.SQL("INSERT INTO {} ({}) VALUES (").format(
            sql.Identifier(schema, table), sql.Identifier(reference.column)
        )
        connection.execute(row + sql.Literal(HOSTILE.legacy.prefix + "1") + sql.SQL(")"))
    return name


@pytest.mark.parametrize("file", [*OF_THE_TABLE, "check_column", "count_pages"])
def test_names_and_prefixes_are_never_taken_for_sql(
    postgres: Postgres, hostile: str, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    connect_database(monkeypatch, postgres.port, hostile)
    of_migration = Ledger.connect(HOSTILE).of_migration(1)
    with of_migration.connection.transaction(force_rollback=True):
        of_run = of_migration.of_run(of_migration.value("open_run", run_id="now", **OPENED))
        ledger = of_run.of_reference(HOSTILE.references[0])
        staging.create(ledger)
        ledger.execute("create_sample")
        ledger.parts["row_id"] = references.identifier("id")
        ledger.connection.execute(
            "INSERT INTO s3_migration.ledger (migration_id, legacy_key, run_no, legacy_gone_at, production_etag, "
            "production_modified) VALUES (1, %s, %s, now(), 'e', now())",
            [HOSTILE.legacy.prefix + "1", of_run.run_no],
        )
        values = {**ledger.values, **CASES[file].values, "column": HOSTILE.references[0].column}
        answered = answer(ledger.connection.execute(statement(file, **ledger.parts), values))
        select = sql.SQL("SELECT {} AS path FROM {}").format(ledger.parts["column"], ledger.parts["table"])
        (row,) = ledger.connection.execute(select, {}).fetchall()
    ledger.close()
    prefix = HOSTILE.production.prefix if file.startswith("switch") else HOSTILE.legacy.prefix
    assert row["path"] == f"{prefix}1"
    if file in {"count_pages", "switch_rows", "switch_unlocked_rows"}:
        assert answered == ("(1 1)" if file == "count_pages" else "(1)")


# -- the set-up, and what it leaves forbidden ---------------------------------------------------------------------


FINISHED = """
INSERT INTO s3_migration.ledger (migration_id, legacy_key, legacy_size, legacy_etag, copied_etag, production_etag,
    production_modified, run_no, legacy_gone_at, problem)
SELECT 1, 'image/' || n, 1, 'e', 'e', 'e', now(), {} FROM generate_series(1, 200000) AS n
"""
# Those of the listing, which are not written for statistics of another night.
BY_STATISTICS = ("adopt", "judge_gone", "find_unlisted", "find_unlisted_problems", "draw_chunks", "find_missing")
# What a night with nothing to do asks of the ledger.
QUIET: dict[str, dict[str, Any]] = {
    "adopt": {},
    "judge_gone": {},
    "find_unlisted": {"after": "", "limit": 1000},
    "find_unlisted_problems": {"after": "", "limit": 1000},
    "draw_chunks": {"after": "", "limit": 1000, "taken": 0, "length": 10},
    "find_missing": {"after": "", "limit": 20_000},
    "owns_objects": {},
    "count_states_in_legacy": ALL,
    "count_unapproved": ALL,
    "drop_fixed_acknowledgements": {},
    "end_verification": {"since": OLD},
    "find_copies_in_legacy": ALL,
    "find_failure_codes": ALL,
    "find_gone": {"limit": 1000},
    "find_left": ALL,
    "find_piece_end_in_legacy": {**ALL, "length": 1000},
    "find_problems": {**ALL, "states": ["failed", "listed"], "limit": 10},
    "find_with_problem": {**ALL, "problem": "changed"},
    "find_uncopied": {"after": "", "first_key": "", "last_key": "~", "problem": "damaged", "limit": 1000},
    "find_deletable": {"after": "", "first_key": "", "last_key": "~", "limit": 1000, "rows_asked": True},
    "grace_left": ALL,
    "has_unproven": ALL,
    "is_unfinished": ALL,
    "reclaim": ALL,
    "retry_refused_deletes": ALL,
    "find_problems_shown": {"after": "", "problem": None, "containing": None, "limit": 50},
    "count_problems": {"limit": 1000},
    "find_story": {"key": "image/copied"},
    "retry_refused_rows": {},
}


@pytest.mark.parametrize("stale", [False, True], ids=["known", "by statistics of another night"])
def test_a_quiet_night_reads_nothing_of_what_is_finished(
    postgres: Postgres, database: str, ledger: Ledger, stale: bool
) -> None:
    with psycopg.connect(postgres.dsn(database), autocommit=True) as admin:
        admin.execute("TRUNCATE s3_migration.ledger")
        admin.execute("UPDATE s3_migration.run SET verified_at = now(), finished_at = now() WHERE run_no = 1")
        if stale:  # all of it was in legacy then, the run's, and half of it a problem
            admin.execute(FINISHED.format("2, NULL, CASE WHEN n % 2 = 0 THEN 'changed' END"))
            admin.execute("VACUUM ANALYZE s3_migration.ledger")
            admin.execute("DELETE FROM s3_migration.ledger")
            admin.execute("VACUUM (ANALYZE off) s3_migration.ledger")
        admin.execute(FINISHED.format("1, now(), NULL"))
        admin.execute("VACUUM s3_migration.ledger" if stale else "VACUUM ANALYZE s3_migration.ledger")
    read = []
    for file, values in QUIET.items():
        if stale and file in BY_STATISTICS:
            continue
        explain = sql.SQL("EXPLAIN (ANALYZE, FORMAT JSON) ") + statement(file, **ledger.parts)
        scans = "on" if file in BY_STATISTICS else "off"  # as Ledger.by_index sets it
        ledger.connection.execute(f"SET LOCAL enable_seqscan = {scans}")
        row = ledger.connection.execute(explain, {**ledger.values, **values}).fetchone()
        assert row is not None
        read += [file for _ in _scans(row["QUERY PLAN"][0]["Plan"])]
    assert read == []


def _scans(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """The scans of the ledger in a plan that read more than a few rows."""
    of_ledger = plan.get("Relation Name") == "ledger" and plan.get("Rows Removed by Filter", 0) > 10_000
    return [plan] * of_ledger + [scan for part in plan.get("Plans", []) for scan in _scans(part)]


# These read part of it, and explain_rows_named is an EXPLAIN itself, of which there is none.
PARTLY = ("find_paths_of_row", "switch", "try_switch", "find_rows", "explain_rows", "count_rows_left", "find_otherwise")


@pytest.mark.parametrize("file", [file for file in OF_THE_TABLE if not file.startswith(PARTLY)])
def test_without_statistics_the_table_is_read_once_all_the_same(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    """A first run is over before autovacuum has come: the planner takes the ledger for empty."""
    name = set_up(postgres)
    with psycopg.connect(postgres.dsn(name), autocommit=True) as connection:
        for table in ("avatars", "s3_migration.ledger"):
            connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")  # type: ignore[call-overload]
        connection.execute("INSERT INTO avatars (path) SELECT 'image/' || n FROM generate_series(1, 2000) AS n")
        connection.execute(
            "INSERT INTO s3_migration.run (migration_id, run_id, mode, grace_period) VALUES (1, 'now', 'move', '0s')"
        )
        connection.execute(
            "INSERT INTO s3_migration.ledger (migration_id, legacy_key, legacy_etag, run_no, production_modified, "
            "production_etag, copied_etag, problem, copy_missing) "
            "SELECT 1, 'image/' || n, 'e', 1, now(), 'e', 'e', CASE WHEN n % 2 = 0 THEN 'damaged' END, n % 2 = 0 "
            "FROM generate_series(1, 2000) AS n"
        )
    connect_database(monkeypatch, postgres.port, name)
    ledger = Ledger.connect(declare()).of_migration(1).of_run(1).of_reference(declare().references[0])
    staging.create(ledger)
    ledger.execute("create_sample")
    explain = sql.SQL("EXPLAIN (ANALYZE, FORMAT JSON) ") + statement(file, **ledger.parts)
    with ledger.connection.transaction(force_rollback=True):
        row = ledger.connection.execute(explain, {**ledger.values, **CASES[file].values}).fetchone()
    ledger.close()
    assert row is not None
    assert _times_read(row["QUERY PLAN"][0]["Plan"], "avatars") <= 1


def _times_read(plan: dict[str, Any], table: str) -> int:
    own = int(plan["Actual Loops"]) if plan.get("Relation Name") == table else 0
    return own + sum(_times_read(part, table) for part in plan.get("Plans", []))


def test_the_set_up_holds_each_file_and_may_be_run_again(postgres: Postgres) -> None:
    name = f"sql_{secrets.token_hex(4)}"
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with psycopg.connect(postgres.dsn(name), autocommit=True) as connection:
        connection.execute("CREATE TABLE avatars (id serial PRIMARY KEY, path varchar)")
        known = catalog(connection)
        texts = statements(declare(), ROLE)
        assert len(texts) == len(SETUP)
        for file, text in zip(SETUP, texts, strict=True):
            connection.execute(text)  # type: ignore[call-overload]
            now = catalog(connection)
            assert (now == known) == (file in REFUSING), file
            known = now
            connection.execute(text)  # type: ignore[call-overload]
            assert catalog(connection) == known, file
        for text in texts:
            connection.execute(text)  # type: ignore[call-overload]
        assert catalog(connection) == known


def catalog(connection: psycopg.Connection[Any]) -> list[list[tuple[Any, ...]]]:
    """Everything a set-up statement can make: tables, columns, constraints, rights, rows."""
    found = [
        connection.execute(text).fetchall()
        for text in (
            "SELECT nspname, nspacl::text FROM pg_namespace WHERE nspname !~ '^pg_' ORDER BY 1",
            "SELECT oid::regclass::text, relacl::text, reloptions FROM pg_class "
            "WHERE relnamespace::regnamespace::text !~ '^(pg_|inf)' ORDER BY 1",
            "SELECT attrelid::regclass::text, attname, atttypid, attacl::text FROM pg_attribute "
            "WHERE attrelid::regclass::text ~ '^(avatars|s3_migration)' ORDER BY 1, 2",
            "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint ORDER BY 1, 2",
            "SELECT oid::regprocedure::text, proacl::text FROM pg_proc WHERE pronamespace::regnamespace::text = "
            "'s3_migration' ORDER BY 1",
            "SELECT datacl::text FROM pg_database WHERE datname = current_database()",
        )
    ]
    for table in ("migration", "schema_version"):
        if connection.execute("SELECT to_regclass(%s)", [f"s3_migration.{table}"]).fetchone() != (None,):
            found.append(
                connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier("s3_migration", table))).fetchall()
            )
    return found


FORBIDDEN = [
    "INSERT INTO avatars (path) VALUES ('avatar/x')",
    "DELETE FROM avatars",
    "TRUNCATE avatars",
    "UPDATE avatars SET id = id",
    "ALTER TABLE avatars ADD x int",
    "DROP TABLE avatars",
    "SELECT * FROM customers",
    "UPDATE s3_migration.migration SET name = 'x'",
    "INSERT INTO s3_migration.migration (name) VALUES ('x')",
    "DELETE FROM s3_migration.migration",
    "DELETE FROM s3_migration.ledger",
    "TRUNCATE s3_migration.ledger",
    "DELETE FROM s3_migration.run",
    "DELETE FROM s3_migration.tally",
    "DELETE FROM s3_migration.timing",
    "UPDATE s3_migration.chunk SET objects = 0",
    "UPDATE s3_migration.schema_version SET version = 3",
    "ALTER TABLE s3_migration.ledger DROP CONSTRAINT ledger_problem_is_known",
    "DROP TABLE s3_migration.ledger",
    "DROP SCHEMA s3_migration CASCADE",
    "CREATE TABLE public.x ()",
    "CREATE SCHEMA x",
    "CREATE ROLE x",
]


@pytest.mark.parametrize("text", FORBIDDEN)
def test_the_migrator_may_do_no_more_than_it_must(postgres: Postgres, database: str, ledger: Ledger, text: str) -> None:
    with psycopg.connect(postgres.dsn(database), autocommit=True) as administrator:
        administrator.execute("CREATE TABLE IF NOT EXISTS customers ()")
    with pytest.raises(errors.InsufficientPrivilege):
        ledger.connection.execute(text)  # type: ignore[call-overload]

"""The end of a migration: archived as it is, dropped only as it was archived, and nothing of ours stays."""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
from botocore import retryhandler
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import sql

from devstack.ports import free_port
from devstack.postgres import Postgres, binary
from s3_migration.commands import archive_files, removal, retire
from s3_migration.commands.answer import CommandError
from s3_migration.commands.archive_files import ArchiveError, Manifest
from s3_migration.ledger.schema import statements
from s3_migration.model import declaration as declarations
from s3_migration.model.completion import LastRun, Rows, find_unfinished
from s3_migration.model.declaration import Declaration, DeclarationError
from s3_migration.model.key_mapping import canary
from s3_migration.model.modes import Mode
from s3_migration.model.run_request import Request
from s3_migration.steps import hooks
from s3_migration.steps.check import check
from s3_migration.steps.preflight.errors import PreflightFailed
from tests.support import ROOT
from tests.support.command_line import Run, declare_in, run_apart, run_here
from tests.support.connections import PASSWORD, ROLE, connect_database, connect_s3, psql
from tests.support.flow import Flow, lapse, shared_clients
from tests.support.product import Product, declare
from tests.support.runbook import BLOCKS, RETIREMENT

KEYS = ("image/1.png", "image/2.png")
MAKE_HOOKS = hooks.make_hooks


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No other declaration but what a test writes."""
    (tmp_path / "declared").mkdir()
    monkeypatch.setattr(declarations, "DIRECTORY", tmp_path / "declared")


@pytest.fixture
def moved(product: Product, flow: Flow) -> Product:
    product.seed(*KEYS)
    flow.run()
    return product


def write(product: Product, tmp_path: Path, name: str = "archive", abandoned: str | None = None) -> Path:
    directory = tmp_path / name
    retire.write(product.declaration, directory, abandoned)
    return directory


def drop(product: Product, directory: Path, role: str | None = ROLE, uri: str = "") -> subprocess.CompletedProcess[str]:
    return psql(uri or product.database_uri, retire.script(product.declaration, directory, role))


def rows_of(directory: Path, table: str) -> list[dict[str, str]]:
    with gzip.open(directory / archive_files.csv_name(table), "rt", encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


# -- is it finished? ----------------------------------------------------------------------------------------------

MOVE = LastRun("night", "move", partial=False, ended=True)


@pytest.mark.parametrize(
    ("last", "states", "rows", "legacy", "says"),
    [
        (MOVE, {}, Rows(), [], []),
        (MOVE, {"moved": 9, "withdrawn": 1, "dangling": 1, "superseded": 1, "failed": 0}, Rows(), [], []),
        (None, {}, Rows(), [], ["nothing has been moved yet"]),
        (replace(MOVE, mode="switch"), {}, Rows(), [], ["night, was of mode switch"]),
        (replace(MOVE, mode="undo"), {}, Rows(), [], ["was of mode undo"]),
        (replace(MOVE, partial=True), {}, Rows(), [], ["only a part"]),
        (replace(MOVE, ended=False), {}, Rows(), [], ["never came to its end"]),
        (MOVE, {"waiting": 3}, Rows(), [], ["3 objects are waiting: their grace period"]),
        (MOVE, {"failed": 1, "copied": 2}, Rows(), [], ["1 objects are failed: fix", "2 objects are copied: trigger"]),
        (MOVE, {"moved": 1}, Rows(2, "image/a"), [], ["2 rows name a legacy path, e.g. 'image/a'"]),
        (MOVE, {"moved": 1}, Rows(), ["image/a", "image/b"], ["legacy holds 'image/a'"]),
    ],
)
def test_finished_is_what_needs_nobody_any_more(
    last: LastRun | None, states: dict[str, int], rows: Rows, legacy: list[str], says: list[str]
) -> None:
    left = find_unfinished(last, states, rows, legacy)
    assert len(left) == len(says)
    assert all(part in item for part, item in zip(says, left, strict=True))


def refused(product: Product, tmp_path: Path) -> str:
    with pytest.raises(CommandError) as caught:
        write(product, tmp_path)
    assert str(caught.value).startswith("nothing was archived. ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["declared"]
    return str(caught.value)


def test_what_is_not_finished_is_not_archived(product: Product, flow: Flow, tmp_path: Path) -> None:
    assert "nothing has been moved yet" in refused(product, tmp_path)
    product.seed(*KEYS)
    flow.run(limit=1)
    message = refused(product, tmp_path)
    assert "Migration avatars is not finished: 1 moved." in message
    assert "1 rows name a legacy path, e.g. 'image/2.png'" in message
    assert "legacy holds 'image/2.png'" in message
    flow.run(Mode.SWITCH)
    assert "1 objects are copied" in refused(product, tmp_path)
    flow.run()
    write(product, tmp_path)


def test_what_appeared_since_the_last_run_is_seen(moved: Product, tmp_path: Path) -> None:
    moved.put("legacy", "image/1.png")
    assert "legacy holds 'image/1.png', which the ledger" in refused(moved, tmp_path)
    moved.remove("legacy", "image/1.png")
    moved.row("image/gone.png")
    assert "1 rows name a legacy path, e.g. 'image/gone.png'" in refused(moved, tmp_path)


def test_each_thing_is_told_once_as_what_it_is(product: Product, flow: Flow, tmp_path: Path) -> None:
    product.seed("image/conflict.png", *KEYS)
    product.put("production", "avatar/conflict.png", b"someone else's, longer")
    flow.attempt(Mode.SWITCH)
    left = refused(product, tmp_path)
    assert "2 objects are copied: trigger a run" in left
    assert "1 objects are conflict: fix or acknowledge" in left
    assert "legacy holds" not in left, "which each of these states says"
    assert "rows name a legacy path" not in left, "but those of the conflict"
    product.sql("UPDATE avatars SET path = %s WHERE path = %s", KEYS[0], KEYS[0].replace("image", "avatar"))
    assert (
        f"1 rows name a legacy path, e.g. {KEYS[0]!r}, whose object is copied or gone, or unknown to the ledger: "
        "trigger a run with mode=move and no limit; if they come again, find who writes them"
    ) in refused(product, tmp_path)


def test_an_acknowledged_problem_and_what_no_run_can_mend_are_no_hindrance(
    product: Product, flow: Flow, tmp_path: Path
) -> None:
    product.seed("image/conflict.png", "image/fine.png")
    product.put("production", "avatar/conflict.png", b"someone else's, longer")
    product.row("image/nowhere.png")
    flow.attempt()
    assert "1 objects are conflict: fix or acknowledge" in refused(product, tmp_path)
    flow.run(acknowledge={"image/conflict.png": "both are cats"})
    directory = write(product, tmp_path)
    assert [row["reason"] for row in rows_of(directory, "acknowledged")] == ["both are cats"]
    assert Manifest.read(directory).finished


def test_an_abandoned_one_is_archived_with_the_reason(product: Product, flow: Flow, tmp_path: Path) -> None:
    product.seed(*KEYS)
    flow.run(Mode.COPY)
    manifest = Manifest.read(write(product, tmp_path, abandoned="the product is sold, Ada"))
    assert (manifest.finished, manifest.reason) == (False, "the product is sold, Ada")
    assert "2 objects are copied" in " ".join(manifest.left)


# -- the archive --------------------------------------------------------------------------------------------------


def test_the_archive_holds_the_whole_ledger_and_can_be_read_without_us(moved: Product, tmp_path: Path) -> None:
    directory = write(moved, tmp_path)
    assert {path.name for path in directory.iterdir()} == {
        *map(archive_files.csv_name, archive_files.TABLES),
        *("manifest.json", "SHA256SUMS", "restore.sql", "declaration.json"),
    }
    summed = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=directory, check=False)
    assert summed.returncode == 0
    for table, rows in Manifest.read(directory).rows.items():
        assert rows == len(rows_of(directory, table)) == len(moved.sql(f"TABLE s3_migration.{table}"))
    assert {row["legacy_key"]: row["legacy_gone_at"] != "" for row in rows_of(directory, "ledger")} == dict.fromkeys(
        KEYS, True
    )
    declared = Declaration.model_validate(json.loads((directory / "declaration.json").read_text()))
    assert declared == moved.declaration
    assert "is complete: migration avatars" in retire.read_again(moved.declaration, directory).text


def restored(postgres: Postgres, directory: Path, name: str) -> str:
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    done = psql(postgres.dsn(name), (directory / "restore.sql").read_text(), cwd=directory)
    assert (done.returncode, done.stderr) == (0, "")
    return postgres.dsn(name)


ALL = {
    table: f"SELECT t::text FROM s3_migration.{table} AS t ORDER BY 1"  # noqa: S608
    for table in archive_files.TABLES
}


def contents(connection: psycopg.Connection[Any]) -> dict[str, list[Any]]:
    return {table: connection.execute(text).fetchall() for table, text in ALL.items()}  # type: ignore[call-overload]


# What a key, or a store's words about it, may be; PostgreSQL and so the ledger hold no U+0000.
texts = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=40),
    st.text(st.sampled_from(list("\n\r\t\\\".,'NA é\U0001f600\x1a\x7f")), max_size=12),
)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(keys=st.lists(texts, min_size=1, max_size=60, unique=True), detail=st.one_of(st.none(), texts))
def test_any_key_comes_back_as_it_was(
    product: Product, postgres: Postgres, tmp_path: Path, keys: list[str], detail: str | None
) -> None:
    keys = list({*keys, "", "\\.", "a\n\\.\nb", "\\N", '"', ",", "\r\n", "NULL", " "})
    product.sql("TRUNCATE s3_migration.ledger")
    product.sql(
        "INSERT INTO s3_migration.run (migration_id, run_id, mode, grace_period) VALUES (1, 'r', 'move', '1d 2h') "
        "ON CONFLICT DO NOTHING"
    )
    product.database.cursor().executemany(
        "INSERT INTO s3_migration.ledger (migration_id, legacy_key, legacy_etag, run_no, detail) "
        "VALUES (1, %s, 'e', 1, %s)",
        [(key, detail) for key in keys],
    )
    number = time.monotonic_ns()
    directory = write(product, tmp_path, f"a{number}", abandoned="a test")
    assert sorted(row["legacy_key"] for row in rows_of(directory, "ledger")) == sorted(keys)
    with psycopg.connect(restored(postgres, directory, f"restored_{number}")) as connection:
        assert contents(connection) == contents(product.database)


def test_it_overwrites_nothing(moved: Product, tmp_path: Path) -> None:
    directory = write(moved, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in directory.iterdir()}
    for taken in (directory, tmp_path / "declared"):
        with pytest.raises(ArchiveError, match="is there already, and is not overwritten"):
            retire.write(moved.declaration, taken)
    with pytest.raises(ArchiveError, match="cannot write"):
        retire.write(moved.declaration, tmp_path / "no" / "such")
    assert {path: path.stat().st_mtime_ns for path in directory.iterdir()} == before


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda path: (path / "ledger.csv.gz").unlink(), "ledger.csv.gz"),
        (lambda path: (path / "ledger.csv.gz").write_bytes((path / "ledger.csv.gz").read_bytes()[:-9]), "sha256"),
        (lambda path: (path / "manifest.json").write_text("{}"), "no complete archive"),
        (lambda path: (path / "SHA256SUMS").write_text(""), "lacks something"),
        (lambda path: path.rename(path.with_name("elsewhere")), "no complete archive"),
    ],
    ids=["gone", "cut off", "manifest", "sums", "moved"],
)
def test_damage_is_found_and_nothing_is_dropped_for_it(moved: Product, tmp_path: Path, damage: Any, says: str) -> None:
    directory = write(moved, tmp_path)
    damage(directory)
    verified = retire.read_again(moved.declaration, directory)
    assert (verified.yes, says in verified.text) == (False, True)
    with pytest.raises(ArchiveError):
        retire.script(moved.declaration, directory, ROLE)


def test_rows_that_do_not_add_up_are_found(moved: Product, tmp_path: Path) -> None:
    directory = write(moved, tmp_path)
    manifest = json.loads((directory / "manifest.json").read_text())
    manifest["rows"]["ledger"] = 3
    (directory / "manifest.json").write_text(json.dumps(manifest))
    sums = (directory / "SHA256SUMS").read_text().splitlines()
    sums = [line for line in sums if "manifest" not in line]
    (directory / "SHA256SUMS").write_text(
        "\n".join([*sums, f"{archive_files._digest(directory / 'manifest.json')}  manifest.json"])
    )
    assert "has 2 rows, expected 3" in retire.read_again(moved.declaration, directory).text


def test_a_run_at_work_is_not_archived_beneath(product: Product, flow: Flow, tmp_path: Path) -> None:
    product.seed(*KEYS)
    flow.begin()
    message = refused(product, tmp_path)
    assert f"Run {flow.run_id} (mode move) is at work, at least until" in message
    flow.work_off(flow.tasks())
    write(product, tmp_path)


KILLED = """
import sys, time
from pathlib import Path
from s3_migration.commands import archive_files
from s3_migration.commands import retire
from s3_migration.model.declaration import Declaration
write = archive_files.Writer.table
def slowly(self, name, blocks):
    write(self, name, blocks)
    if name == "ledger":
        print("ledger", flush=True)
        time.sleep(60)
archive_files.Writer.table = slowly
retire.write(Declaration.model_validate_json(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_killed_try_leaves_no_archive_and_the_next_one_works(moved: Product, tmp_path: Path) -> None:
    directory = tmp_path / "archive"
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, moved.declaration.model_dump_json(), str(directory)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        while process.stdout.readline().strip() != "ledger":
            assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
    assert not directory.exists()
    (left,) = archive_files.partial_archives(directory)
    with pytest.raises(ArchiveError):
        archive_files.verify(left)
    said = retire.write(moved.declaration, directory).text
    assert f"Left by an earlier try that was killed, and no archive: {left}; remove it." in said
    assert retire.read_again(moved.declaration, directory).yes


def test_canaries_of_a_killed_check_are_removed_and_hinder_nothing(moved: Product, tmp_path: Path) -> None:
    moved.put("legacy", canary("image/", "avatars", "killed"))
    moved.put("production", canary("avatar/", "avatars", "killed"))
    write(moved, tmp_path)
    assert moved.objects("legacy") == {}
    assert set(moved.objects("production")) == {"avatar/1.png", "avatar/2.png"}


# -- the drop -----------------------------------------------------------------------------------------------------

# Whatever in the catalog, of this database or of all, has to do with the schema or the role.
TRACES = """
    SELECT 'schema', nspname FROM pg_namespace WHERE nspname = 's3_migration'
    UNION ALL SELECT 'table', relname FROM pg_class WHERE relacl::text LIKE %(role)s
    UNION ALL SELECT 'column', attname FROM pg_attribute WHERE attacl::text LIKE %(role)s
    UNION ALL SELECT 'schema right', nspname FROM pg_namespace WHERE nspacl::text LIKE %(role)s
    UNION ALL SELECT 'database', datname FROM pg_database
    WHERE datname = current_database() AND datacl::text LIKE %(role)s
"""


def traces(product: Product, role: str) -> list[tuple[Any, ...]]:
    return product.database.execute(TRACES, {"role": f"%{role}%"}).fetchall()


NAMES = {"table": "User's Pictures", "column": 'the "path"', "role": 'my-role "x"'}


@pytest.fixture
def quoted(product: Product, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Product]:
    """A product of names that need quoting, and a role of its own."""
    names = {name: sql.Identifier(value) for name, value in NAMES.items()}
    product.sql("DROP SCHEMA s3_migration CASCADE")
    for text in (
        "ALTER TABLE avatars RENAME path TO {column}",
        "ALTER TABLE avatars RENAME TO {table}",
        "CREATE ROLE {role} LOGIN PASSWORD 'migrator-password'",
    ):
        product.database.execute(sql.SQL(text).format(**names))
    database = {"conn_id": "proddatabase", "table": NAMES["table"], "column": NAMES["column"]}
    product.declaration = declare(product.bucket("legacy"), product.bucket("production"), database=database)
    set_up(product, NAMES["role"])
    connect_database(monkeypatch, postgres.port, product.database.info.dbname, NAMES["role"], PASSWORD)
    yield product
    if product.sql("SELECT FROM pg_roles WHERE rolname = %s", NAMES["role"]):
        product.database.execute(sql.SQL("DROP OWNED BY {role}").format(**names))
        product.database.execute(sql.SQL("DROP ROLE {role}").format(**names))


def set_up(product: Product, role: str = ROLE, declaration: Declaration | None = None) -> None:
    for text in statements(declaration or product.declaration, role):
        product.database.execute(text.encode())


def test_nothing_of_ours_stays_but_the_product_s_rows(
    quoted: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {name: sql.Identifier(value) for name, value in NAMES.items()}
    rows = sql.SQL("SELECT id, {column} FROM {table} ORDER BY 1").format(**names)
    quoted.put("legacy", "image/1.png")
    quoted.database.execute(sql.SQL("INSERT INTO {table} ({column}) VALUES ('image/1.png'), (NULL)").format(**names))
    with monkeypatch.context() as meanwhile, shared_clients(quoted.declaration, meanwhile) as hooks:
        Flow(quoted.declaration, hooks).run()
    assert len(traces(quoted, "my-role")) > 10
    directory = write(quoted, tmp_path)
    done = drop(quoted, directory, NAMES["role"])
    assert (done.returncode, done.stderr) == (0, "")
    assert traces(quoted, "my-role") == []
    assert quoted.database.execute(rows).fetchall() == [(1, "avatar/1.png"), (2, None)]
    (line,) = [
        line for line in retire.script(quoted.declaration, directory, NAMES["role"]).splitlines() if "DROP ROLE" in line
    ]
    quoted.database.execute(line.partition(": ")[2].encode())
    quoted.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IS NULL AND datname = current_database()"
    )
    assert "nothing to forget" in drop(quoted, directory, None).stderr

    quoted.database.execute(sql.SQL("CREATE ROLE {role} LOGIN PASSWORD 'migrator-password'").format(**names))
    set_up(quoted, NAMES["role"])
    assert check(quoted.declaration, "again", Request(Mode.MOVE))


def test_a_ledger_that_was_worked_on_since_is_not_dropped(moved: Product, flow: Flow, tmp_path: Path) -> None:
    directory = write(moved, tmp_path)
    moved.sql("UPDATE s3_migration.migration SET lease_run_no = 1, lease_until = now() + interval '1 min'")
    before = contents(moved.database)
    assert "a run of migration avatars is at work: nothing was changed" in drop(moved, directory).stderr
    assert contents(moved.database) == before
    moved.sql("UPDATE s3_migration.migration SET lease_run_no = NULL, lease_until = NULL")
    flow.run(Mode.PLAN)
    done = drop(moved, directory)
    assert done.returncode == 3
    assert "this is not the ledger of migration avatars that was archived" in done.stderr
    assert drop(moved, write(moved, tmp_path, "again")).returncode == 0


def test_a_run_that_was_left_to_lapse_and_goes_on_is_noticed(product: Product, flow: Flow, tmp_path: Path) -> None:
    product.seed(*KEYS)
    flow.begin()
    flow.copy()
    lapse(product)
    directory = write(product, tmp_path, abandoned="a test")
    flow.work_off([("switch", 0)])
    lapse(product)
    assert "that was archived" in drop(product, directory).stderr


def test_the_archive_of_another_database_or_migration_drops_nothing(
    moved: Product, postgres: Postgres, tmp_path: Path
) -> None:
    directory = write(moved, tmp_path)
    moved.sql("UPDATE s3_migration.run SET started_at = started_at + interval '1 microsecond'")
    assert "that was archived" in drop(moved, directory).stderr, "same token, another run"
    with pytest.raises(CommandError, match="is of migration 'avatars'"):
        retire.script(moved.declaration.model_copy(update={"name": "banners"}), directory, ROLE)
    assert "no schema s3_migration" in drop(moved, directory, uri=postgres.dsn("postgres")).stderr


def test_what_others_built_upon_the_ledger_is_not_taken_along(moved: Product, tmp_path: Path) -> None:
    moved.sql("CREATE VIEW dashboard AS SELECT count(*) FROM s3_migration.ledger")
    before = contents(moved.database)
    done = drop(moved, write(moved, tmp_path))
    assert done.returncode == 3
    assert "view dashboard depends on table" in done.stderr
    assert [row for table in before for row in before[table] if table != "migration"] == [
        row for table, rows in contents(moved.database).items() for row in rows if table != "migration"
    ]
    assert traces(moved, ROLE), "and no right was taken"


@pytest.fixture
def banners(product: Product, tmp_path: Path) -> Declaration:
    """Another migration of the same table, role, buckets and ledger."""
    legacy, production = product.declaration.legacy, product.declaration.production
    made = product.declaration.model_copy(
        update={
            "name": "banners",
            "legacy": legacy.model_copy(update={"prefix": "ad/", "path_prefix": "ad/"}),
            "production": production.model_copy(update={"prefix": "banner/", "path_prefix": "banner/"}),
        }
    )
    (tmp_path / "declared" / "banners.yaml").write_text(made.model_dump_json(exclude={"name"}))
    set_up(product, declaration=made)
    return made


def test_of_two_migrations_in_a_database_the_other_stays_whole_and_at_work(
    product: Product, banners: Declaration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect_s3(monkeypatch, product.endpoint_url, "admin")
    product.seed(*KEYS, "ad/1.png")
    with shared_clients(product.declaration, monkeypatch) as hooks:
        Flow(product.declaration, hooks).run()
        other = Flow(banners, hooks)
        other.run()
        before = [row for rows in contents(product.database).values() for row in rows]
        directory = write(product, tmp_path)
        assert {row["legacy_key"] for row in rows_of(directory, "ledger")} == set(KEYS)
        assert [row["run_id"] for row in rows_of(directory, "run")] != [other.run_id]
        printed = retire.script(product.declaration, directory, ROLE)
        assert "keeps what others of the same connection need: banners." in printed
        assert "REVOKE" not in printed
        done = psql(product.database_uri, printed)
        assert (done.returncode, done.stderr) == (0, "")

        assert product.problems() == {"ad/1.png": None}
        assert product.sql("SELECT name FROM s3_migration.migration") == [("banners",)]
        assert product.sql("SELECT run_id FROM s3_migration.run") == [(other.run_id,)]
        for table in ("chunk", "tally", "timing"):
            assert product.sql(f"SELECT DISTINCT run_no FROM s3_migration.{table}") == [(2,)]  # noqa: S608
        assert {row for rows in contents(product.database).values() for row in rows} <= set(before)
        with pytest.raises(PreflightFailed, match="does not know migration 'avatars'"):
            check(product.declaration, "r", Request(Mode.MOVE))
        product.seed("ad/2.png")
        assert other.run().deleted == 1

        (tmp_path / "declared" / "banners.yaml").unlink()
        product.declaration = banners
        assert drop(product, write(product, tmp_path, "last")).returncode == 0
    assert traces(product, ROLE) == []
    assert product.rows() == ["avatar/1.png", "avatar/2.png", "banner/1.png", "banner/2.png"]


def test_a_role_of_its_own_goes_while_another_migration_stays(moved: Product, tmp_path: Path) -> None:
    elsewhere = moved.declaration.database.model_copy(update={"conn_id": "other"})
    other = moved.declaration.model_copy(update={"name": "other", "database": elsewhere})
    set_up(moved, "postgres", other)
    assert drop(moved, write(moved, tmp_path)).returncode == 0
    assert traces(moved, ROLE) == [("schema", "s3_migration")]
    assert moved.sql("SELECT name FROM s3_migration.migration") == [("other",)]


def of(conn_id: str = "proddatabase", table: str = "avatars", column: str = "path") -> Declaration:
    database = {"conn_id": conn_id, "table": table, "column": column}
    return declare(database=database).model_copy(update={"name": "other"})


@pytest.mark.parametrize(
    ("other", "kept"),
    [
        (of(conn_id="elsewhere"), set()),
        (of(), {"30", "31", "32", "33", "34", "35"}),
        (of(table="public.avatars"), {"30", "31", "32", "33", "34", "35"}),
        (of(column="thumb"), {"30", "31", "32", "33", "35"}),
        (of(table="banners"), {"30", "31", "32", "33"}),
        (of(table="shop.avatars"), {"30", "31", "32"}),
    ],
)
def test_a_shared_role_keeps_what_the_others_need(other: Declaration, kept: set[str]) -> None:
    assert {Path(file).name[:2] for file in removal.rights_still_needed(declare(), [other])} == kept


def test_an_unreadable_declaration_may_need_anything(moved: Product, tmp_path: Path) -> None:
    directory = write(moved, tmp_path)
    (tmp_path / "declared" / "broken.yaml").write_text("legacy: 1")
    with pytest.raises(DeclarationError, match=r"broken\.yaml"):
        drop(moved, directory)


def test_without_a_role_nobody_loses_a_right(moved: Product, tmp_path: Path) -> None:
    printed = retire.script(moved.declaration, write(moved, tmp_path), None)
    assert "REVOKE" not in printed
    assert psql(moved.database_uri, printed).returncode == 0
    assert ("table", "avatars") in traces(moved, ROLE)
    assert ("schema", "s3_migration") not in traces(moved, ROLE)


# -- the command --------------------------------------------------------------------------------------------------


@pytest.fixture
def retiring(
    moved: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """The command, with the product's declaration."""
    declare_in(tmp_path / "declared", moved.declaration, monkeypatch)
    return partial(run_here, capsys, "retire", "avatars")


def test_the_command(moved: Product, retiring: Run, tmp_path: Path) -> None:
    directory = str(tmp_path / "archive")
    upload = {"Bucket": moved.bucket("production"), "Key": "avatar/large.png"}
    upload["UploadId"] = moved.s3.create_multipart_upload(**upload)["UploadId"]
    code, shown, _ = retiring("show")
    moved.s3.abort_multipart_upload(**upload)
    assert code == 0
    assert shown.startswith("Migration avatars is finished: 2 moved.\n")
    for part in (
        "airflow dags delete migrate_avatars",
        "airflow connections delete legacy_s3",
        f"list-multipart-uploads --bucket {moved.bucket('production')} --prefix 'avatar/'",
        f"now: 1 unfinished uploads below s3://{moved.bucket('production')}/avatar/",
        f"'avatar/large.png' ({upload['UploadId']}",
        "image/.s3-migration-canary",
        "docker compose down --volumes",
    ):
        assert part in shown
    said = retiring("archive", directory).out
    assert f"archived in {directory}: 2 objects, 1 runs; read again, and complete." in said
    assert "is complete" in retiring("verify", directory).out
    assert psql(moved.database_uri, retiring("drop", directory, "--role", ROLE).out).returncode == 0
    code, out, error = retiring("show")
    assert (code, out) == (2, "")
    assert re.match(r"Error: Migration avatars: .* is not set up", error)


def test_what_a_program_is_told(moved: Product, retiring: Run, tmp_path: Path) -> None:
    directory = str(tmp_path / "archive")
    shown = retiring("show", "--json")
    told = json.loads(shown.out)
    assert (shown.code, told["migration"], told["finished"], told["left"]) == (0, "avatars", True, [])
    assert "airflow dags delete migrate_avatars" in told["made_for_it"]["the DAG"]
    for action in ("archive", "verify"):
        told = json.loads(retiring(action, directory, "--json").out)
        assert (told["archive"], told["complete"], told["rows"]["ledger"]) == (directory, True, 2)
    (tmp_path / "archive" / "ledger.csv.gz").unlink()
    verified = retiring("verify", directory, "--json")
    told = json.loads(verified.out)
    assert (verified.code, told["complete"]) == (1, False)
    assert "ledger.csv.gz" in told["why"]
    assert retiring("drop", directory).code == 2


def test_what_is_not_finished_is_an_answer_and_no_archive(moved: Product, retiring: Run, tmp_path: Path) -> None:
    moved.put("legacy", "image/late.png")
    code, out, _ = retiring("show")
    assert (code, out.splitlines()[0]) == (1, "Migration avatars is not finished: 2 moved.")
    told = json.loads(retiring("show", "--json").out)
    assert (told["finished"], "image/late.png" in told["left"][0]) == (False, True)
    code, out, error = retiring("archive", str(tmp_path / "archive"), "--json")
    assert (code, out) == (2, "")
    assert "nothing was archived. Migration avatars is not finished" in error
    assert not (tmp_path / "archive").exists()


@pytest.mark.parametrize("secret", ["secret", "wrong"])
def test_a_store_that_is_down_or_refuses_the_credentials_is_named(
    retiring: Run, product: Product, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setattr(retryhandler, "delay_exponential", lambda *args, **kwargs: 0)
    down = f"http://127.0.0.1:{free_port()}" if secret == "secret" else product.endpoint_url
    with monkeypatch.context() as patch:
        patch.setattr(hooks, "make_hooks", MAKE_HOOKS)
        connect_s3(patch, down, secret=secret)
        code, out, error = retiring("show", "--json")
    assert (code, out) == (2, "")
    assert f"cannot list s3://{product.bucket('legacy')}/image/" in error
    assert "Fix: correct Airflow's connection 'legacy_s3', or its rights." in error


def test_what_other_declarations_use_is_not_listed_for_removal() -> None:
    checklist = removal.checklist(declare(pool="bulk"), [of(conn_id="elsewhere")])
    text = "\n".join(f"{thing}: {how}" for thing, how in checklist.items())
    assert "airflow connections delete proddatabase" in text
    assert "connections that others use: legacy_s3, production_s3" in text
    assert "airflow pools delete bulk" in text
    assert "docker compose" not in text


@pytest.mark.parametrize(
    "arguments",
    [["nobody", "show"], ["avatars"], ["avatars", "archive"], ["avatars", "archive", "x", "--abandoned", " "]],
    ids=" ".join,
)
def test_the_command_refuses_what_it_cannot_do(
    arguments: list[str], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare_in(tmp_path / "declared", declare(), monkeypatch)
    code, out, error = run("retire", *arguments)
    assert (code, out) == (2, "")
    assert "Error: " in error


def test_a_pipe_gets_sql_and_nothing_else(moved: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow logs to stdout, and what is piped into psql has to be pure."""
    declare_in(tmp_path / "declared", moved.declaration, monkeypatch)
    run = partial(run_apart, "retire", "avatars")
    archived = run("archive", str(tmp_path / "archive"))
    assert archived.code == 0, archived.error
    printed = run("drop", str(tmp_path / "archive"), "--role", ROLE)
    assert printed.out.startswith("-- Forgets migration avatars, archived ")
    assert psql(moved.database_uri, printed.out).returncode == 0
    assert traces(moved, ROLE) == []
    again = run("archive", str(tmp_path / "again"))
    assert (again.code, again.out) == (2, "")
    assert "Traceback" not in again.error
    assert "is not set up" in again.error


def test_the_runbook_s_retirement_works_as_written(moved: Product, tmp_path: Path) -> None:
    (tmp_path / "declared" / "avatars.yaml").write_text(moved.declaration.model_dump_json(exclude={"name"}))
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{Path(binary('psql')[-1]).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "include"),
        "S3_MIGRATION_DECLARATIONS": str(tmp_path / "declared"),
        "DB_CONN_STRING": moved.database_uri,
    }
    (block,) = [block for block in BLOCKS if block.heading == RETIREMENT]
    ours = [line for line in block.text.splitlines() if not line.startswith("airflow")]
    for line in ours:
        done = subprocess.run(
            ["bash", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (line, done.stderr)
        for script in tmp_path.glob("*.sql"):
            script.write_text(script.read_text().replace("proddatabase", moved.database.info.dbname))
    assert len(ours) == 4
    assert moved.sql("SELECT to_regnamespace('s3_migration')") == [(None,)]

"""Each condition of the statements that can lose an object is held by a case that fails without it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest
from dateutil.parser import isoparse
from psycopg import errors
from psycopg.sql import Identifier

from devstack.postgres import Postgres
from s3_migration.ledger.references import MOVE, UNDO, parts, parts_of_all
from s3_migration.ledger.statements import files, statement
from tests.sql.empty_product import set_up
from tests.sql.guarded import GUARDED, WORLD, Effect, Facts, Oid, Time
from tests.sql.mutants import mutants, parse, render
from tests.support.product import declare

# Whatever the ledger's own constraints rule out: a guard is not to lean on them.
NEIGHBOURS = """
DO $$
DECLARE ruled record;
BEGIN
    FOR ruled IN SELECT conname FROM pg_constraint WHERE conrelid = 's3_migration.ledger'::regclass AND contype = 'c'
    LOOP
        EXECUTE format('ALTER TABLE s3_migration.ledger DROP CONSTRAINT %I', ruled.conname);
    END LOOP;
END
$$;
INSERT INTO s3_migration.migration (name) VALUES ('other');
INSERT INTO s3_migration.run (migration_id, run_id, mode, grace_period)
VALUES (1, 'former', 'move', '0'), (1, 'now', 'move', '0'), (1, 'later', 'move', '0'), (2, 'now', 'move', '0');
INSERT INTO s3_migration.ledger (migration_id, legacy_key, run_no)
VALUES (1, 'image/a', 2), (1, 'image/b', 2), (2, 'image/a', 2);
INSERT INTO s3_migration.timing (run_no, step, chunk, started_at)
VALUES (2, 'copy', 1, now()), (2, 'copy', 2, now()), (2, 'copy', -99998, now()),
    (2, 'list', 1, now()), (2, 'list', -99999, now()), (3, 'copy', 1, now()), (3, 'copy', -99999, now());
INSERT INTO s3_migration.deletion (migration_id, run_no, chunk, deleting_until)
SELECT * FROM (VALUES (1, 2, 1), (1, 2, 2), (1, 3, 1), (2, 4, 1)) AS d, LATERAL (SELECT now() - interval '1h') AS over;
INSERT INTO s3_migration.lane VALUES (2, 0, 'image/', '{image/a}', 'image/a', 't');
CREATE TABLE held (path varchar);
INSERT INTO held VALUES ('image/a'), ('image/a');
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
"""
# What facts are about, and which row is ours; the others are its neighbours.
TABLES = {
    "migration": ("s3_migration.migration", "migration_id = 1"),
    "run": ("s3_migration.run", "run_no = 2"),
    "later": ("s3_migration.run", "run_no = 3"),
    "elsewhere run": ("s3_migration.run", "run_no = 4"),
    "object": ("s3_migration.ledger", "migration_id = 1 AND legacy_key = 'image/a'"),
    "timing": ("s3_migration.timing", "run_no = 2 AND step = 'copy' AND chunk = 1"),
    "deletion": ("s3_migration.deletion", "deletion_no = 1"),
    "other": ("s3_migration.deletion", "deletion_no = 2"),
    "lane": ("s3_migration.lane", "true"),
    "elsewhere": ("s3_migration.deletion", "deletion_no = 4"),
}
# The rows of all tables that a guarded statement writes, each under the name by which an effect tells of it.
CONTENTS = """
SELECT 'row ' || id AS name, ctid::text AS version, to_jsonb(t) - 'id' AS held FROM avatars AS t
UNION ALL SELECT 'migration ' || migration_id, ctid::text, to_jsonb(t) FROM s3_migration.migration AS t
UNION ALL SELECT 'run ' || run_no, ctid::text, to_jsonb(t) FROM s3_migration.run AS t
UNION ALL SELECT legacy_key || CASE WHEN migration_id <> 1 THEN ' of another migration' ELSE '' END,
    ctid::text, to_jsonb(t) FROM s3_migration.ledger AS t
UNION ALL SELECT concat_ws(' ', 'deletion', migration_id, run_no, chunk), ctid::text, to_jsonb(t) - 'deletion_no'
    FROM s3_migration.deletion AS t
UNION ALL SELECT concat_ws(' ', 'timing', run_no, step, chunk), ctid::text, to_jsonb(t) FROM s3_migration.timing AS t
"""
COUNTED = "SELECT setval(pg_get_serial_sequence('s3_migration.deletion', 'deletion_no'), 4)"
Contents = dict[str, tuple[str, dict[str, Any]]]

STAGED = statement("create_misspelt").as_string()
LEGACY = {"legacy": Identifier("pg_temp", "listed_legacy")}
STAGING = statement("create_staging", staging=LEGACY["legacy"]).as_string()
UNNAMED = statement("create_unnamed").as_string()


class Database:
    """A database in which every case begins with the same world; nothing that a case does stays."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self.now = datetime.now(timezone.utc)  # of the transaction, by the database's clock

    def effect(self, text: str, facts: Facts) -> Effect:
        """What the statement (with its placeholders) does in a world of these facts."""
        (effect,) = self.effects([text], facts)
        if isinstance(effect, psycopg.Error):
            raise effect
        return effect

    def effects(self, texts: Iterable[str], facts: Facts) -> Iterator[Effect | psycopg.Error]:
        """What each of these statements does in it, or how it is refused.

        The world is made once for many of them: that takes ten times as long as one of them does.
        """
        left = iter(texts)
        for first in left:
            with self.connection.transaction(force_rollback=True):
                (self.now,) = self.connection.execute("SELECT now()").fetchone()  # type: ignore[misc]
                begun = time.monotonic()
                with self.connection.pipeline():
                    self._set(facts)
                before = _contents(self.connection.execute(CONTENTS))
                values = {name: self._timed(value) for name, value in facts.items() if "." not in name}
                yield self._effect(first, values, before)
                # What goes by the clock, and not by when the transaction began, is told in whole seconds.
                while time.monotonic() - begun < 0.2 and (text := next(left, None)) is not None:
                    yield self._effect(text, values, before)

    def _effect(self, text: str, values: dict[str, Any], before: Contents) -> Effect | psycopg.Error:
        try:
            with self.connection.transaction(force_rollback=True), self.connection.pipeline():
                # What a sequence has counted is not rolled back.
                self.connection.execute(COUNTED)
                cursor = self.connection.execute(text.encode(), values)
                after = self.connection.execute(CONTENTS)
        except (errors.IntegrityError, errors.LockNotAvailable) as error:
            return error
        answers = [tuple(map(self._told, row)) for row in cursor] if cursor.description else []
        written = _written(before, _contents(after))
        found = {name: {column: self._told(value) for column, value in row.items()} for name, row in written.items()}
        return {"answers": answers, **found} if answers else found

    def _set(self, facts: Facts) -> None:
        for everywhere in (True, False):
            for name, (table, ours) in TABLES.items():
                start = f"all {name}." if everywhere else f"{name}."
                new = {key[len(start) :]: self._timed(value) for key, value in facts.items() if key.startswith(start)}
                if new:
                    columns = ", ".join(f"{column} = %({column})s" for column in new)
                    where = "true" if everywhere else ours
                    self.connection.execute(f"UPDATE {table} SET {columns} WHERE {where}".encode(), new)  # noqa: S608
        if "rows" in facts:
            # From the first place of the first page on, whatever was there and rolled back.
            self.connection.execute("TRUNCATE avatars RESTART IDENTITY")
            self.connection.execute("INSERT INTO avatars (path) SELECT unnest(%s::text[])", [facts["rows"]])
        if "spelt" in facts:
            self.connection.execute(STAGED)
            for key, path in facts["spelt"]:
                row = (key, "avatars.path", path, None, "image/", key.removeprefix("image/"))
                self.connection.execute("INSERT INTO pg_temp.listed_misspelt VALUES (%s, %s, %s, %s, %s, %s)", row)
        if "staged" in facts:
            self.connection.execute(STAGING)
            self.connection.execute(
                "INSERT INTO pg_temp.listed_legacy (key) SELECT unnest(%s::text[])", [facts["staged"]]
            )
        if "unnamed" in facts:
            self.connection.execute(UNNAMED)
            self.connection.execute("INSERT INTO pg_temp.listed_unnamed SELECT unnest(%s::text[])", [facts["unnamed"]])
        if facts.get("kept"):
            self.connection.execute("CREATE TRIGGER kept BEFORE UPDATE ON avatars FOR EACH ROW EXECUTE FUNCTION keep()")

    def _timed(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._timed(one) for one in value]
        if isinstance(value, Oid):
            return self.connection.execute("SELECT %s::regclass::oid::int8", [value.table]).fetchone()[0]  # type: ignore[index]
        return self.now + timedelta(seconds=value.seconds) if isinstance(value, Time) else value

    def _told(self, value: Any) -> Any:
        if isinstance(value, str) and TIME(value):
            value = isoparse(value)
        # clock_timestamp() goes on within the transaction
        if isinstance(value, timedelta):
            return timedelta(seconds=round(value.total_seconds()))
        if not isinstance(value, datetime):
            return value
        seconds = (value - self.now).total_seconds()
        return Time(0 if seconds >= 0 and value <= datetime.now(timezone.utc) else round(seconds))


TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:").match


def _contents(rows: Iterable[tuple[str, str, dict[str, Any]]]) -> Contents:
    return {name: (version, held) for name, version, held in rows}


def _written(before: Contents, after: Contents) -> dict[str, dict[str, Any]]:
    """By row the columns that changed, of a new row all but the nulls; `{}` where it was written with what it held."""
    found = {}
    for name, (version, held) in after.items():
        old_version, old = before.get(name, ("", {}))
        if version != old_version:
            found[name] = {column: value for column, value in held.items() if value != old.get(column)}
    return found | {name: {"deleted": True} for name in before.keys() - after.keys()}


def text_of(name: str) -> str:
    """A statement as it is sent, but for its values."""
    references = declare().references
    return statement(name, **parts_of_all(references, MOVE), **parts(references[0], MOVE), **LEGACY).as_string()


def directed(text: str, facts: Facts) -> str:
    """A statement of a move, as an undo sends it: the same, with the other side's prefixes; and of the table named."""
    if facts.get("undo"):
        # As it is written here, and as sqlglot renders it.
        rest = r"(?i)(substr\([^()]*, |substring\([^()]* FROM )([78])\)"
        text = re.sub(rest, lambda found: f"{found[1]}{15 - int(found[2])})", text)
        text = re.sub(r"(?i)(starts_with\([^()]*, )'image/'", r"\1'avatar/'", text).replace(
            "'avatar/' ||", "'image/' ||"
        )
        # The key that a path names: on one side it is the path itself.
        text = re.sub(
            r"""(?ix) \(([^()]+)\)::text\ COLLATE\ "C" | CAST\(\(([^()]+)\)\ AS\ TEXT\)\ COLLATE\ "C"
            | \('image/'\ \|\|\ substr(?:ing)?\(([^()]+?)(?:,|\ FROM)\ 7\)\)\ COLLATE\ "C" """,
            lambda found: (
                f'({found[3]})::text COLLATE "C"'
                if found[3]
                else f"('image/' || substr({found[1] or found[2]}, 8)) COLLATE \"C\""
            ),
            text,
        )
    return text.replace('"avatars"', f'"{facts["table"]}"') if "table" in facts else text


def test_an_undo_is_the_same_statement_with_the_other_prefixes() -> None:
    for name in ("switch_rows", "switch_unlocked_rows", "find_rows_left", "count_rows_left"):
        references = declare().references
        undo = statement(name, **parts_of_all(references, UNDO), **parts(references[0], UNDO)).as_string()
        assert directed(text_of(name), {"undo": True}) == undo


@pytest.fixture(scope="module")
def database(postgres: Postgres) -> Iterator[Database]:
    name = set_up(postgres)
    with (
        psycopg.connect(postgres.dsn(name), autocommit=True) as connection,
        psycopg.connect(postgres.dsn(name)) as holder,
    ):
        connection.execute(NEIGHBOURS)
        holder.execute("SELECT FROM held LIMIT 1 FOR UPDATE")
        connection.execute("SET lock_timeout = '50ms'")
        yield Database(connection)


@pytest.mark.parametrize(("name", "case"), [(name, case) for name, of in GUARDED.items() for case in of.cases])
def test_a_guarded_statement_does_this_and_no_more(database: Database, name: str, case: str) -> None:
    facts, does = GUARDED[name].cases[case]
    text = directed(text_of(name), facts)
    assert database.effect(text, {**WORLD, **GUARDED[name].world, **facts}) == does


@pytest.mark.parametrize("name", sorted(GUARDED))
def test_without_any_of_its_conditions_a_case_fails(database: Database, name: str) -> None:
    guarded, text = GUARDED[name], text_of(name)
    # Those that no case has told from the statement yet; the first is the statement itself.
    left = {"": render(parse(text)), **dict(mutants(text))}
    for facts, does in guarded.cases.values():
        texts = [directed(changed, facts) for changed in left.values()]
        effects = database.effects(texts, {**WORLD, **guarded.world, **facts})
        left = {mutant: left[mutant] for mutant, effect in zip(list(left), effects, strict=True) if effect == does}
    assert "" in left, "parsed and rendered, the statement is another one"
    assert left.keys() - {""} == set(guarded.equivalent)


def test_every_statement_that_could_lose_an_object_is_guarded() -> None:
    """Whatever begins a step, marks an object, switches rows or has to do with the lease."""
    of_the_kind = {name for name in files() if re.match(r"begin_|mark_|switch_", name) or name.endswith("_lease")}
    assert of_the_kind <= GUARDED.keys()

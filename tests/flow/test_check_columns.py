"""What check says of the columns that name the objects: an update that would not work, before anything is done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from psycopg.errors import FeatureNotSupported

from devstack.postgres import Postgres
from devstack.product import set_up
from s3_migration.model.declaration import Declaration, DeclarationError, load
from s3_migration.model.modes import Mode
from s3_migration.model.run_request import Request
from s3_migration.steps.check import check
from s3_migration.steps.preflight.errors import PreflightFailed
from tests.support.connections import ROLE
from tests.support.flow import Flow, shared_clients
from tests.support.product import Product

THINGS = {"table": "things", "column": "v"}
MADE = "CREATE TABLE things (id serial PRIMARY KEY, v text); INSERT INTO things (v) VALUES ('image/a.png'), (NULL)"
WORKS = "remove the cause: a trigger, a rule, a constraint, a right"


def declared(product: Product, *references: dict[str, Any]) -> Declaration:
    fields = product.declaration.model_dump(mode="json")
    fields["database"]["references"] = references or (THINGS,)
    return Declaration.model_validate(fields)


def rows(product: Product) -> list[tuple[Any, ...]]:
    """Whatever is tried, no row is written."""
    if not product.sql("SELECT oid FROM pg_class WHERE oid = to_regclass('things') AND relkind IN ('r', 'p')"):
        return []
    return product.sql("SELECT tableoid, ctid::text, xmin::text, things::text FROM things ORDER BY 1, 2")


def refused(product: Product, *says: str, mode: Mode = Mode.MOVE, **reference: Any) -> str:
    """The set-up goes through, check fails with all of this, and no row is touched."""
    declaration = declared(product, {**THINGS, **reference})
    set_up(product.database, declaration)
    before = rows(product)
    with pytest.raises(PreflightFailed) as caught:
        check(declaration, "r", Request(mode))
    said = str(caught.value)
    for part in ("Migration avatars: ", "Nothing was touched. Fix: ", *says):
        assert part in said
    assert rows(product) == before
    return said


@contextmanager
def flow_of(product: Product, monkeypatch: pytest.MonkeyPatch, *references: dict[str, Any]) -> Iterator[Flow]:
    declaration = declared(product, *references)
    set_up(product.database, declaration)
    with shared_clients(declaration, monkeypatch) as hooks:
        yield Flow(declaration, hooks)


def moves(product: Product, monkeypatch: pytest.MonkeyPatch, *references: dict[str, Any]) -> None:
    """A whole run is green."""
    if not product.objects("legacy"):
        product.put("legacy", "image/a.png")
    with flow_of(product, monkeypatch, *references) as flow:
        assert flow.run().states == {"moved": 1}


def extension(product: Product, name: str) -> None:
    if not product.sql("SELECT name FROM pg_available_extensions WHERE name = %s", name):
        pytest.skip(f"this PostgreSQL comes without the extension {name}")
    product.sql(f"CREATE EXTENSION {name}")


# -- what is no whole table ---------------------------------------------------------------------------------------

PARTITIONED = """
CREATE TABLE things (id int, v text) PARTITION BY RANGE (id);
CREATE TABLE things_1 PARTITION OF things FOR VALUES FROM (1) TO (9);
INSERT INTO things VALUES (1, 'image/a.png');
"""
INHERITED = """
CREATE TABLE things (id int, v text);
CREATE TABLE things_1 () INHERITS (things);
INSERT INTO things_1 VALUES (1, 'image/a.png');
"""


@pytest.mark.parametrize("made", [PARTITIONED, INHERITED], ids=["partition", "child"])
@pytest.mark.parametrize("mode", [Mode.PLAN, Mode.MOVE])
def test_a_part_of_a_table_alone(product: Product, made: str, mode: Mode) -> None:
    product.sql(made)
    said = "'things_1' is a partition of 'things', or inherits from it: its siblings would be left out"
    refused(product, said, "declare table: things.", table="things_1", mode=mode)


@pytest.mark.parametrize("made", [PARTITIONED, INHERITED], ids=["partition", "child"])
def test_a_part_that_lies_on_another_server(product: Product, made: str) -> None:
    extension(product, "file_fdw")
    product.sql(made)
    product.sql("CREATE SERVER files FOREIGN DATA WRAPPER file_fdw")
    columns, options = "(id int, v text)", "SERVER files OPTIONS (filename '/dev/null')"
    if made == PARTITIONED:
        product.sql(f"CREATE FOREIGN TABLE elsewhere PARTITION OF things FOR VALUES FROM (9) TO (99) {options}")
    else:
        product.sql(f"CREATE FOREIGN TABLE elsewhere {columns} INHERITS (things) {options}")
    refused(product, "'elsewhere', a part of 'things', is a foreign table", "detach it")


def test_a_foreign_table(product: Product) -> None:
    extension(product, "file_fdw")
    product.sql("CREATE SERVER files FOREIGN DATA WRAPPER file_fdw")
    product.sql("CREATE FOREIGN TABLE things (v text) SERVER files OPTIONS (filename '/dev/null')")
    refused(product, "'things' is not an ordinary table: a foreign table", "declare the table that holds the rows")


@pytest.mark.parametrize("kind", ["view", "materialized view"])
def test_a_view(product: Product, kind: str) -> None:
    product.sql(f"CREATE {kind} things AS SELECT 1 AS id, path AS v FROM avatars")  # noqa: S608
    refused(product, f"'things' is not an ordinary table: a {kind}", "declare the table that holds the rows")


def test_a_table_of_another_schema_is_declared_with_it(product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the search_path of the role: an unqualified name is of public."""
    (database,) = product.sql("SELECT current_database()")[0]
    product.sql("CREATE SCHEMA shop; CREATE TABLE shop.pictures (id serial PRIMARY KEY, v text)")
    product.sql("INSERT INTO shop.pictures (v) VALUES ('image/a.png')")
    product.sql(f"ALTER ROLE {ROLE} IN DATABASE {database} SET search_path = shop, public")
    set_up(product.database, declared(product, {"table": "shop.pictures", "column": "v"}))
    with pytest.raises(PreflightFailed) as caught:
        check(declared(product, {"table": "pictures", "column": "v"}), "r", Request(Mode.MOVE))
    assert "schema 'public' has no table 'pictures', but schema 'shop' has" in str(caught.value)
    assert "Fix: declare table: shop.pictures." in str(caught.value)
    moves(product, monkeypatch, {"table": "shop.pictures", "column": "v"})
    assert product.sql("SELECT v FROM shop.pictures") == [("avatar/a.png",)]


# -- columns ------------------------------------------------------------------------------------------------------


def test_a_generated_column(product: Product) -> None:
    product.sql("CREATE TABLE things (id int, base text, v text GENERATED ALWAYS AS ('image/' || base) STORED)")
    product.sql("INSERT INTO things (base) VALUES ('a.png')")
    refused(product, "column things.v is generated from others", "declare the column that it is generated from")


def test_a_collation_by_which_other_bytes_are_equal(product: Product) -> None:
    try:
        product.sql("CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
    except FeatureNotSupported:
        pytest.skip("this PostgreSQL is built without ICU, and has no nondeterministic collation")
    product.sql("CREATE TABLE things (id int, v text COLLATE folded)")
    refused(product, "column things.v has a nondeterministic collation", 'TYPE text COLLATE "C"')


@pytest.mark.parametrize("type_", ["varchar(8)", "short", "varchar(8)[]"])
def test_a_column_that_is_too_short_for_what_it_will_hold(
    product: Product, monkeypatch: pytest.MonkeyPatch, type_: str
) -> None:
    array = type_.endswith("[]")
    product.sql("CREATE DOMAIN short AS varchar(8)")
    product.sql(f"CREATE TABLE things (id serial PRIMARY KEY, v {type_})")
    product.sql("INSERT INTO things (v) VALUES (%s), (%s)", *((["image/a"], ["x"]) if array else ("image/a", "x")))
    product.put("legacy", "image/a")
    moves(product, monkeypatch, {**THINGS, "array": array})
    assert product.sql("SELECT v FROM things ORDER BY id")[0][0] == (["avatar/a"] if array else "avatar/a")
    product.sql("INSERT INTO things (v) VALUES (%s)", ["image/ab"] if array else "image/ab")
    said = f"'image/ab' becomes 1 characters longer, and things.v{'[]' * array} holds 8"
    refused(product, said, "ALTER TABLE things ALTER COLUMN v TYPE varchar", array=array)


@pytest.mark.parametrize(
    ("type_", "more", "says"),
    [
        ("text", {"array": True}, "is of type text, expected text[]"),
        ("jsonb", {"array": True}, "is of type jsonb"),
        ("integer[]", {"array": True}, "is of type int4[], expected text[]"),
        ("text", {"json_path": ["a"]}, "is of type text, expected jsonb"),
        ("json", {"json_path": ["a"]}, "is of type json, expected jsonb"),
        ("text[]", {"json_path": ["a"]}, "is of type text[]"),
        ("text[]", {}, "is of type text[]"),
        ("jsonb", {}, "is of type jsonb"),
    ],
)
def test_a_column_of_another_type_than_declared(product: Product, type_: str, more: dict[str, Any], says: str) -> None:
    product.sql(f"CREATE TABLE things (id int, v {type_})")
    refused(product, f"column things.v{'[]' * ('array' in more)}", says, mode=Mode.PLAN, **more)


def test_a_column_that_is_declared_twice(product: Product, tmp_path: Any) -> None:
    fields = product.declaration.model_dump(mode="json", exclude={"name"})
    fields["database"]["references"] = [THINGS, {**THINGS, "table": "public.things"}]
    (tmp_path / "avatars.yaml").write_text(json.dumps(fields))
    with pytest.raises(DeclarationError, match=r"references\.1: things\.v is declared twice"):
        load(tmp_path / "avatars.yaml")


@pytest.mark.parametrize(
    "made",
    [
        "CREATE TABLE things (v text PRIMARY KEY)",
        "CREATE TABLE things (v text PRIMARY KEY) PARTITION BY HASH (v);"
        "CREATE TABLE things_1 PARTITION OF things FOR VALUES WITH (MODULUS 2, REMAINDER 0);"
        "CREATE TABLE things_2 PARTITION OF things FOR VALUES WITH (MODULUS 2, REMAINDER 1)",
        "CREATE TABLE things (v text UNIQUE DEFERRABLE INITIALLY DEFERRED)",
    ],
    ids=["primary key", "partition key", "deferred"],
)
def test_a_key_that_is_a_path(product: Product, monkeypatch: pytest.MonkeyPatch, made: str) -> None:
    product.sql(made)
    product.sql("INSERT INTO things VALUES ('image/a.png'), ('x')")
    moves(product, monkeypatch)
    assert sorted(product.sql("SELECT v FROM things")) == [("avatar/a.png",), ("x",)]


# -- foreign keys -------------------------------------------------------------------------------------------------

KEYS = """
CREATE TABLE things (id serial, v text UNIQUE);
CREATE TABLE users (picture text REFERENCES things (v) {});
INSERT INTO things (v) VALUES ('image/a.png');
INSERT INTO users VALUES ('image/a.png'), (NULL);
"""


@pytest.mark.parametrize("on_update", ["", "ON UPDATE SET NULL", "ON UPDATE RESTRICT", "DEFERRABLE INITIALLY DEFERRED"])
def test_a_foreign_key_that_does_not_follow(product: Product, on_update: str) -> None:
    product.sql(KEYS.format(on_update))
    said = "a foreign key of 'users' names things.v, and does not follow its updates"
    refused(product, said, "make that foreign key anew with ON UPDATE CASCADE")


def test_a_foreign_key_that_follows_is_switched_along(product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    product.sql(KEYS.format("ON UPDATE CASCADE"))
    product.put("legacy", "image/a.png")
    with flow_of(product, monkeypatch) as flow:
        flow.run(Mode.SWITCH)
        assert product.sql("SELECT picture FROM users ORDER BY picture") == [("avatar/a.png",), (None,)]
        flow.run(Mode.UNDO)
        assert product.sql("SELECT picture FROM users WHERE picture IS NOT NULL") == [("image/a.png",)]
        assert flow.run().states == {"moved": 1}
    assert product.sql("SELECT v, picture FROM things JOIN users ON picture = v") == [("avatar/a.png",) * 2]


@pytest.mark.parametrize("on_update", ["", "ON UPDATE CASCADE"])
def test_a_column_with_a_foreign_key_of_its_own(product: Product, on_update: str) -> None:
    product.sql(KEYS.format(on_update))
    said = "users.picture has a foreign key to 'things': a path is there once its row has it"
    refused(product, said, "declare the column of things in its place", table="users", column="picture")


# -- an update that is seen not to work ---------------------------------------------------------------------------


@pytest.mark.parametrize("filled", [True, False], ids=["filled", "empty"])
def test_a_publication_that_cannot_tell_rows_apart(
    product: Product, monkeypatch: pytest.MonkeyPatch, filled: bool
) -> None:
    product.sql(MADE)
    if not filled:
        product.sql("DELETE FROM things")
    product.sql("ALTER TABLE things REPLICA IDENTITY NOTHING")
    product.sql("CREATE PUBLICATION changes FOR TABLE things")
    refused(product, "no update of things.v works", "does not have a replica identity", "REPLICA IDENTITY FULL")
    product.sql("ALTER TABLE things REPLICA IDENTITY FULL")
    moves(product, monkeypatch)


KEEPS = """
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {} END $$;
CREATE TRIGGER keep BEFORE UPDATE ON things FOR EACH ROW EXECUTE FUNCTION keep();
"""
HINDERS = {
    "a trigger that keeps the old path": (KEEPS.format("new.v = old.v; RETURN new;"), "the row keeps its old path"),
    "a trigger that updates no row": (KEEPS.format("RETURN NULL;"), "a rule or a trigger updates no row"),
    "a trigger that refuses": (KEEPS.format("RAISE 'paths are fixed';"), "paths are fixed"),
    "a trigger that writes where the role may not": (
        KEEPS.format("INSERT INTO audit VALUES (old.v); RETURN new;"),
        "permission denied for table audit",
    ),
    "a constraint": ("ALTER TABLE things ADD CHECK (v LIKE 'image/%')", "violates check constraint"),
    "a deferred constraint": (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'too late'; END $$;"
        "CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE ON things DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION refuse()",
        "too late",
    ),
    "a rule": ("CREATE RULE stay AS ON UPDATE TO things DO INSTEAD NOTHING", "cannot perform UPDATE RETURNING on"),
    "a rule that does more": (
        "CREATE RULE log AS ON UPDATE TO things DO ALSO INSERT INTO audit VALUES (old.v)",
        "DO ALSO rules are not supported for data-modifying statements in WITH",
    ),
    "a rule for some rows": (
        "CREATE RULE stay AS ON UPDATE TO things WHERE old.v = 'x' DO INSTEAD NOTHING",
        "cannot perform UPDATE RETURNING on",
    ),
}


@pytest.mark.parametrize("hindrance", HINDERS)
def test_what_hinders_every_update(product: Product, hindrance: str) -> None:
    made, said = HINDERS[hindrance]
    product.sql(f"{MADE}; CREATE TABLE audit (v text); {made}")
    refused(product, "no update of things.v works, tried on 1 rows and rolled back: ", said, WORKS)
    assert product.sql("SELECT v FROM audit") == []


@pytest.mark.parametrize("mode", [Mode.PLAN, Mode.COPY])
def test_what_switches_nothing_tries_no_update(product: Product, mode: Mode) -> None:
    product.sql(MADE)
    product.sql(HINDERS["a trigger that refuses"][0])
    declaration = declared(product)
    set_up(product.database, declaration)
    assert check(declaration, "r", Request(mode))


def test_a_row_that_is_refused_among_others_is_left_to_the_switch(product: Product) -> None:
    product.sql(MADE)
    product.sql("INSERT INTO things (v) VALUES ('image/b.png'); ALTER TABLE things ADD CHECK (v <> 'avatar/a.png')")
    declaration = declared(product)
    set_up(product.database, declaration)
    before = rows(product)
    assert check(declaration, "r", Request(Mode.MOVE))
    assert rows(product) == before


def test_a_trigger_sees_nothing_of_what_was_tried(product: Product) -> None:
    """Whatever it wrote is rolled back, and no one is told."""
    product.sql(MADE)
    product.sql("CREATE TABLE audit (v text)")
    product.sql(f"GRANT INSERT ON audit TO {ROLE}")
    product.sql(KEEPS.format("INSERT INTO audit VALUES (old.v); NOTIFY things; RETURN new;"))
    declaration = declared(product)
    set_up(product.database, declaration)
    product.sql("LISTEN things")
    assert check(declaration, "r", Request(Mode.MOVE))
    assert product.sql("SELECT * FROM audit") == []
    assert list(product.database.notifies(timeout=0.1)) == []


# -- the role -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("field", "number", "more"), [("parallel_chunks", 4, 1), ("parallel_passes", 7, 2)])
def test_a_role_with_too_few_connections(
    product: Product, postgres: Postgres, field: str, number: int, more: int
) -> None:
    product.sql(MADE)
    product.declaration = product.declaration.model_copy(update={field: number})
    needed = number + more
    with postgres.connect() as admin:
        # What a test before has left open would count.
        admin.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s", [ROLE])
        try:
            for limit in (1, needed - 1):
                admin.execute(f"ALTER ROLE {ROLE} CONNECTION LIMIT {limit}".encode())
                said = f"the role may have {limit} connections at once, a run needs {needed} ({field} + {more})"
                refused(product, said, f"ALTER ROLE … CONNECTION LIMIT {needed}, or lower {field}")
            admin.execute(f"ALTER ROLE {ROLE} CONNECTION LIMIT {needed}".encode())
            assert check(declared(product), "r", Request(Mode.MOVE))
        finally:
            admin.execute(f"ALTER ROLE {ROLE} CONNECTION LIMIT -1".encode())


@pytest.mark.parametrize(
    "whose", ["ROLE {role} IN DATABASE {database}", "DATABASE {database}"], ids=["role", "database"]
)
def test_sessions_that_are_read_only_by_default(product: Product, monkeypatch: pytest.MonkeyPatch, whose: str) -> None:
    """A default for people. What we do is to write."""
    product.sql(MADE)
    (database,) = product.sql("SELECT current_database()")[0]
    moved = declared(product)
    set_up(product.database, moved)
    product.sql(f"ALTER {whose.format(role=ROLE, database=database)} SET default_transaction_read_only = on")
    product.put("legacy", "image/a.png")
    with shared_clients(moved, monkeypatch) as hooks:
        assert Flow(moved, hooks).run().states == {"moved": 1}
    assert product.sql("SELECT v FROM things ORDER BY id") == [("avatar/a.png",), (None,)]

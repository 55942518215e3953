"""Where else the database names the migration's objects: found whatever holds it, and nothing is left out unsaid."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg import sql
from psycopg.rows import dict_row

from s3_migration.commands import survey as command
from s3_migration.ledger import survey as looking
from s3_migration.ledger.survey import survey
from s3_migration.model.legacy_names import Names
from s3_migration.model.reference_entry import declare_as
from s3_migration.model.survey import Form
from s3_migration.model.survey_found import Find, Survey
from tests.support.command_line import Run, declare_in, run_apart, run_here
from tests.support.connections import PASSWORD, ROLE
from tests.support.flow import Flow
from tests.support.product import Product

KEYS = ("image/1.png", "image/ä b.png")
CDN = "https://cdn.example/image/"


def look(product: Product, seconds: float = 20, role: bool = False, **options: Any) -> Survey:
    own = {"user": ROLE, "password": PASSWORD} if role else {}
    uri = psycopg.conninfo.make_conninfo(product.database_uri, **own)
    with psycopg.connect(uri, autocommit=True, row_factory=dict_row) as connection:
        return survey(connection, product.declaration, seconds, **options)


@pytest.fixture
def granted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the server was told that each look may last, in milliseconds. What it took depends on the machine."""
    told, run = list[int](), looking.run

    def running(connection: Any, query: Any, values: dict[str, Any]) -> Any:
        if "timeout" in values:
            told.append(int(values["timeout"].removesuffix("ms")))
        return run(connection, query, values)

    monkeypatch.setattr(looking, "run", running)
    return told


def find(found: Survey, column: str, table: str = "users", schema: str = "public") -> Find:
    (each,) = [find for find in found.finds if find.look.column.key == (schema, table, column)]
    return each


def ways(each: Find) -> list[tuple[Form, str, tuple[str | int, ...], bool]]:
    return [(g.way.form, g.way.path_prefix, g.way.json_path, g.way.encoded) for g in each.groups]


def table(product: Product, type_: str, *values: Any, name: str = "users", column: str = "picture") -> None:
    names = {"name": sql.Identifier(name), "column": sql.Identifier(column)}
    made = sql.SQL("CREATE TABLE {name} (id serial, {column} " + type_ + ")")
    product.database.execute(made.format(**names))
    for value in values:
        query = sql.SQL("INSERT INTO {name} ({column}) VALUES ({value})")
        product.database.execute(query.format(**names, value=sql.Literal(value)))


@pytest.fixture
def moved(product: Product, flow: Flow) -> Product:
    """A ledger that knows every object."""
    product.seed(*KEYS)
    flow.run()
    return product


# -- what holds it ------------------------------------------------------------------------------------------------

HELD: dict[str, tuple[str, str, tuple[Form, str, tuple[str | int, ...], bool]]] = {
    "plain": ("text", KEYS[0], (Form.PATH, "image/", (), False)),
    "varchar": ("varchar(99)", KEYS[0], (Form.PATH, "image/", (), False)),
    "char": ("char(40)", KEYS[0], (Form.PATH, "image/", (), False)),
    "full URL": ("text", f"{CDN}1.png", (Form.URL, CDN, (), False)),
    "s3 address": ("text", "s3://legacy-s3/image/1.png", (Form.URL, "s3://legacy-s3/image/", (), False)),
    "percent-encoded": ("text", f"{CDN}%C3%A4%20b.png", (Form.URL, CDN, (), True)),
    "percent-encoded path": ("text", "image/%C3%A4%20b.png", (Form.PATH, "image/", (), True)),
    "parameter": ("text", "/p?u=image%2F1.png", (Form.URL, "/p?u=image%2F", (), False)),
    "array": ("text[]", '{other,"image/1.png"}', (Form.ELEMENT, "image/", (), False)),
    "array of URLs": ("varchar[]", f'{{"{CDN}1.png"}}', (Form.ELEMENT, CDN, (), False)),
    "jsonb": (
        "jsonb",
        '{"a": {"b": [1, {"c": "image/1.png"}]}}',
        (Form.JSON_PATH, "image/", ("a", "b", 1, "c"), False),
    ),
    "json": ("json", '{"a": "image\\/1.png"}', (Form.JSON_PATH, "image/", ("a",), False)),
    "jsonb scalar": ("jsonb", '"image/1.png"', (Form.JSON_PATH, "image/", (), False)),
    "jsonb with text": ("jsonb", '{"a": "see image/1.png there"}', (Form.TEXT, "", (), False)),
    "JSON in text": ("text", '{"a": "image/1.png"}', (Form.TEXT, "", (), False)),
    "JSON of PHP in text": ("text", '{"a": "image\\/1.png"}', (Form.TEXT, "", (), False)),
    "HTML": ("text", '<img src="https://cdn.example/image/1.png">', (Form.TEXT, "", (), False)),
    "Markdown": ("text", "see ![me](image/1.png) there", (Form.TEXT, "", (), False)),
    "list in text": ("text", "image/1.png,image/2.png", (Form.TEXT, "", (), False)),
    "query": ("text", f"{CDN}1.png?v=3", (Form.TEXT, "", (), False)),
    "control characters and emoji": ("text", "\x01\x1b[31m 😀 image/1.png\r\n", (Form.TEXT, "", (), False)),
    "long": ("text", "x" * 30_000 + " image/1.png " + "y" * 30_000, (Form.TEXT, "", (), False)),
}


@pytest.mark.parametrize(("type_", "value", "way"), HELD.values(), ids=HELD)
def test_a_path_is_found_whatever_holds_it(
    moved: Product, type_: str, value: str, way: tuple[Form, str, tuple[str | int, ...], bool]
) -> None:
    table(moved, type_, value, "nothing" if type_ == "text" else None)
    found = look(moved)
    each = find(found, "picture")
    assert ways(each) == [way]
    assert (each.look.found, each.look.sampled, each.declared) == (1, False, False)
    assert [group.objects for group in each.groups] == [True]
    assert found.undeclared == [each]
    assert len(each.examples) == 1
    assert each.examples[0].isprintable()
    assert "1.png" in each.examples[0] or "b.png" in each.examples[0]


def test_xml_is_text(moved: Product) -> None:
    try:
        table(moved, "xml", "<a href='image/1.png'/>")
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("this PostgreSQL was built without libxml")
    each = find(look(moved), "picture")
    assert [(group.way.form, group.way.note, group.objects) for group in each.groups] == [(Form.TEXT, "in xml", True)]


@pytest.mark.parametrize(
    ("extension", "value", "form"), [("citext", KEYS[0], Form.PATH), ("hstore", "a=>image/1.png", Form.TEXT)]
)
def test_types_of_extensions_are_searched(moved: Product, extension: str, value: str, form: Form) -> None:
    try:
        moved.sql(f"CREATE EXTENSION {extension}")  # type: ignore[arg-type]
    except psycopg.errors.FeatureNotSupported:
        pytest.skip(f"this PostgreSQL has no {extension}")
    table(moved, extension, value)
    table(moved, f"{extension}[]", f'{{"{value}"}}', name="many")
    assert ways(find(look(moved), "picture"))[0][0] is form
    assert find(look(moved), "picture", "many").groups[0].objects


def test_domains_and_composite_types_are_searched(moved: Product) -> None:
    moved.sql("CREATE DOMAIN object_path AS varchar CHECK (value <> '')")
    moved.sql("CREATE DOMAIN narrow_path AS object_path")
    moved.sql("CREATE DOMAIN paths AS object_path[]")
    moved.sql("CREATE TYPE picture AS (path text, width int)")
    table(moved, "narrow_path", KEYS[0], name="a")
    table(moved, "paths", "{image/1.png}", name="b")
    table(moved, "picture", "(image/1.png,3)", name="c")
    found = look(moved)
    forms = {each.look.column.table: each.groups[0].way.form for each in found.undeclared}
    assert forms == {"a": Form.PATH, "b": Form.ELEMENT, "c": Form.TEXT}


def test_a_nondeterministic_collation_is_no_hindrance(moved: Product) -> None:
    try:
        moved.sql("CREATE COLLATION loose (provider = icu, locale = 'und', deterministic = false)")
    except psycopg.Error:
        pytest.skip("this PostgreSQL was built without ICU")
    table(moved, "text COLLATE loose", KEYS[0])
    assert find(look(moved), "picture").undeclared


def test_mime_types_are_shown_and_count_for_nothing(moved: Product) -> None:
    table(moved, "text", "image/png", "image/jpeg; q=0.9", "text/html,image/webp,*/*", column="content_type")
    moved.sql("ALTER TABLE users ADD mail text DEFAULT 'data:image/foo;base64,xxxx'")
    found = look(moved)
    each = find(found, "content_type")
    assert {group.way.note for group in each.groups} == {"MIME types, as it seems"}
    assert [group.objects for group in each.groups] == [False, False]
    assert not find(found, "mail").undeclared
    assert found.undeclared == []
    moved.sql("DROP SCHEMA s3_migration CASCADE")
    found = look(moved)
    assert (found.ledger, found.undeclared) == (None, [])
    assert find(found, "content_type").groups[0].objects is None


def test_what_follows_by_itself_and_what_is_declared_needs_nothing(moved: Product) -> None:
    moved.sql("INSERT INTO avatars (path) VALUES ('image/1.png')")
    moved.sql("CREATE MATERIALIZED VIEW seen AS SELECT path FROM avatars")
    moved.sql("CREATE MATERIALIZED VIEW unseen AS SELECT path FROM avatars WITH NO DATA")
    moved.sql("ALTER TABLE avatars ADD upper_path text GENERATED ALWAYS AS (path || 'x') STORED")
    found = look(moved)
    assert find(found, "path", "avatars").declared
    assert "REFRESH" in str(find(found, "path", "seen").look.column.follows)
    assert "generated" in str(find(found, "upper_path", "avatars").look.column.follows)
    assert found.undeclared == []
    (unseen,) = found.unseen
    assert unseen.name == "public.unseen.path"
    assert "has not been populated" in unseen.why


def test_the_bucket_alone_names_no_object(moved: Product) -> None:
    bucket = moved.bucket("legacy")
    table(moved, "text", f"s3://{bucket}/other/1.png", f"https://{bucket}.example/image/1.png")
    each = find(look(moved), "picture")
    assert [(group.way.form, group.objects) for group in each.groups] == [(Form.URL, True), (Form.BUCKET, False)]
    entry = yaml.safe_load(declare_as(("public", "users"), "picture", each.groups[0].way, Names.of(moved.declaration)))
    assert entry[0]["path_prefix"] == {
        "legacy": f"https://{bucket}.example/image/",
        "production": f"https://{moved.bucket('production')}.example/avatar/",
    }


# -- each row once ------------------------------------------------------------------------------------------------


def test_partitions_and_children_are_counted_with_their_table(product: Product) -> None:
    product.sql("CREATE TABLE parts (id int, path text) PARTITION BY RANGE (id)")
    product.sql("CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10)")
    product.sql("CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (id)")
    product.sql("CREATE TABLE parts_21 PARTITION OF parts_2 FOR VALUES FROM (10) TO (20)")
    product.sql("INSERT INTO parts SELECT n, 'image/' || n FROM generate_series(0, 19) AS n")
    product.sql("CREATE TABLE animal (path text)")
    product.sql("CREATE TABLE cat (own text) INHERITS (animal)")
    product.sql("INSERT INTO animal VALUES ('image/a')")
    product.sql("INSERT INTO cat VALUES ('image/b', 'image/c')")
    found = look(product)
    assert {each.look.column.key[1:]: each.look.found for each in found.finds} == {
        ("parts", "path"): 20,
        ("animal", "path"): 2,
        ("cat", "own"): 1,
    }


def test_names_are_quoted(moved: Product) -> None:
    schema, name, column = 'Sh"op %s', "Users.%(x)s {table}", 'pic"ture % ä'
    moved.database.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    names = {"table": sql.Identifier(schema, name), "column": sql.Identifier(column)}
    moved.database.execute(sql.SQL("CREATE TABLE {table} ({column} text)").format(**names))
    moved.database.execute(sql.SQL("INSERT INTO {table} VALUES ('image/1.png')").format(**names))
    each = find(look(moved), column, name, schema)
    entry = yaml.safe_load(declare_as((schema, name), column, each.groups[0].way, Names.of(moved.declaration)))
    assert entry[0]["table"] == f"{schema}.{name}"
    assert entry[0]["column"] == column


# -- what cannot be looked at -------------------------------------------------------------------------------------


def test_what_the_role_may_not_read_is_named(moved: Product) -> None:
    table(moved, "text", KEYS[0], name="secret")
    moved.sql("CREATE TABLE half (open text, shut text)")
    moved.sql("INSERT INTO half VALUES ('image/1.png', 'image/1.png')")
    moved.sql("GRANT SELECT (open) ON half TO migrator")
    moved.sql("CREATE SCHEMA private")
    moved.sql("CREATE TABLE private.users (picture text)")
    table(moved, "text", KEYS[0], name="hidden")
    moved.sql("GRANT SELECT ON hidden TO migrator")
    moved.sql("ALTER TABLE hidden ENABLE ROW LEVEL SECURITY")
    found = look(moved, role=True)
    assert {each.name: each.why for each in found.unseen} == {
        "public.secret": "the role may not read it",
        "public.half.shut": "the role may not read it",
        "private.users": "the role may not read it",
        "public.hidden.picture": 'query would be affected by row-level security policy for table "hidden"',
    }
    assert [each.look.column.name for each in found.undeclared] == ["public.half.open"]
    assert look(moved).unseen == []


def test_a_locked_table_is_named_and_holds_nothing_up(moved: Product, postgres: Any) -> None:
    table(moved, "text", KEYS[0])
    with psycopg.connect(moved.database_uri) as other:
        other.execute("LOCK TABLE users")
        found = look(moved)
    assert [tuple(each) for each in found.unseen] == [("public", "users", "picture", "somebody keeps the table locked")]
    assert "\n    public.users (picture): somebody keeps the table locked" in command.report(
        moved.declaration, found, 1
    )


def test_a_foreign_table_is_named(product: Product) -> None:
    product.sql("CREATE FOREIGN DATA WRAPPER nothing")
    product.sql("CREATE SERVER elsewhere FOREIGN DATA WRAPPER nothing")
    product.sql("CREATE FOREIGN TABLE afar (path text) SERVER elsewhere")
    assert [tuple(each) for each in look(product).unseen] == [
        ("public", "afar", None, "a foreign table: look where its rows are")
    ]


@pytest.fixture
def events(product: Product) -> Product:
    """A table of 200,000 rows, every fourth of which names an object; the last one spells it otherwise."""
    product.sql("CREATE TABLE events (id int, path text, other text)")
    product.sql(
        "INSERT INTO events SELECT n, CASE WHEN mod(n, 4) = 0 THEN 'image/' || n || '.png' ELSE md5(n::text) END,"
        " repeat(md5(n::text), 4) FROM generate_series(1, 200000) AS n"
    )
    product.sql("INSERT INTO events VALUES (200001, 'x', 'https://new.example/image/1.png')")
    product.sql("ANALYZE events")
    return product


def test_a_large_table_is_sampled_in_the_time(events: Product, granted: list[int]) -> None:
    found = look(events, 1.5)
    assert 0 < max(granted) <= 1500
    each = find(found, "path", "events")
    assert 0 < each.look.percent < 100
    assert 150_000 < each.look.about < 250_000
    assert 35_000 < each.look.about_found < 65_000
    assert len(each.examples) == 3
    text = command.report(events.declaration, found, 1.0)
    assert f"sampled {each.look.percent:.2g} % of some {each.look.about:,} rows" in text


def test_the_end_of_a_sampled_table_is_looked_at(events: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "PAGES_A_SECOND", 10)
    newest = find(look(events, 9), "other", "events")
    assert (newest.look.found, newest.look.about_found) == (0, 1)
    assert newest.groups[0].way.path_prefix == "https://new.example/image/"


def test_what_no_time_was_left_for_is_named(product: Product) -> None:
    for n in range(5):
        table(product, "text", KEYS[0], name=f"t{n}")
    told = []

    def slow(done: int, of: int) -> None:
        told.append((done, of))
        time.sleep(0.3)

    found = look(product, 1, progress=slow)
    assert told == [(done, 6) for done in range(6)]
    assert found.unseen
    assert {each.why for each in found.unseen} == {"no time was left"}
    assert len(found.looks) + len(found.unseen) == 6


def test_the_time_that_is_left_is_for_larger_samples(product: Product) -> None:
    for n in range(8):
        table(product, "text", KEYS[0], name=f"t{n}")
    product.sql("CREATE TABLE big (path text)")  # never analyzed, so that nobody knows that it is large
    product.sql("INSERT INTO big SELECT repeat(md5(n::text), 20) FROM generate_series(1, 50000) AS n")
    share = 2 * (1 - looking.JUDGING) / 10
    (big,) = [each for each in look(product, 2).looks if each.column.table == "big"]
    assert big.percent > 100 * 1.2 * share * looking.PAGES_A_SECOND / 5000


def test_a_look_that_lasts_is_given_up_and_named(product: Product, granted: list[int]) -> None:
    product.sql("CREATE TABLE slow (body text)")
    product.sql("INSERT INTO slow SELECT repeat(md5(n::text), 1000000) FROM generate_series(1, 20) AS n")
    found = look(product, 0.15)
    assert 0 < max(granted) <= 150
    assert [each.name for each in found.unseen if each.name != "public.avatars.path"] == ["public.slow.body"]


def test_only_the_columns_asked_for_are_looked_at_and_nothing_of_the_session_is_changed(product: Product) -> None:
    table(product, "text", KEYS[0])
    with psycopg.connect(product.database_uri, autocommit=True, row_factory=dict_row) as connection:
        before = connection.execute("SELECT name, setting FROM pg_settings ORDER BY name").fetchall()
        found = survey(connection, product.declaration, 9, columns=lambda column: column.table == "avatars")
        assert connection.execute("SELECT name, setting FROM pg_settings ORDER BY name").fetchall() == before
    assert [each.column.name for each in found.looks] == ["public.avatars.path"]


# -- what the ledger knows ----------------------------------------------------------------------------------------


def test_what_the_ledger_does_not_know_is_no_object_once_a_run_has_listed_all(moved: Product) -> None:
    table(moved, "text", "image/of something else")
    found = look(moved)
    assert (found.ledger, found.undeclared) == ("complete", [])
    assert find(found, "picture").groups[0].objects is False
    moved.sql("UPDATE s3_migration.run SET object_limit = 1")
    found = look(moved)
    assert (found.ledger, len(found.undeclared)) == ("partial", 1)
    assert find(found, "picture").groups[0].objects is None


# -- the command --------------------------------------------------------------------------------------------------


@pytest.fixture
def run(product: Product, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """The command line, with the product's declaration."""
    declare_in(tmp_path, product.declaration, monkeypatch)
    return partial(run_here, capsys, "survey")


def test_the_command_finds_what_is_undeclared_and_says_how_to_declare_it(moved: Product, run: Run) -> None:
    assert run("avatars", "--url", moved.database_uri)[0] == 0
    table(moved, "jsonb", '{"avatar": {"path": "https://cdn.example/image/%C3%A4%20b.png"}}')
    code, out, error = run("avatars", "--url", moved.database_uri)
    assert (code, error) == (1, "")
    assert "name its objects, or may do so, and are not declared: 1." in out
    assert "public.users.picture (jsonb): NOT DECLARED" in out
    entry = yaml.safe_load(out.split("declare it, below database.references:\n")[1].split("\n\n")[0])
    assert entry == [
        {
            "table": "public.users",
            "column": "picture",
            "path_prefix": {"legacy": CDN, "production": "https://cdn.example/avatar/"},
            "path_encoding": "url",
            "json_path": ["avatar", "path"],
        }
    ]


def test_the_command_has_the_rights_of_airflows_connection_by_default(moved: Product, run: Run) -> None:
    table(moved, "text", KEYS[0])
    code, out, _ = run("avatars")
    assert code == 0
    assert "is declared, as far as was looked: 1 could not be looked at." in out
    assert "Not looked at:\n    public.users: the role may not read it" in out


def test_the_command_prints_one_json_document(moved: Product, run: Run) -> None:
    table(moved, "text[]", "{image/1.png}")
    moved.row(KEYS[0])
    code, out, _ = run("avatars", "--url", moved.database_uri, "--json")
    told = json.loads(out)
    assert (code, told["undeclared"], told["ledger"]) == (1, ["public.users.picture"], "complete")
    assert {each["column"]: each["declared"] for each in told["finds"]} == {"picture": False, "path": True}
    (way,) = next(each["ways"] for each in told["finds"] if each["column"] == "picture")
    assert (way["form"], way["objects"], way["samples"]) == ("element", True, 1)
    assert yaml.safe_load(way["declare"])[0]["column"] == "picture"
    assert told["not_looked_at"] == []


def test_nothing_but_the_document_is_printed_where_a_program_reads_it(product: Product) -> None:
    done = run_apart("survey", "avatars", "--json")
    assert (done.code, json.loads(done.out)["migration"]) == (0, "avatars"), done.error


def test_the_command_needs_no_set_up(product: Product, run: Run) -> None:
    product.sql("DROP SCHEMA s3_migration CASCADE")
    table(product, "text", KEYS[0])
    code, out, _ = run("avatars", "--url", product.database_uri)
    assert code == 1
    assert "nobody checked" in out


def test_the_command_shows_its_progress_when_it_lasts(
    product: Product, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "SAY_EVERY", 0.0)
    assert "0 of 1 columns looked at, " in run("avatars", "--url", product.database_uri)[2]


REFUSED = {
    "no migration": (["nobody"], "there is no nobody.yaml. Fix: "),
    "a variable that is not set": (["avatars", "--url", ""], "--url is no address of a database, expected"),
    "no address": (["avatars", "--url", "mysql://me:secret@host/db"], "--url is no address of a database, expected"),
    "no server": (
        ["avatars", "--url", "postgresql://me:secret@127.0.0.1:1/db"],
        "no connection to the database of --url",
    ),
    "no port": (
        ["avatars", "--url", "postgresql://me:secret@127.0.0.1:x/db"],
        "no connection to the database of --url",
    ),
    "no time": (["avatars", "--seconds", "0"], "expected a number of seconds above 0. Fix: "),
}


def test_the_command_says_that_the_time_was_too_short_for_anything(product: Product, run: Run) -> None:
    code, _, error = run("avatars", "--url", product.database_uri, "--seconds", "0.0001")
    assert code == 2
    assert "no time was left. Fix: try again, with more --seconds." in error


@pytest.mark.parametrize(("arguments", "says"), REFUSED.values(), ids=REFUSED)
def test_the_command_says_why_it_cannot_be_done(run: Run, arguments: list[str], says: str) -> None:
    code, out, error = run(*arguments)
    assert (code, out) == (2, "")
    assert says in error
    assert "Fix: " in error
    assert "secret" not in error


def test_the_command_says_that_airflow_has_no_such_connection(
    product: Product, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_PRODDATABASE")
    code, _, error = run("avatars")
    assert code == 2
    assert "proddatabase" in error
    assert "Fix: " in error


def test_no_statement_of_the_command_may_write(product: Product, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def spied(connection: psycopg.Connection[Any], *_: Any, **__: Any) -> Survey:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.execute("CREATE TABLE public.made ()")
        seen.append(connection)
        return Survey([], [], [], None)

    monkeypatch.setattr(command, "look", spied)
    assert run("avatars")[0] == 0
    assert run("avatars", "--url", product.database_uri)[0] == 0
    assert len(seen) == 2

"""Where rows name the objects: each kind of column, several of them at once, and tables of several parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from devstack.product import set_up
from s3_migration.model.declaration import Declaration
from s3_migration.model.modes import Mode
from s3_migration.steps import passes, switching
from s3_migration.steps.passes import RowsLocked
from s3_migration.steps.preflight.errors import PreflightFailed
from tests.support.flow import Flow, shared_clients
from tests.support.product import Product

Declare = Callable[..., Flow]
THINGS = {"table": "things", "column": "v"}


# Columns that hold such paths, and that no test declares.
IGNORED = ["things.other", "things.v"]


@pytest.fixture
def declare(product: Product, monkeypatch: pytest.MonkeyPatch) -> Iterator[Declare]:
    """The product's migration with these references: set up, for one to run."""
    with ExitStack() as stack:

        def made(*references: dict[str, Any]) -> Flow:
            fields = product.declaration.model_dump(mode="json")
            fields["database"]["references"] = references
            fields["database"]["ignored_columns"] = IGNORED
            declaration = Declaration.model_validate({**fields, "chunk_size": 2})
            set_up(product.database, declaration)
            return Flow(declaration, stack.enter_context(shared_clients(declaration, monkeypatch)))

        yield made


def put(product: Product, *keys: str) -> None:
    for key in keys:
        product.put("legacy", key, f"body of {key}".encode())


def insert(product: Product, *values: Any, table: str = "things", column: str = "v") -> None:
    for value in values:
        product.sql(f"INSERT INTO {table} ({column}) VALUES (%s)", Jsonb(value) if isinstance(value, dict) else value)  # noqa: S608


def held(product: Product, table: str = "things", column: str = "v") -> list[Any]:
    return [value for (value,) in product.sql(f"SELECT {column} FROM {table} ORDER BY id")]  # noqa: S608


def as_moved(*keys: str) -> set[str]:
    return {key.replace("image/", "avatar/", 1) for key in keys}


# -- the kinds ----------------------------------------------------------------------------------------------------

CDN = {"legacy": "https://cdn.example/image/", "production": "https://cdn.example/avatar/"}
# Each value with what it is once its rows are switched.
PLAIN = [
    ("image/a.png", "avatar/a.png"),
    ("image/b ä.png", "avatar/b ä.png"),
    ("image/a.png", "avatar/a.png"),
    ("other/a.png",) * 2,
    ("x",) * 2,
    (None,) * 2,
]
AB = ("image/a.png", "image/b ä.png")
ELEMENTS = [
    (["image/a.png"], ["avatar/a.png"]),
    (
        ["x", None, "image/b ä.png", "image/a.png", "image/b ä.png", "other/a.png"],
        ["x", None, "avatar/b ä.png", "avatar/a.png", "avatar/b ä.png", "other/a.png"],
    ),
    ([],) * 2,
    ([None],) * 2,
    (["x"],) * 2,
    (None,) * 2,
]
DOCUMENTS = [
    (
        {"cover": {"path": "image/a.png", "size": 1.50}, "path": "x", "tags": ["t", None]},
        {"cover": {"path": "avatar/a.png", "size": 1.50}, "path": "x", "tags": ["t", None]},
    ),
    ({"cover": {"path": "image/b ä.png"}}, {"cover": {"path": "avatar/b ä.png"}}),
    *(
        (document, document)
        for document in ({}, {"cover": None}, {"cover": {"path": None}}, {"cover": {"path": 7}}, {"cover": "x"}, None)
    ),
]
URL_KEYS = (
    *("image/a b.png", "image/ä.png", "image/p+q.png", "image/d/e.png", "image/\U0001f600.png", "image/50%.png"),
)
URL_RESTS = [
    *("a%20b.png", "a b.png", "%C3%A4.png", "%c3%a4.png", "ä.png", "%61%20b.png"),
    *("p+q.png", "p%2Bq.png", "p%2bq.png", "d/e.png", "d%2Fe.png", "d%2fe.png"),
    *("%F0%9F%98%80.png", "\U0001f600.png", "50%25.png", "50%.png"),
]
# No UTF-8 text, or one that no column holds: each names nothing, and is in nobody's way.
INVALID = ["%FF.png", "%C3.png", "%C3%28", "%00", "a%ED%A0%80", "%F8%88%80%80%80"]
URLS = [
    *((CDN["legacy"] + rest, CDN["production"] + rest) for rest in URL_RESTS),
    ("http://cdn.example/other/ä.png",) * 2,
    (None,) * 2,
]
Values = list[tuple[Any, Any]]
KINDS: dict[str, tuple[str, dict[str, Any], tuple[str, ...], Values]] = {
    "text": ("text", {}, AB, PLAIN),
    "varchar": ("varchar", {}, AB, PLAIN),
    "varchar(17)": ("varchar(17)", {}, AB, PLAIN),
    "citext": ("citext", {}, AB, PLAIN),
    "a domain over text": ("picture", {}, AB, PLAIN),
    "a domain over a domain over varchar": ("thumbnail", {}, AB, PLAIN),
    "text[]": ("text[]", {"array": True}, AB, ELEMENTS),
    "varchar[]": ("varchar(40)[]", {"array": True}, AB, ELEMENTS),
    "jsonb": ("jsonb", {"json_path": ["cover", "path"]}, AB, DOCUMENTS),
    "URLs": ("text", {"path_encoding": "url", "path_prefix": CDN}, URL_KEYS, URLS),
    "URLs in text[]": (
        "text[]",
        {"path_encoding": "url", "path_prefix": CDN, "array": True},
        URL_KEYS,
        [([before for before, _ in URLS], [after for _, after in URLS])],
    ),
    "URLs in jsonb": (
        "jsonb",
        {"path_encoding": "url", "path_prefix": CDN, "json_path": ["urls", "0"]},
        URL_KEYS,
        [({"urls": [before, "x"]}, {"urls": [after, "x"]}) for before, after in URLS],
    ),
}


def make_things(product: Product, type_: str) -> None:
    if type_ == "citext":
        if not product.sql("SELECT name FROM pg_available_extensions WHERE name = 'citext'"):
            pytest.skip("this PostgreSQL comes without the extension citext")
        product.sql("CREATE EXTENSION citext")
    product.sql("CREATE DOMAIN picture AS text CHECK (length(value) < 100)")
    product.sql("CREATE DOMAIN short AS varchar(50)")
    product.sql("CREATE DOMAIN thumbnail AS short CHECK (value NOT LIKE '%.exe')")
    product.sql(f"CREATE TABLE things (id serial PRIMARY KEY, v {type_}, other text DEFAULT 'image/a.png')")


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_each_kind_are_switched_and_switched_back_and_moved(
    product: Product, declare: Declare, kind: str
) -> None:
    type_, more, keys, values = KINDS[kind]
    before, after = [value for value, _ in values], [value for _, value in values]
    make_things(product, type_)
    put(product, *keys)
    insert(product, *before)
    flow = declare({**THINGS, **more})
    assert held(product) == before
    assert flow.run(Mode.SWITCH).states == {"copied": len(keys)}
    assert held(product) == after
    flow.run(Mode.UNDO)
    assert held(product) == before
    assert set(product.objects("legacy")) == set(keys)
    account = flow.run()
    assert account.states == {"moved": len(keys)}
    assert account.rows_switched == sum(one != other for one, other in values)
    assert held(product) == after
    assert product.objects("legacy") == {}
    assert set(product.objects("production")) == as_moved(*keys)
    place = product.sql("SELECT ctid::text, xmin::text FROM things ORDER BY id")
    assert flow.run().rows_switched == 0
    assert product.sql("SELECT ctid::text, xmin::text FROM things ORDER BY id") == place
    assert product.sql("SELECT DISTINCT other FROM things") == [("image/a.png",)]


def test_an_element_of_an_object_that_cannot_be_switched_stays(product: Product, declare: Declare) -> None:
    make_things(product, "text[]")
    put(product, "image/a.png", "image/b.png")
    product.put("production", "avatar/b.png", b"someone else's")
    insert(product, ["image/b.png", "image/a.png", None], ["image/b.png"])
    flow = declare({**THINGS, "array": True})
    account = flow.attempt()
    assert account.states == {"moved": 1, "conflict": 1}
    assert held(product) == [["image/b.png", "avatar/a.png", None], ["image/b.png"]]
    assert set(product.objects("legacy")) == {"image/b.png"}
    product.remove("production", "avatar/b.png")
    assert flow.run().states == {"moved": 1}
    assert held(product) == [["avatar/b.png", "avatar/a.png", None], ["avatar/b.png"]]


def test_a_document_keeps_what_jsonb_keeps(product: Product, declare: Declare) -> None:
    """Numbers as they are written, keys that look like the path, and an index of an array counted from its end."""
    make_things(product, "jsonb")
    put(product, "image/a.png")
    document = (
        '{"p": ["image/a.png", {"p": "image/a.png"}], "n": 12345678901234567890.1200, "image/a.png": "image/a.png"}'
    )
    product.sql("INSERT INTO things (v) VALUES (%s::jsonb)", document.replace('"p": [', '"p": ["x", '))
    declare({**THINGS, "json_path": ["p", "-2"]}).run()
    wanted = document.replace('"p": ["image/', '"p": ["x", "avatar/')
    assert product.sql("SELECT v = %s::jsonb, v->>'n' FROM things", wanted) == [(True, "12345678901234567890.1200")]


# -- several references -------------------------------------------------------------------------------------------

POSTS = [
    {"table": "avatars", "column": "path"},
    {"table": "posts", "column": "cover"},
    {"table": "posts", "column": "pictures", "array": True},
]


def make_posts(product: Product) -> None:
    product.sql("CREATE TABLE posts (id serial PRIMARY KEY, cover text, pictures text[])")
    put(product, "image/a.png", "image/b.png", "image/c.png")
    product.row("image/a.png", "image/b.png")
    product.sql(
        "INSERT INTO posts (cover, pictures) "
        "VALUES ('image/a.png', '{image/a.png,image/c.png}'), (NULL, '{image/b.png}')"
    )


def all_named(product: Product) -> set[str]:
    return {
        path
        for (path,) in product.sql(
            "SELECT path FROM avatars UNION SELECT cover FROM posts UNION SELECT unnest(pictures) FROM posts"
        )
        if path
    }


def test_objects_that_three_columns_name_move_and_come_back_with_all_of_them(
    product: Product, declare: Declare
) -> None:
    make_posts(product)
    keys = set(product.objects("legacy"))
    flow = declare(*POSTS)
    account = flow.run(Mode.SWITCH)
    assert account.rows_switched == 5
    assert all_named(product) == as_moved(*keys)
    flow.run(Mode.UNDO)
    assert all_named(product) == keys == set(product.objects("legacy"))
    assert flow.run().states == {"moved": 3}
    assert all_named(product) == as_moved(*keys) == set(product.objects("production"))
    assert product.objects("legacy") == {}
    tallies = dict(
        product.sql("SELECT what, sum(number)::int FROM s3_migration.tally WHERE what ~ '^rows($| of)' GROUP BY 1")
    )
    assert tallies == {"rows": 15, "rows of avatars.path": 6, "rows of posts.cover": 3, "rows of posts.pictures[]": 6}


@pytest.mark.parametrize("step", ["copy", "switch", "verify", "gate"])
def test_a_row_of_any_of_them_that_comes_late_keeps_its_object_until_it_is_switched(
    product: Product, declare: Declare, step: str
) -> None:
    make_posts(product)
    keys = set(product.objects("legacy"))

    def late() -> None:
        product.sql("INSERT INTO posts (cover) VALUES ('image/c.png')")

    flow = declare(*POSTS)
    account = flow.run(**{f"before_{step}": late})
    if step == "verify":
        # Switched by the proof: its grace period begins then, and is not over when the proof is taken.
        assert account.states == {"moved": 2, "waiting": 1}
        assert set(product.objects("legacy")) == {"image/c.png"}
        account = flow.run()
        assert account.states == {"moved": 1}
    else:
        assert account.states == {"moved": 3}
    assert product.objects("legacy") == {}
    assert all_named(product) == as_moved(*keys) == set(product.objects("production"))


def test_an_object_stays_until_the_last_of_them_names_it_no_more(product: Product, declare: Declare) -> None:
    make_posts(product)
    product.sql("ALTER TABLE posts ADD CONSTRAINT no_c CHECK (NOT 'avatar/c.png' = ANY(pictures))")
    flow = declare(*POSTS)
    account = flow.attempt()
    # A row is switched with all its elements, or not at all.
    assert account.states == {"moved": 1, "row_refused": 2}
    assert set(product.objects("legacy")) == {"image/a.png", "image/c.png"}
    assert held(product, "posts", "pictures") == [["image/a.png", "image/c.png"], ["avatar/b.png"]]
    assert held(product, "posts", "cover") == ["avatar/a.png", None]
    for (detail,) in product.sql("SELECT detail FROM s3_migration.ledger WHERE problem = 'row_refused'"):
        assert detail.startswith("23514: row of posts.pictures[] not switched: ")
    product.sql("ALTER TABLE posts DROP CONSTRAINT no_c")
    flow.clear_failed()
    assert flow.red == {}
    assert product.objects("legacy") == {}
    assert all_named(product) == as_moved("image/a.png", "image/b.png", "image/c.png")


# -- tables of several parts --------------------------------------------------------------------------------------

PARTS = {
    "by range": """
        CREATE TABLE things (id serial, v text) PARTITION BY RANGE (id);
        CREATE TABLE things_1 PARTITION OF things FOR VALUES FROM (1) TO (100);
        CREATE TABLE things_2 PARTITION OF things DEFAULT;
    """,
    "by hash": """
        CREATE TABLE things (id serial, v text) PARTITION BY HASH (id);
        CREATE TABLE things_1 PARTITION OF things FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE things_2 PARTITION OF things FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    """,
    "by the path": """
        CREATE TABLE things (id serial, v text COLLATE "C") PARTITION BY RANGE (v);
        CREATE TABLE things_1 PARTITION OF things FOR VALUES FROM ('avatar/') TO ('avatar0');
        CREATE TABLE things_2 PARTITION OF things FOR VALUES FROM ('image/') TO ('image0');
    """,
    "by the hash of the path": """
        CREATE TABLE things (id serial, v text, PRIMARY KEY (id, v)) PARTITION BY HASH (v);
        CREATE TABLE things_1 PARTITION OF things FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE things_2 PARTITION OF things FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    """,
    "partitions of partitions": """
        CREATE TABLE things (id serial, v text) PARTITION BY RANGE (id);
        CREATE TABLE things_1 PARTITION OF things FOR VALUES FROM (1) TO (100);
        CREATE TABLE things_n PARTITION OF things DEFAULT PARTITION BY HASH (v);
        CREATE TABLE things_2 PARTITION OF things_n FOR VALUES WITH (MODULUS 2, REMAINDER 0);
        CREATE TABLE things_3 PARTITION OF things_n FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    """,
    "columns in another order": """
        CREATE TABLE things (id serial, v text) PARTITION BY RANGE (id);
        CREATE TABLE things_1 PARTITION OF things FOR VALUES FROM (1) TO (100);
        CREATE TABLE things_2 (w int, v text, id int NOT NULL);
        ALTER TABLE things_2 DROP COLUMN w;
        ALTER TABLE things ATTACH PARTITION things_2 DEFAULT;
    """,
    "children": """
        CREATE TABLE things (id serial, v text);
        CREATE TABLE things_1 () INHERITS (things);
        CREATE TABLE things_2 (more int) INHERITS (things_1);
        CREATE FUNCTION spread() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF new.id > 100 THEN INSERT INTO things_2 VALUES (new.*); RETURN NULL;
            ELSIF new.id > 50 THEN INSERT INTO things_1 VALUES (new.*); RETURN NULL; END IF;
            RETURN new;
        END $$;
        CREATE TRIGGER spread BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION spread();
    """,
}
NUMBERS = range(1, 301)


def fill(product: Product, parts: str) -> tuple[str, ...]:
    """Three objects, which 100 rows each name."""
    product.sql(PARTS[parts])
    keys = tuple(f"image/{n}.png" for n in range(3))
    put(product, *keys)
    product.sql("INSERT INTO things (v) SELECT 'image/' || n %% 3 || '.png' FROM generate_series(1, %s) AS n", 300)
    assert len(product.sql("SELECT DISTINCT tableoid FROM things")) >= (1 if parts == "by the path" else 2)
    return keys


@pytest.mark.parametrize("parts", PARTS)
def test_all_parts_of_a_table_are_switched(
    product: Product, declare: Declare, monkeypatch: pytest.MonkeyPatch, parts: str
) -> None:
    monkeypatch.setattr(passes, "FIRST_PAGES", 1)
    keys = fill(product, parts)
    before = held(product)
    flow = declare(THINGS)
    flow.run(Mode.SWITCH)
    assert held(product) == [path.replace("image/", "avatar/") for path in before]
    flow.run(Mode.UNDO)
    assert held(product) == before
    account = flow.run()
    assert (account.states, account.rows_switched) == ({"moved": 3}, 300)
    assert held(product) == [path.replace("image/", "avatar/") for path in before]
    assert product.objects("legacy") == {}
    assert set(product.objects("production")) == as_moved(*keys)


def test_a_partition_that_is_attached_after_the_check_is_switched_as_well(product: Product, declare: Declare) -> None:
    product.sql(
        "CREATE TABLE things (id int, v text) PARTITION BY RANGE (id);"
        "CREATE TABLE things_1 PARTITION OF things FOR VALUES FROM (1) TO (9);"
        "CREATE TABLE things_2 (id int, v text);"
        "INSERT INTO things_1 VALUES (1, 'image/a.png'); INSERT INTO things_2 VALUES (9, 'image/b.png')"
    )
    put(product, "image/a.png", "image/b.png")

    def attach() -> None:
        product.sql("ALTER TABLE things ATTACH PARTITION things_2 FOR VALUES FROM (9) TO (99)")

    assert declare(THINGS).run(before_switch=attach).states == {"moved": 2}
    assert held(product) == ["avatar/a.png", "avatar/b.png"]


@pytest.mark.parametrize("parts", ["by hash", "by the path", "children"])
def test_a_row_that_is_locked_in_one_part_holds_up_no_other(
    product: Product, declare: Declare, monkeypatch: pytest.MonkeyPatch, parts: str
) -> None:
    fill(product, parts)
    monkeypatch.setattr(switching.time, "sleep", lambda _: None)
    monkeypatch.setattr(switching, "LOCKED_PASSES", 1)
    flow = declare(THINGS)
    flow.begin(Mode.SWITCH)
    flow.copy()
    with psycopg.connect(product.database_uri) as app:
        app.execute("SELECT FROM things WHERE id = 120 FOR UPDATE")
        ended_by = rf"rows of things stayed locked.*SELECT pg_terminate_backend\({app.info.backend_pid}\)"
        with pytest.raises(RowsLocked, match=ended_by):
            flow.switch()
        assert product.sql("SELECT id FROM things WHERE v LIKE 'image/%%'") == [(120,)]
    flow.switch()
    assert product.sql("SELECT id FROM things WHERE v LIKE 'image/%%'") == []


@pytest.mark.parametrize("parts", ["by hash", "by the path", "children"])
def test_a_row_that_one_part_refuses_is_named_with_its_reference(
    product: Product, declare: Declare, parts: str
) -> None:
    fill(product, parts)
    put(product, "image/no.png")
    product.sql("INSERT INTO things (id, v) VALUES (1000, 'image/no.png')")
    ((part,),) = product.sql("SELECT tableoid::regclass::text FROM things WHERE id = 1000")
    if parts == "by the path":
        part = "things_1"  # where it is to go
    product.sql(f"ALTER TABLE {part} ADD CONSTRAINT no CHECK (v <> 'avatar/no.png')")
    flow = declare(THINGS)
    account = flow.attempt()
    assert account.states == {"moved": 3, "row_refused": 1}
    ((code, detail),) = product.sql("SELECT error_code, detail FROM s3_migration.ledger WHERE problem = 'row_refused'")
    assert code == "23514"
    assert detail.startswith("23514: row of things.v not switched: ")
    assert set(product.objects("legacy")) == {"image/no.png"}
    assert product.sql("SELECT id FROM things WHERE v LIKE 'image/%%'") == [(1000,)]
    product.sql(f"ALTER TABLE {part} DROP CONSTRAINT no")
    assert flow.run().states == {"moved": 1}
    assert product.sql("SELECT id FROM things WHERE v LIKE 'image/%%'") == []


@pytest.mark.parametrize("rest", INVALID)
def test_what_is_no_percent_encoding_is_refused_and_written_later_names_nothing(
    product: Product, flow: Flow, rest: str
) -> None:
    fields = {"path_encoding": "url", "path_prefix": CDN}
    product.put("legacy", "image/a.png")
    product.row(CDN["legacy"] + "a.png")
    flow.declaration = Declaration.model_validate(
        {
            **flow.declaration.model_dump(mode="json"),
            "database": {"conn_id": "proddatabase", "table": "avatars", "column": "path", **fields},
        }
    )
    flow.run(before_copy=lambda: product.row(CDN["legacy"] + rest))
    assert product.objects("legacy") == {}
    assert product.rows() == [CDN["production"] + "a.png", CDN["legacy"] + rest]
    with pytest.raises(PreflightFailed) as refused:
        flow.begin()
    assert repr(CDN["legacy"] + rest) in str(refused.value)
    assert "the percent-encoding of no text" in str(refused.value)

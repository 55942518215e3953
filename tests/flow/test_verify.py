"""A second opinion: a whole migration is called whole, each fault is found and named, and what is not known is said."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg
import pytest
import yaml

from devstack.product import set_up
from s3_migration.__main__ import main as program
from s3_migration.model import declaration as declarations
from s3_migration.model.declaration import Declaration
from s3_migration.model.key_mapping import canary
from s3_migration.model.modes import Mode
from s3_migration.second_opinion import join as joining
from s3_migration.second_opinion import look as looking
from s3_migration.second_opinion import scratch, second_look
from s3_migration.second_opinion.errors import CannotJudge
from s3_migration.second_opinion.finding import Example, Finding
from s3_migration.second_opinion.judgement import Fault, Object
from s3_migration.second_opinion.rows import Database
from s3_migration.second_opinion.second_look import SecondLook
from s3_migration.second_opinion.spelling import Side
from s3_migration.second_opinion.stores import Bucket
from tests.support import ROOT
from tests.support.connections import client, connect_database, connect_s3
from tests.support.flow import Flow, shared_clients
from tests.support.moto_server import made_moto
from tests.support.product import Product

KEYS = ("image/1.png", "image/2 b.png", "image/\u00e4\U0001f600.png")
ONE = "image/1.png", "avatar/1.png"
LARGE = b"x" * (5 * 2**20 + 1)


class Silent:
    def say(self, line: str) -> None:
        pass

    @contextmanager
    def stage(self, what: str) -> Iterator[Callable[[int], object]]:
        yield int


Look = Callable[..., Finding]


@pytest.fixture
def look(product: Product, tmp_path: Path) -> Look:
    """As Airflow's connections have it, with the rights of the migrator; nothing may be left of the scratch files."""

    def looked(declaration: Declaration | None = None, url: str | None = None, **options: Any) -> Finding:
        declared = declaration or product.declaration
        directory = tmp_path / "scratch"
        directory.mkdir(exist_ok=True)
        found = looking.look(declared, Database(declared, url), directory, Silent(), **options)
        assert list(directory.iterdir()) == []
        return found

    return looked


@pytest.fixture
def moved(product: Product, flow: Flow) -> Product:
    product.seed(*KEYS)
    flow.run()
    return product


def faults(found: Finding) -> dict[Fault, int]:
    return dict(+found.faults)


def fields_with(product: Product, **changed: Any) -> dict[str, Any]:
    fields = product.declaration.model_dump(mode="json", exclude={"name"}, exclude_none=True)
    return fields | {part: fields[part] | to if isinstance(to, dict) else to for part, to in changed.items()}


def declared_with(product: Product, **changed: Any) -> Declaration:
    return Declaration.model_validate({"name": "avatars", **fields_with(product, **changed)})


def upload(product: Product, side: str, key: str, body: bytes = LARGE) -> None:
    """In two parts: its ETag is the MD5 of nothing."""
    where = {"Bucket": product.bucket(side), "Key": key}
    made = product.s3.create_multipart_upload(**where)["UploadId"]
    parts = [
        {"PartNumber": n, "ETag": product.s3.upload_part(**where, UploadId=made, PartNumber=n, Body=part)["ETag"]}
        for n, part in ((1, body[: 5 * 2**20]), (2, body[5 * 2**20 :]))
    ]
    product.s3.complete_multipart_upload(**where, UploadId=made, MultipartUpload={"Parts": parts})


# -- whole, and not -----------------------------------------------------------------------------------------------


def test_a_whole_migration_is_whole_and_the_ledger_is_not_asked(moved: Product, look: Look) -> None:
    moved.put("production", "avatar/own.png")
    moved.put("production", "elsewhere/own.png")
    moved.put("legacy", "imagex/other.png")
    moved.put("legacy", canary("image/", "avatars", "killed"))
    moved.row("avatar/own.png", "avatar/own.png", None, "", "elsewhere/own.png")
    moved.put("production", "avatar/unnamed.png")
    moved.sql("DROP SCHEMA s3_migration CASCADE")
    found = look()
    assert (found.whole, faults(found), found.settled) == (True, {}, 0)
    assert (found.legacy_objects, found.production_objects, found.unnamed, found.canaries) == (0, 5, 1, 1)
    reading = found.readings["avatars.path"]
    assert (reading.values, reading.production, reading.legacy, reading.otherwise) == (7, 5, 0, 0)
    assert found.without_original == 5


def test_what_is_not_moved_yet_is_not_whole(product: Product, flow: Flow, look: Look) -> None:
    product.seed(*KEYS)
    assert faults(look()) == {Fault.NOT_MOVED: 3, Fault.ONLY_IN_LEGACY: 3}
    flow.run(Mode.COPY)
    assert faults(look()) == {Fault.NOT_MOVED: 3, Fault.LEFT: 3}
    flow.run(Mode.SWITCH)
    assert faults(look()) == {Fault.LEFT: 3}
    flow.run()
    assert look().whole


def _row(value: str) -> Callable[[Product], object]:
    return lambda product: product.sql("UPDATE avatars SET path = %s WHERE path = %s", value, "avatar/1.png")


INJECTED: dict[str, tuple[Callable[[Product], object], Fault, Example]] = {
    "an object is lost": (
        lambda product: product.remove("production", "avatar/1.png"),
        Fault.BROKEN,
        Example(*ONE, "avatars.path", "avatar/1.png"),
    ),
    "a row names nothing in production": (
        _row("avatar/no such.png"),
        Fault.BROKEN,
        Example("image/no such.png", "avatar/no such.png", "avatars.path", "avatar/no such.png"),
    ),
    "a row names nothing in legacy": (
        _row("image/no such.png"),
        Fault.DANGLING,
        Example("image/no such.png", "avatar/no such.png", "avatars.path", "image/no such.png"),
    ),
    "a row is set back": (
        _row("image/1.png"),
        Fault.UNSWITCHED,
        Example(*ONE, "avatars.path", "image/1.png"),
    ),
    "an object is left": (
        lambda product: product.put("legacy", "image/1.png", b"body of image/1.png"),
        Fault.LEFT,
        Example(*ONE),
    ),
    "another content of the same size": (
        lambda product: product.put("legacy", "image/1.png", b"BODY of image/1.png"),
        Fault.DIFFERS,
        Example(*ONE),
    ),
    "another size": (lambda product: product.put("legacy", "image/1.png", b"longer" * 9), Fault.DIFFERS, Example(*ONE)),
    "only in legacy": (
        lambda product: product.put("legacy", "image/new.png"),
        Fault.ONLY_IN_LEGACY,
        Example("image/new.png", "avatar/new.png"),
    ),
}


@pytest.mark.parametrize(("inject", "fault", "example"), INJECTED.values(), ids=INJECTED)
def test_a_fault_is_found_and_named(
    moved: Product, look: Look, inject: Callable[[Product], object], fault: Fault, example: Example
) -> None:
    inject(moved)
    found = look()
    assert (faults(found), found.examples[fault], found.whole) == ({fault: 1}, [example], False)


def test_rows_are_counted_and_not_only_values(moved: Product, look: Look) -> None:
    moved.row(*["avatar/lost.png"] * 30, *[f"avatar/lost {n}.png" for n in range(30)])
    found = look()
    assert faults(found) == {Fault.BROKEN: 60}
    assert len(found.examples[Fault.BROKEN]) == 20


def test_etags_of_uploads_in_parts_tell_nothing_and_bytes_do(moved: Product, look: Look) -> None:
    for key, body in (("same", LARGE), ("other", LARGE[:-1] + b"y")):
        upload(moved, "legacy", f"image/{key}")
        moved.put("production", f"avatar/{key}", body)
    assert faults(look()) == {Fault.UNPROVEN: 2}
    found = look(compare_bytes=True)
    assert faults(found) == {Fault.LEFT: 1, Fault.DIFFERS: 1}
    assert found.examples[Fault.DIFFERS] == [Example("image/other", "avatar/other")]


def test_a_row_in_another_spelling_may_be_a_broken_picture_and_nothing_is_called_whole(
    moved: Product, look: Look
) -> None:
    moved.row("/avatar/1.png", "https://legacy.example/IMAGE/1.png", "x")
    found = look()
    assert (found.whole, faults(found)) == (False, {})
    assert found.readings["avatars.path"].otherwise == 2
    assert found.readings["avatars.path"].examples == ["/avatar/1.png", "https://legacy.example/IMAGE/1.png"]


def test_values_that_name_nothing_of_ours_are_counted_and_shown(moved: Product, look: Look) -> None:
    moved.row(*[f"elsewhere/{n}.png" for n in range(7)], None, "/avatar/1.png")
    reading = look().readings["avatars.path"]
    assert (reading.values, reading.production, reading.otherwise, reading.foreign) == (11, 3, 1, 7)
    assert len(set(reading.foreign_examples)) == 5
    assert all(value.startswith("elsewhere/") for value in reading.foreign_examples)


def test_where_no_column_names_anything_of_ours_faults_are_told_all_the_same(moved: Product, look: Look) -> None:
    moved.sql("UPDATE avatars SET path = 'elsewhere/1.png'")
    moved.put("legacy", "image/new.png")
    assert faults(look()) == {Fault.ONLY_IN_LEGACY: 1}


def test_where_unnamed_objects_are_kept_by_declaration_they_are_no_fault(moved: Product, look: Look) -> None:
    """Whatever production holds. What a row names, on either side, is none of them."""
    keep = declared_with(moved, unreferenced="keep")
    for key in ("image/unnamed.png", "image/copied once.png"):
        moved.put("legacy", key)
    moved.put("production", "avatar/copied once.png")
    found = look(keep)
    assert (found.whole, found.kept, found.legacy_objects) == (True, 2, 2)
    assert faults(look()) == {Fault.ONLY_IN_LEGACY: 1, Fault.LEFT: 1}
    moved.put("legacy", "image/1.png", b"body of image/1.png")
    moved.put("legacy", "image/named.png")
    moved.row("image/named.png")
    found = look(keep)
    assert (found.kept, faults(found)) == (2, {Fault.LEFT: 1, Fault.NOT_MOVED: 1, Fault.ONLY_IN_LEGACY: 1})


def test_a_collation_to_which_two_values_are_one_settles_nothing(product: Product, look: Look) -> None:
    try:
        product.sql("CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)")
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("this PostgreSQL was built without ICU")
    product.sql("CREATE TABLE posts (path text COLLATE any_case)")
    product.sql("GRANT SELECT ON posts TO migrator")
    product.sql("INSERT INTO posts VALUES ('avatar/a.png'), ('avatar/A.png'), ('avatar/A.png')")
    product.put("production", "avatar/a.png")
    found = look(declared_with(product, database={"references": [{"table": "posts", "column": "path"}]}))
    assert (faults(found), found.settled) == ({Fault.BROKEN: 2}, 0)


def test_of_many_spellings_of_one_object_some_are_looked_at_again_and_all_are_counted(
    moved: Product, look: Look, between: Callable[[Callable[[], object]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(joining, "MOST_ROWS", 3)
    encoded = {"table": "avatars", "column": "path", "path_encoding": "url"}
    declaration = declared_with(moved, database={"references": [encoded]})
    moved.sql("DELETE FROM avatars")
    moved.row(*[f"avatar/lost.png?v={n}" for n in range(10)], "image/lost.png?v=1", "image/lost.png?v=2")
    found = look(declaration)
    assert faults(found) == {Fault.BROKEN: 10, Fault.DANGLING: 2}
    assert found.seen_once == {Fault.BROKEN: 7, Fault.DANGLING: 2}
    assert {each.reference for each in found.examples[Fault.DANGLING]} == {"avatars.path"}
    between(lambda: moved.put("production", "avatar/lost.png"))
    assert faults(look(declaration)) == {Fault.UNSWITCHED: 2}, "all are judged by the objects of now"


# -- the kinds of references --------------------------------------------------------------------------------------

CDN = {"legacy": "https://cdn.example/image/", "production": "https://cdn.example/avatar/"}
KINDS: dict[str, tuple[str, dict[str, Any], str, str, str]] = {
    "an array": (
        *("pictures text[]", {"column": "pictures", "array": True}),
        *("'{{x,image/1.png,NULL,image/2 b.png}}'", "posts.pictures[]", "avatar/1.png"),
    ),
    "a path in a jsonb": (
        *("data jsonb", {"column": "data", "json_path": ["cover", "path"]}),
        *(
            """'{{"cover": {{"path": "image/1.png"}}, "path": "image/2 b.png"}}'""",
            "posts.data{cover,path}",
            "avatar/1.png",
        ),
    ),
    "a URL": (
        *("url text", {"column": "url", "path_prefix": CDN, "path_encoding": "url"}),
        *("'https://cdn.example/image/%31.png'", "posts.url", "https://cdn.example/avatar/%31.png"),
    ),
    "a name that needs quotes": (
        *('"a ""%%s" varchar(20)', {"column": 'a "%s'}),
        *("'image/1.png'", 'posts.a "%s', "avatar/1.png"),
    ),
}


PARTS = {
    "one table": "CREATE TABLE posts (id int, {})",
    "partitions": """
        CREATE TABLE posts (id int, {}) PARTITION BY RANGE (id);
        CREATE TABLE posts_1 PARTITION OF posts FOR VALUES FROM (1) TO (2);
        CREATE TABLE posts_2 PARTITION OF posts DEFAULT;
    """,
    "inheritance": "CREATE TABLE posts (id int, {}); CREATE TABLE posts_2 () INHERITS (posts)",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("parts", PARTS)
def test_a_fault_is_found_whatever_names_the_object(
    product: Product, look: Look, monkeypatch: pytest.MonkeyPatch, kind: str, parts: str
) -> None:
    column, entry, value, name, path = KINDS[kind]
    column = column.replace("%%", "%")
    product.sql(PARTS[parts].format(column))
    fields = product.declaration.model_dump(mode="json")
    fields["database"]["ignored_columns"] = ["posts.data"]
    fields["database"]["references"] = [{"table": "avatars", "column": "path"}, {"table": "posts", **entry}]
    declaration = Declaration.model_validate(fields)
    set_up(product.database, declaration)
    product.seed(*KEYS)
    for number, table in ((1, "posts"), (2, "posts" if parts != "inheritance" else "posts_2")):
        names = f"id, {column.rpartition(' ')[0]}"
        product.sql(f"INSERT INTO {table} ({names}) VALUES ({number}, {value.format()})")  # noqa: S608
    with shared_clients(declaration, monkeypatch) as hooks:
        Flow(declaration, hooks).run()
    found = look(declaration)
    assert (found.whole, found.readings[name].production) == (True, 4 if kind == "an array" else 2)
    product.remove("production", "avatar/1.png")
    found = look(declaration)
    assert faults(found) == {Fault.BROKEN: 3}
    assert set(found.examples[Fault.BROKEN]) == {
        Example(*ONE, "avatars.path", "avatar/1.png"),
        Example(*ONE, name, path),
    }


# -- keys ---------------------------------------------------------------------------------------------------------

AWKWARD = ["new\nline", "a%2Fb", "a+b c", "\U0001f600", "cafe\u0301", "x/y/", "'q\"<&>", "\x01\x7f", "100%"]


def judged(product: Product, look: Look, rests: list[str]) -> None:
    """With all of them whole; with all of them lost, each is named."""
    for rest in rests:
        product.put("production", f"avatar/{rest}")
    product.row(*[f"avatar/{rest}" for rest in rests])
    found = look()
    assert (found.whole, found.production_objects, found.unnamed, found.settled) == (True, len(rests), 0, 0)
    for rest in rests:
        product.remove("production", f"avatar/{rest}")
        product.put("legacy", f"image/{rest}")
    found = look()
    assert faults(found) == {Fault.BROKEN: len(rests), Fault.ONLY_IN_LEGACY: len(rests)}
    assert {each.legacy_key for each in found.examples[Fault.ONLY_IN_LEGACY]} == {f"image/{rest}" for rest in rests}
    assert {each.value for each in found.examples[Fault.BROKEN]} == {f"avatar/{rest}" for rest in rests}


def test_an_awkward_key_is_the_one_that_it_is(product: Product, look: Look) -> None:
    judged(product, look, AWKWARD)


class Stub(BaseHTTPRequestHandler):
    """A store as no server of ours is. Legacy holds one object, whose key is no UTF-8.

    To `cut` it lists one page of more; to `endless` the same page again and again, fifty times; to `backwards` five
    pages of an object each, the last one first. As AWS does, it refuses what is longer than a key can be.
    """

    PAGES = MappingProxyType({"cut": 1, "endless": 50, "backwards": 5})

    def do_GET(self) -> None:
        if len(self.path) > 1500:
            return self._answer(400, "<Error><Code>KeyTooLongError</Code><Message>too long</Message></Error>")
        who = next((who for who in self.PAGES if who in self.headers["Authorization"]), "")
        page = int((re.findall(r"continuation-token=(\d+)", self.path) or [0])[0]) + 1
        key = f"{9 - page}.png" if who == "backwards" else "%FF+%2B.png"
        held = f"<Contents><Key>image/{key}</Key><Size>1</Size><ETag>e</ETag></Contents>"
        more = page < self.PAGES[who] if who in {"endless", "backwards"} else who == "cut"
        token = f"<NextContinuationToken>{page}</NextContinuationToken>" if more and who != "cut" else ""
        self._answer(
            200,
            f"<ListBucketResult><EncodingType>url</EncodingType>{held if '/legacy' in self.path else ''}"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}</ListBucketResult>",
        )

    def do_HEAD(self) -> None:
        self._answer(400 if len(self.path) > 1100 else 404, "")

    def _answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def stub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_key_that_is_no_text_is_counted_and_named(
    product: Product, look: Look, stub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """boto3 cannot ask for it: it counts as the listing shows it."""
    connect_s3(monkeypatch, stub)
    found = look()
    assert faults(found) == {Fault.ONLY_IN_LEGACY: 1}
    assert found.examples[Fault.ONLY_IN_LEGACY] == [Example("image/\\xff +.png", "avatar/\\xff +.png")]


def test_a_listing_that_breaks_off_is_no_listing(
    product: Product, look: Look, stub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect_s3(monkeypatch, stub, "cut")
    with pytest.raises(CannotJudge, match="breaks off: IsTruncated, and no NextContinuationToken"):
        look()


def test_a_listing_that_does_not_go_on_is_no_listing(
    product: Product, look: Look, stub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect_s3(monkeypatch, stub, "endless")
    with pytest.raises(CannotJudge, match=r"the listing of s3://legacy-.* does not go on: .*image/.xff \+\.png"):
        look()


def test_a_listing_in_another_order_is_one(
    product: Product, look: Look, stub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect_s3(monkeypatch, stub, "backwards")
    monkeypatch.setattr(second_look, "MOST_AGAIN", 0)
    assert faults(look()) == {Fault.ONLY_IN_LEGACY: 5}


def test_a_key_that_is_longer_than_one_can_be_is_nowhere(
    product: Product, look: Look, stub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store refuses to be asked for it, and one such row would keep all others from being judged."""
    connect_s3(monkeypatch, stub)
    product.row(f"avatar/{'x' * 2000}", f"image/{'y' * 1024}")
    found = look()
    assert faults(found) == {Fault.BROKEN: 1, Fault.DANGLING: 1, Fault.ONLY_IN_LEGACY: 1}
    shown = Object(1, "e")
    assert Bucket(Side.LEGACY, product.declaration.legacy).look_up(b"x" * 2000, shown) == shown, "a store that lists it"


def test_so_is_one_that_seaweedfs_does_not_hold(product: Product, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = product.s3
    with made_moto() as endpoint_url:
        connect_s3(monkeypatch, endpoint_url, "admin")
        product.s3 = client(endpoint_url)
        for side in ("legacy", "production"):
            product.s3.create_bucket(Bucket=product.bucket(side))
        try:
            judged(
                product, look, ["a//b.png", "/a.png", "a\\b.png", "./a/./b.png", "../../a.png", "x" * 1000, "a/", "a"]
            )
        finally:
            product.s3 = kept


# -- beside a live product ----------------------------------------------------------------------------------------


@pytest.fixture
def between(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Have something happen between the two looks at what is suspect."""
    take = SecondLook.take

    def happens(what: Callable[[], object]) -> None:
        def later(self: SecondLook, suspects: Any) -> None:
            found = list(suspects)
            what()
            take(self, found)

        monkeypatch.setattr(SecondLook, "take", later)

    return happens


def test_what_the_product_did_meanwhile_is_no_fault(
    moved: Product, look: Look, between: Callable[[Callable[[], object]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the listing its objects go, and after it their rows: as seen from here, rows that name nothing."""
    moved.put("legacy", "image/late.png")
    moved.row("image/late.png", "avatar/back.png", "avatar/stays.png")
    moved.remove("production", "avatar/1.png")

    def product_goes_on() -> None:
        moved.sql("DELETE FROM avatars WHERE path = 'avatar/1.png'")
        moved.put("production", "avatar/late.png")
        moved.sql("UPDATE avatars SET path = 'avatar/late.png' WHERE path = 'image/late.png'")
        moved.remove("legacy", "image/late.png")
        moved.put("production", "avatar/back.png")

    between(product_goes_on)
    found = look()
    assert faults(found) == {Fault.BROKEN: 1}
    assert found.examples[Fault.BROKEN][0].value == "avatar/stays.png"
    assert found.settled == 4


def test_a_fault_that_became_another_one_is_that_one(
    moved: Product, look: Look, between: Callable[[Callable[[], object]], None]
) -> None:
    moved.sql("UPDATE avatars SET path = 'image/1.png' WHERE path = 'avatar/1.png'")
    between(lambda: moved.remove("production", "avatar/1.png"))
    assert faults(look()) == {Fault.DANGLING: 1}


def test_where_enough_were_looked_at_again_the_others_count_as_first_seen(
    moved: Product, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_look, "MOST_AGAIN", 10)
    monkeypatch.setattr(second_look, "_BATCH", 4)
    moved.row(*[f"avatar/lost {n}.png" for n in range(30)])
    found = look()
    assert faults(found) == {Fault.BROKEN: 30}
    assert found.seen_once == {Fault.BROKEN: 18}


def test_an_etag_that_was_seen_once_tells_nothing(moved: Product, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a HEAD shows whether an object is encrypted with a key, and its ETag no MD5."""
    monkeypatch.setattr(second_look, "MOST_AGAIN", 1)
    monkeypatch.setattr(second_look, "_BATCH", 1)
    for key in KEYS:
        moved.put("legacy", key, f"BODY of {key}".encode())
    found = look()
    assert faults(found) == {Fault.DIFFERS: 1, Fault.UNPROVEN: 2}
    assert found.seen_once == {Fault.UNPROVEN: 2}


def test_all_rows_are_of_one_moment_and_nothing_is_written(
    moved: Product, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is switched while the rows are read is seen as it was, and then as it is."""
    read = looking.rows.read

    def later(connection: Any, reference: Any) -> Iterator[str]:
        moved.sql("UPDATE avatars SET path = 'image/1.png' WHERE path = 'avatar/1.png'")
        assert connection.execute("SHOW transaction_isolation").fetchone() == ("repeatable read",)
        assert connection.execute("SHOW transaction_read_only").fetchone() == ("on",)
        yield from read(connection, reference)

    monkeypatch.setattr(looking.rows, "read", later)
    found = look()
    assert (found.whole, found.readings["avatars.path"].production) == (True, 3)
    assert faults(look()) == {Fault.UNSWITCHED: 1}


# -- scratch ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_nothing_of_the_scratch_files_stays(
    moved: Product, look: Look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    open_before = len(os.listdir("/proc/self/fd"))
    seen = []

    def broken(*_: Any) -> None:
        seen.append(list((tmp_path / "scratch").iterdir()))
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(SecondLook, "take", broken)
        with pytest.raises(error):
            look()
    assert seen == [[]]
    assert list((tmp_path / "scratch").iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) < open_before + scratch.PARTS


# -- the command --------------------------------------------------------------------------------------------------

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(product: Product, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """The command line, with the product's declaration."""
    fields = product.declaration.model_dump(mode="json", exclude={"name"}, exclude_none=True)
    (tmp_path / "declared").mkdir()
    (tmp_path / "declared" / "avatars.yaml").write_text(yaml.safe_dump(fields))
    monkeypatch.setattr(declarations, "DIRECTORY", tmp_path / "declared")

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["s3_migration", "verify", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            program()
        out, error = capsys.readouterr()
        return int(ended.value.code or 0), out, error

    return call


def test_the_command_says_whole_first_and_what_it_cannot_judge(moved: Product, run: Run) -> None:
    moved.row("elsewhere/1.png")
    code, out, error = run("avatars")
    assert code == 0
    assert out.startswith(
        "Migration avatars: WHOLE for the product.\n"
        "4 values of 1 columns, 3 objects in production and 0 in legacy were looked at, in "
    )
    assert "              3  contents without an original: it is gone, or never was in legacy\n" in out
    assert "              1  values of avatars.path that name nothing of ours: they hold no prefix" in out
    assert "e.g. elsewhere/1.png" in out
    assert "columns that are not declared: python -m s3_migration survey avatars finds them" in out
    assert "Scratch files: about " in error


def test_the_command_calls_nothing_whole_that_it_could_not_judge(moved: Product, run: Run) -> None:
    moved.row("/avatar/1.png")
    code, out, _ = run("avatars")
    assert code == 1
    assert out.startswith(
        "Migration avatars: NOT WHOLE for the product: 1 rows in another spelling, which could not be judged.\n"
    )
    assert "              1  rows of avatars.path in another spelling: they hold a prefix" in out
    assert "e.g. /avatar/1.png" in out
    code, out, _ = run("avatars", "--json")
    assert (code, json.loads(out)["whole"]) == (1, False)


def test_the_command_says_what_was_kept_as_declared(moved: Product, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    _declares(unreferenced="keep")(moved, monkeypatch)
    moved.put("legacy", "image/unnamed.png")
    code, out, _ = run("avatars")
    assert code == 0
    assert "              1  objects in legacy that no row names: kept, as declared\n" in out
    code, out, _ = run("avatars", "--json")
    assert (code, json.loads(out)["objects"]["legacy_kept"]) == (0, 1)


def test_a_column_that_names_nothing_of_ours_is_declared_wrongly(
    moved: Product, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pictures may all be broken: the others tell nothing of it."""
    moved.sql("CREATE TABLE posts (url text, empty text)")
    moved.sql("INSERT INTO posts VALUES ('https://img.example/1.png', NULL)")
    moved.sql("GRANT SELECT ON posts TO migrator")
    columns = [("avatars", "path"), ("posts", "url"), ("posts", "empty")]
    references = [{"table": table, "column": column} for table, column in columns]
    _declares(database={"references": references})(moved, monkeypatch)
    code, out, error = run("avatars")
    assert (code, out) == (2, "")
    assert (
        "none of the 1 values of posts.url names anything of ours (e.g. 'https://img.example/1.png'), as those of "
        "other references do. Fix: correct its path_prefix" in error
    )
    assert "values of posts.empty names" not in error
    moved.sql("UPDATE posts SET url = 'avatar/1.png'")
    assert run("avatars")[0] == 0


def test_the_command_names_each_fault_with_examples(moved: Product, run: Run) -> None:
    moved.remove("production", "avatar/1.png")
    moved.row(*["avatar/a\nb"] * 1234)
    code, out, _ = run("avatars", "--url", moved.database_uri)
    assert code == 1
    assert out.startswith("Migration avatars: NOT WHOLE for the product.\n")
    assert "          1,235  rows name an object in production that is not there\n" in out
    assert "e.g. avatars.path: avatar/1.png\n" in out
    assert "e.g. avatars.path: avatar/a\\nb\n" in out


def test_the_command_prints_one_json_document(moved: Product, run: Run) -> None:
    moved.remove("production", "avatar/1.png")
    moved.row("https://production-s3/x", "/image/1.png")
    upload(moved, "legacy", "image/2 b.png")
    moved.put("production", "avatar/2 b.png", LARGE)
    code, out, _ = run("avatars", "--json")
    told = json.loads(out)
    assert (code, told["whole"]) == (1, False)
    assert told["faults"]["broken"]["number"] == 1
    assert told["faults"]["broken"]["examples"] == [
        {
            "legacy_key": "image/1.png",
            "production_key": "avatar/1.png",
            "reference": "avatars.path",
            "value": "avatar/1.png",
        }
    ]
    assert told["faults"]["unproven"]["number"] == 1
    assert told["rows"]["avatars.path"] == {
        "values": 5,
        "production": 3,
        "legacy": 0,
        "otherwise": 1,
        "nothing_of_ours": 1,
    }
    assert told["objects"] == {
        "legacy": 1,
        "legacy_kept": 0,
        "production": 2,
        "production_unnamed": 0,
        "canaries": 0,
    }
    numbers = {each["what"]: each["number"] for each in told["not_judged"]}
    assert numbers["rows of avatars.path in another spelling"] == 1
    assert numbers["ETags that cannot tell"] == 1
    assert numbers["contents without an original"] == 1
    assert numbers["columns that are not declared"] is None


def _url(url: str) -> Any:
    return lambda product, patch: ["--url", url]


def _refused(act: Callable[[Product, pytest.MonkeyPatch], object]) -> Any:
    def acted(product: Product, patch: pytest.MonkeyPatch) -> list[str]:
        act(product, patch)
        return []

    return acted


def _port(product: Product) -> int:
    return int(product.database.info.port)


def _declares(**changed: Any) -> Any:
    def acted(product: Product, patch: pytest.MonkeyPatch) -> list[str]:
        (declarations.DIRECTORY / "avatars.yaml").write_text(yaml.safe_dump(fields_with(product, **changed)))
        return []

    return acted


def _column(table: str, column: str) -> Any:
    return _declares(database={"references": [{"table": table, "column": column}]})


def _fills(product: Product, patch: pytest.MonkeyPatch) -> list[str]:
    directory = declarations.DIRECTORY.parent
    patch.setattr(scratch.tempfile, "TemporaryFile", lambda **_: io.BufferedRandom(_Full(directory / "full", "w+")))
    return []


class _Full(io.FileIO):
    def write(self, data: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


IMPOSSIBLE: dict[str, tuple[Any, str]] = {
    "no address": (_url("mysql://me:secret@host/db"), "--url is no address of a database"),
    "no server": (_url("postgresql://me:secret@127.0.0.1:1/db"), "the database of --url: "),
    "no port": (_url("postgresql://me:secret@127.0.0.1:x/db"), "the database of --url: "),
    "a column of another kind": (
        _declares(database={"references": [{"table": "avatars", "column": "id", "array": True}]}),
        "function unnest(integer) does not exist. Fix: correct database.references",
    ),
    "the database is down": (
        _refused(lambda product, patch: connect_database(patch, 1, "db", password="secret")),
        "the database of 'proddatabase': ",
    ),
    "a wrong password": (
        _refused(lambda product, patch: connect_database(patch, _port(product), "postgres", password="secret")),
        "the database of 'proddatabase': ",
    ),
    "no connection of the database": (
        _refused(lambda product, patch: patch.delenv("AIRFLOW_CONN_PRODDATABASE")),
        "proddatabase",
    ),
    "no connection of legacy": (_refused(lambda product, patch: patch.delenv("AIRFLOW_CONN_LEGACY_S3")), "legacy_s3"),
    "no connection of production": (
        _refused(lambda product, patch: patch.delenv("AIRFLOW_CONN_PRODUCTION_S3")),
        "production_s3",
    ),
    "no store": (_refused(lambda product, patch: connect_s3(patch, "http://127.0.0.1:1")), "s3://legacy-"),
    "no right to list": (
        _refused(lambda product, patch: connect_s3(patch, product.endpoint_url, "without-list-legacy")),
        "ListObjectsV2: AccessDenied",
    ),
    "no such identity": (
        _refused(lambda product, patch: connect_s3(patch, product.endpoint_url, "nobody")),
        "ListObjectsV2: InvalidAccessKeyId",
    ),
    "no bucket": (_declares(production={"bucket": "production-none"}), "ListObjectsV2: NoSuchBucket"),
    "no table": (_column("nowhere", "path"), 'relation "public.nowhere" does not exist'),
    "no column": (_column("avatars", "nothing"), "column a.nothing does not exist"),
    "no right to read": (
        _refused(lambda product, patch: product.sql("REVOKE SELECT ON avatars FROM migrator")),
        "permission denied for table avatars. Fix: GRANT SELECT",
    ),
    "rows that are hidden": (
        _refused(lambda product, patch: product.sql("ALTER TABLE avatars ENABLE ROW LEVEL SECURITY")),
        "row-level security policy",
    ),
    "a full disk": (_fills, "No space left on device. Fix: free the disk, or give another --directory."),
}


@pytest.mark.parametrize(("arrange", "says"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_the_command_says_why_it_cannot_be_done(
    moved: Product, run: Run, monkeypatch: pytest.MonkeyPatch, arrange: Any, says: str
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    code, out, error = run("avatars", *arrange(moved, monkeypatch))
    assert (code, out) == (2, "")
    assert says in error
    assert "Fix: " in error
    assert "Traceback" not in error
    assert "secret" not in error


def test_the_command_says_that_there_is_no_such_declaration(run: Run) -> None:
    code, out, error = run("nobody")
    assert (code, out) == (2, "")
    assert "there is no nobody.yaml. Fix: " in error


def test_where_no_row_names_anything_nothing_is_called_whole(moved: Product, run: Run) -> None:
    moved.sql("UPDATE avatars SET path = '/' || path")
    code, out, error = run("avatars")
    assert (code, out) == (2, "")
    assert (
        "no row names an object: of 3 values 3 hold a prefix of ours in another spelling; production holds 3" in error
    )


def test_nothing_but_the_document_is_printed_where_a_program_reads_it(moved: Product, run: Run) -> None:
    moved.remove("production", "avatar/1.png")
    done = subprocess.run(
        [sys.executable, "-m", "s3_migration", "verify", "avatars", "--json"],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT / "include"),
            "S3_MIGRATION_DECLARATIONS": str(declarations.DIRECTORY),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, json.loads(done.stdout)["faults"]["broken"]["number"]) == (1, 1), done.stderr


def test_the_command_refuses_a_directory_that_is_not_there(run: Run) -> None:
    code, _, error = run("avatars", "--directory", "/no/such/place")
    assert code == 2
    assert "/no/such/place" in error


WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND application_name = 's3_migration verify' AND datname = current_database()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "SIGKILL"])
def test_whatever_ends_the_command_nothing_is_left(product: Product, run: Run, tmp_path: Path, number: int) -> None:
    """While it waits for a table that somebody keeps locked, with its scratch files open."""
    (tmp_path / "scratch").mkdir()
    with product.database.transaction(), psycopg.connect(product.database_uri, autocommit=True) as other:
        product.sql("LOCK TABLE avatars")
        with subprocess.Popen(
            [sys.executable, "-m", "s3_migration", "verify", "avatars", "--directory", str(tmp_path / "scratch")],
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT / "include"),
                "S3_MIGRATION_DECLARATIONS": str(declarations.DIRECTORY),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            while other.execute(WAITING).fetchone() == (0,):
                assert process.poll() is None, process.communicate()
                time.sleep(0.1)
            assert any("(deleted)" in os.readlink(each) for each in Path(f"/proc/{process.pid}/fd").iterdir())
            process.send_signal(number)
            out, error = process.communicate()
    assert list((tmp_path / "scratch").iterdir()) == []
    assert out == ""
    if number == signal.SIGINT:
        assert process.returncode == 2
        assert error.endswith("Error: interrupted\n")

"""What a migration was declared with, it keeps; what names its objects and is not declared is found in time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from devstack.product import set_up
from s3_migration.model import declaration as declarations
from s3_migration.model.declaration import Declaration
from s3_migration.model.modes import Mode
from s3_migration.steps.deletion import GateClosed
from s3_migration.steps.preflight.errors import PreflightFailed
from s3_migration.steps.preflight.stores import tell_mapping
from s3_migration.steps.run import DeclarationChanged
from tests.support.connections import ROLE
from tests.support.flow import Flow, lapse
from tests.support.product import Product


def changed(declaration: Declaration, **fields: Any) -> Declaration:
    """The declaration with other fields: `legacy__prefix`, …"""
    made = declaration.model_dump(mode="json")
    for name, value in fields.items():
        *path, last = name.split("__")
        part = made
        for step in path:
            part = part[step]
        part[last] = value
    return Declaration.model_validate(made)


CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "legacy.prefix": (
        {"legacy__prefix": "img/", "legacy__path_prefix": "image/"},
        "legacy.prefix was 'image/' and is 'img/'",
    ),
    "production.prefix": ({"production__prefix": "pics/"}, "production.prefix was 'avatar/' and is 'pics/'"),
    "path_prefix": (
        {"legacy__path_prefix": "pic/"},
        "reference public.avatars.path: legacy was 'image/' and is 'pic/'",
    ),
    "the column": (
        {"database__references": [{"table": "avatars", "column": "other"}]},
        "reference public.avatars.path is gone",
    ),
}


@pytest.mark.parametrize(("fields", "says"), CHANGES.values(), ids=CHANGES)
def test_another_declaration_under_the_same_name_is_refused(
    product: Product, flow: Flow, fields: dict[str, Any], says: str
) -> None:
    product.sql("ALTER TABLE avatars ADD COLUMN other text")
    product.sql(f"GRANT UPDATE (other) ON avatars TO {ROLE}")
    product.seed("image/1")
    flow.run(Mode.SWITCH)
    before = product.objects("legacy"), product.objects("production"), product.rows()
    flow.declaration = changed(flow.declaration, **fields)
    with pytest.raises(PreflightFailed) as refused:
        flow.begin()
    assert says in str(refused.value)
    assert "under a new name" in str(refused.value)
    assert (product.objects("legacy"), product.objects("production"), product.rows()) == before


def test_a_reference_may_be_corrected_until_a_row_of_it_was_switched(product: Product, flow: Flow) -> None:
    product.seed("image/1")
    wrong = {"legacy__path_prefix": "pic/", "production__path_prefix": "new/"}
    sound, flow.declaration = flow.declaration, changed(flow.declaration, **wrong)
    flow.attempt(Mode.SWITCH)
    assert product.rows() == ["image/1"]
    flow.declaration = sound
    flow.run(Mode.SWITCH)
    assert product.rows() == ["avatar/1"]
    flow.declaration = changed(sound, **wrong)
    with pytest.raises(PreflightFailed, match="legacy was 'image/' and is 'pic/'"):
        flow.begin()


def test_another_bucket_under_the_same_name_is_refused(product: Product, flow: Flow) -> None:
    flow.run(Mode.PLAN)
    other = f"{product.bucket('production')}-other"
    product.s3.create_bucket(Bucket=other)
    flow.declaration = changed(flow.declaration, production__bucket=other)
    with pytest.raises(PreflightFailed, match=r"production\.bucket was 'production-"):
        flow.begin()
    product.s3.delete_bucket(Bucket=other)


@pytest.mark.parametrize("step", ["copy_chunk", "switch", "verify", "gate", "delete_chunk", "reconcile"])
def test_a_declaration_that_is_edited_during_a_run_holds_it_up(product: Product, flow: Flow, step: str) -> None:
    product.seed("image/1", "image/2")
    flow.begin()
    sound = flow.declaration
    tasks = {"copy_chunk": 0, "switch": 1, "verify": 2, "gate": 3, "delete_chunk": 4, "reconcile": 5}
    flow.work_off(flow.tasks()[: tasks[step]])
    before = product.objects("legacy"), product.objects("production"), product.rows()
    flow.declaration = changed(sound, legacy__path_prefix="pic/", production__path_prefix="new/")
    with pytest.raises(DeclarationChanged, match=r"put the declaration back"):
        getattr(flow, step)(*([1] if step.endswith("chunk") else []))
    assert (product.objects("legacy"), product.objects("production"), product.rows()) == before
    flow.declaration = sound
    flow.work_off(flow.tasks()[tasks[step] :])
    assert flow.red == {}
    assert product.objects("legacy") == {}


def test_a_reference_may_be_added_and_what_was_proven_without_it_is_proven_again(product: Product, flow: Flow) -> None:
    product.sql("CREATE TABLE users (id serial PRIMARY KEY, picture text)")
    product.seed("image/1")
    product.sql("INSERT INTO users (picture) VALUES ('image/1')")
    flow.begin()
    flow.work_off(flow.tasks()[:3])
    run_id, chunks = flow.run_id, flow.chunks
    references = [{"table": "avatars", "column": "path"}, {"table": "users", "column": "picture"}]
    flow.declaration = changed(flow.declaration, database__references=references)
    set_up(product.database, flow.declaration)
    lapse(product)
    flow.begin(Mode.PLAN)
    flow.reconcile()
    flow.run_id, flow.chunks = run_id, chunks
    with pytest.raises(GateClosed, match="the verification never finished"):
        flow.gate()
    lapse(product)
    flow.run()
    assert product.sql("SELECT picture FROM users") == [("avatar/1",)]
    assert product.objects("legacy") == {}


# -- columns that are not declared --------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["image/{}", "https://cdn.example/image/{}"])
def test_an_undeclared_column_closes_the_gate(
    product: Product, flow: Flow, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    product.seed("image/1", "image/2")
    product.sql("CREATE TABLE users (id serial PRIMARY KEY, picture text, kind text DEFAULT 'image/png')")
    product.sql("INSERT INTO users (picture) VALUES (%s)", value.format(1))
    product.sql(f"GRANT SELECT ON users TO {ROLE}")
    account = flow.run(Mode.PLAN)
    assert "not declared, and may name these objects: users.picture" in caplog.text
    assert account.undeclared == {"users.picture": 1}
    assert "not declared   users.picture (some 1 rows): may name these objects" in account.as_text()
    flow.attempt()
    said = str(flow.red["gate", 0])
    assert "users.picture" in said
    assert "- table: public.users" in said
    assert "users.kind" not in said, "a MIME type is no object"
    assert len(product.objects("legacy")) == 2
    prefix = {"legacy": value.format(""), "production": value.format("").replace("image/", "avatar/")}
    references = [
        {"table": "avatars", "column": "path"},
        {"table": "users", "column": "picture", "path_prefix": prefix},
    ]
    flow.declaration = changed(flow.declaration, database__references=references)
    set_up(product.database, flow.declaration)
    flow.run()
    assert product.objects("legacy") == {}
    assert product.sql("SELECT picture FROM users") == [(prefix["production"] + "1",)]


def test_a_column_that_serves_nobody_may_be_ignored(product: Product, flow: Flow) -> None:
    product.seed("image/1")
    product.sql("ALTER TABLE avatars ADD COLUMN old text DEFAULT 'image/1'")
    flow.attempt()
    assert "avatars.old" in str(flow.red["gate", 0])
    flow.declaration = changed(flow.declaration, database__ignored_columns=["avatars.old"])
    flow.run()
    assert product.objects("legacy") == {}


def test_another_place_in_a_declared_document_closes_the_gate(product: Product, flow: Flow) -> None:
    product.seed("image/1")
    product.sql("CREATE TABLE posts (id serial PRIMARY KEY, data jsonb)")
    product.sql("""INSERT INTO posts (data) VALUES ('{"cover": "image/1", "thumb": {"path": "image/1"}}')""")
    references = [
        {"table": "avatars", "column": "path"},
        {"table": "posts", "column": "data", "json_path": ["cover"]},
    ]
    flow.declaration = changed(flow.declaration, database__references=references)
    set_up(product.database, flow.declaration)
    flow.attempt()
    assert "json_path: [thumb, path]" in str(flow.red["gate", 0])
    assert set(product.objects("legacy")) == {"image/1"}
    references.append({"table": "posts", "column": "data", "json_path": ["thumb", "path"]})
    flow.declaration = changed(flow.declaration, database__references=references)
    flow.run()
    assert product.sql("SELECT data FROM posts") == [({"cover": "avatar/1", "thumb": {"path": "avatar/1"}},)]
    assert product.objects("legacy") == {}


# -- other declarations -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("prefix", "overlaps"), [("image/", True), ("image/a/", True), ("i", True), ("thumb/", False)])
def test_two_declarations_of_the_same_objects_are_refused(
    product: Product, flow: Flow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str, overlaps: bool
) -> None:
    other = flow.declaration.model_dump(mode="json")
    other |= {"name": "users", "database": {"conn_id": "proddatabase", "table": "users", "column": "picture"}}
    other["legacy"] |= {"prefix": prefix, "path_prefix": prefix}
    slash = "/" if prefix.endswith("/") else ""
    other["production"] |= {"prefix": f"new{slash}", "path_prefix": f"new{slash}"}
    (tmp_path / "users.yaml").write_text(yaml.safe_dump(other))
    monkeypatch.setattr(declarations, "DIRECTORY", tmp_path)
    if not overlaps:
        flow.run(Mode.PLAN)
        return
    with pytest.raises(PreflightFailed, match=f"migration users takes objects of s3://.*/{prefix} too"):
        flow.begin()


# -- what is shown, and said --------------------------------------------------------------------------------------


def test_a_plan_shows_what_becomes_of_some_keys(product: Product, flow: Flow, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    product.seed("image/1")
    flow.run(Mode.PLAN)
    assert "'image/1' will be 'avatar/1'" in caplog.text
    sides = {"legacy": "image", "production": "avatar"}
    prefixes = {f"{side}__{field}": name for side, name in sides.items() for field in ("prefix", "path_prefix")}
    tell_mapping(changed(flow.declaration, **prefixes), ["imagery/x.png"])
    assert "'imagery/x.png' will be 'avatarry/x.png'" in caplog.text
    assert "prefix 'image' does not end with /" in caplog.text


@pytest.mark.declared(chunk_size=1)
def test_a_copy_that_was_marked_success_by_hand_is_named(product: Product, flow: Flow) -> None:
    product.seed("image/1", "image/2")
    flow.begin()
    flow.work_off([task for task in flow.tasks() if task != ("copy", 2)])
    said = str(flow.red["switch", 0])
    assert (
        "listed: 'image/2': not copied, though copy_chunk is over: clear its instance of chunk 2 (map index 1)" in said
    )
    flow.work_off([("copy", 2), *flow.tasks()[2:]])
    assert flow.red == {}

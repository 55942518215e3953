"""Where an index can tell, the rows are asked once more in the transaction that begins a batch of deletions."""

from __future__ import annotations

import logging

import pytest

from s3_migration.ledger.connection import Ledger
from s3_migration.ledger.deletion import is_indexed
from s3_migration.model.modes import Mode
from s3_migration.steps import deletion
from tests.support.flow import Flow, unserved
from tests.support.product import Product

INDEXES = {
    "btree": ("CREATE INDEX ON avatars (path)", True),
    "hash": ("CREATE INDEX ON avatars USING hash (path)", True),
    "first of two columns": ("CREATE INDEX ON avatars (path, id)", True),
    "unique": ("CREATE UNIQUE INDEX ON avatars (path)", True),
    "none": ("SELECT 1", False),
    "second of two columns": ("CREATE INDEX ON avatars (id, path)", False),
    "of some rows": ("CREATE INDEX ON avatars (path) WHERE id > 5", False),
    "of another expression": ("CREATE INDEX ON avatars (lower(path))", False),
}


@pytest.mark.parametrize(("made", "serves"), INDEXES.values(), ids=INDEXES)
def test_which_indexes_serve(
    product: Product, flow: Flow, caplog: pytest.LogCaptureFixture, made: str, serves: bool
) -> None:
    caplog.set_level(logging.INFO)
    product.seed(*(f"image/{number}" for number in range(9)))
    product.sql(made)
    ledger = Ledger.connect(flow.declaration)
    assert is_indexed(ledger.of_reference(flow.declaration.references[0])) is serves
    ledger.close()
    flow.run(Mode.PLAN)
    assert ("avatars.path: rows are asked once more" in caplog.text) is serves
    assert ('CREATE INDEX CONCURRENTLY ON "public"."avatars" ("path")' in caplog.text) is not serves


def test_a_row_that_comes_after_the_proof_keeps_its_object(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written after the look at both sides, and before the batch begins: nothing but the rows can tell."""
    product.sql("CREATE INDEX ON avatars (path)")
    product.seed("image/1", "image/2")
    compare = deletion.compare_keys

    def compare_and_write(run: object, keys: list[str]) -> None:
        compare(run, keys)  # type: ignore[arg-type]
        product.row("image/1")

    monkeypatch.setattr(deletion, "compare_keys", compare_and_write)
    account = flow.run()
    assert unserved(product) == set()
    assert account.states == {"moved": 1, "waiting": 1}
    assert set(product.objects("legacy")) == {"image/1"}
    monkeypatch.undo()


def test_of_an_undo_the_rows_of_production_are_asked(product: Product, flow: Flow) -> None:
    product.sql("CREATE INDEX ON avatars (path)")
    product.seed("image/1")
    flow.run()
    assert product.rows() == ["avatar/1"]
    flow.run(Mode.UNDO)
    assert product.rows() == ["avatar/1"], "legacy holds it no more"


# -- unreferenced: keep -------------------------------------------------------------------------------------------


@pytest.mark.declared(unreferenced="keep")
def test_what_no_row_names_may_be_kept(product: Product, flow: Flow) -> None:
    product.seed("image/1")
    for number in range(120):
        product.put("legacy", f"image/nobody/{number}")
    account = flow.run()
    assert account.states == {"moved": 1, "unreferenced": 120}
    assert set(product.objects("production")) == {"avatar/1"}
    product.row("image/nobody/7")
    account = flow.run()
    assert account.states["moved"] == 1
    assert account.states["unreferenced"] == 119
    assert "avatar/nobody/7" in product.rows()
    assert len(product.objects("legacy")) == 119

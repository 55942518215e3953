"""The pass that a proof rests on: what rows name even so, in pieces, by several sessions, killed in its midst."""

from __future__ import annotations

from typing import Any

import pytest

from s3_migration.ledger import switching as statements
from s3_migration.ledger.connection import Ledger
from s3_migration.steps import missing, passes, settling, spelling
from s3_migration.steps.run import working
from s3_migration.steps.spelling import TooManyMisspelt
from tests.support.flow import Flow, Killed
from tests.support.product import Product
from tests.support.switching import copied


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passes, "FIRST_PAGES", 1)
    monkeypatch.setattr(passes, "MAX_PAGES", 1)
    monkeypatch.setattr(settling, "SLICE", 7)
    monkeypatch.setattr(spelling, "SLICE", 7)
    monkeypatch.setattr(missing, "SLICE", 7)


def many(product: Product, flow: Flow, objects: int = 300) -> None:
    """Switched but for every third row, each seventh spelt otherwise; what a former look had found is over for some."""
    copied(product, flow, objects)
    product.sql("UPDATE s3_migration.ledger SET problem = 'still_referenced' WHERE legacy_key ~ '5$'")
    product.sql("UPDATE s3_migration.ledger SET problem = 'misspelt', detail = 'then' WHERE legacy_key ~ '1$'")
    product.sql("UPDATE avatars SET path = 'avatar/' || id WHERE id % 3 > 0")
    product.sql("INSERT INTO avatars (path) SELECT '/image/' || n FROM generate_series(7, %s, 7) AS n", objects)


def settle(flow: Flow, monkeypatch: pytest.MonkeyPatch, **declared: Any) -> None:
    monkeypatch.setattr(settling, "switch_rows", lambda *_, **__: 0)  # as if they were written right behind it
    declaration = flow.declaration.model_copy(update=declared)
    with working(declaration, flow.run_id, "verify") as run:
        settling.settle_rows(run)


def expected(number: int) -> str | None:
    if number % 3 == 0:
        return "still_referenced"
    return "misspelt" if number % 7 == 0 else None


@pytest.mark.parametrize("at_once", [1, 3])
def test_each_object_is_what_its_rows_make_of_it(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    many(product, flow)
    for _ in range(2):
        settle(flow, monkeypatch, parallel_passes=at_once)
        found = dict(product.sql("SELECT legacy_key, problem FROM s3_migration.ledger"))
        assert found == {f"image/{number}": expected(number) for number in range(1, 301)}
        left = product.sql("SELECT number FROM s3_migration.tally WHERE what = 'rows_left' AND step = 'verify'")
        assert left == [(100,)]


@pytest.mark.parametrize(
    "moment", ["find_rows_left", "mark_still_referenced", "fill_otherwise", "find_misspelt", "mark_misspelt"]
)
def test_killed_in_its_midst_no_object_seems_to_have_no_problem(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    many(product, flow)
    original, turns = Ledger.execute, iter(range(100))

    def killed(ledger: Ledger, file: str, /, **values: Any) -> Any:
        if file == moment and next(turns) == (moment != "fill_otherwise"):
            raise Killed(file)
        return original(ledger, file, **values)

    before = dict(product.sql("SELECT legacy_key, problem FROM s3_migration.ledger"))
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(Ledger, "execute", killed)
        with pytest.raises(Killed):
            settle(flow, monkeypatch)
    now = dict(product.sql("SELECT legacy_key, problem FROM s3_migration.ledger"))
    lost = [key for key, problem in before.items() if problem and not now[key] and expected(int(key[6:]))]
    assert lost == []
    settle(flow, monkeypatch)
    found = dict(product.sql("SELECT legacy_key, problem FROM s3_migration.ledger"))
    assert found == {f"image/{number}": expected(number) for number in range(1, 301)}


def test_what_has_both_problems_keeps_one_at_any_moment(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its row was switched since, another one spells it otherwise: it is never without a problem for anybody else."""
    copied(product, flow, 2)
    product.sql("UPDATE s3_migration.ledger SET problem = 'still_referenced'")
    product.sql("UPDATE avatars SET path = 'avatar/' || id")
    product.row("/image/1")
    clear, between = statements.clear_still_referenced, []

    def clear_and_look(ledger: Any, keys: list[str]) -> None:
        clear(ledger, keys)
        between.extend(product.sql("SELECT problem FROM s3_migration.ledger WHERE legacy_key = 'image/1'"))

    monkeypatch.setattr(statements, "clear_still_referenced", clear_and_look)
    settle(flow, monkeypatch)
    assert between == [("still_referenced",)]
    assert product.sql("SELECT legacy_key, problem FROM s3_migration.ledger ORDER BY 1") == [
        ("image/1", "misspelt"),
        ("image/2", None),
    ]


def test_what_rows_hold_otherwise_is_looked_through_some_at_a_time(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(product, flow)
    product.sql("INSERT INTO avatars (path) SELECT 'image/nobody/' || n FROM generate_series(1, 200) AS n")
    monkeypatch.setattr(spelling, "MAX_OTHERWISE", 10)
    settle(flow, monkeypatch)
    found = dict(product.sql("SELECT legacy_key, problem FROM s3_migration.ledger WHERE problem = 'misspelt'"))
    assert set(found) == {f"image/{number}" for number in range(7, 301, 7) if number % 3}


def test_with_too_many_nothing_is_proven_and_nothing_deleted(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spelling, "MAX_MISSPELT", 3)
    product.seed(*(f"image/other/{number}" for number in range(3)))
    for number in range(5):
        product.put("legacy", f"image/{number}.png")
        product.row(f"https://cdn.example/image/{number}.png")
    flow.attempt()
    assert isinstance(flow.red["verify", 0], TooManyMisspelt)
    said = str(flow.red["verify", 0])
    assert "nothing is deleted" in said
    assert "declare path_prefix 'https://cdn.example/image/'" in said
    assert "the verification never finished" in str(flow.red["gate", 0])
    assert len(product.objects("legacy")) == 8


def test_no_statement_of_it_asks_for_more_than_a_piece(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(product, flow, 3000)
    (pages,) = product.sql("SELECT pg_relation_size('avatars') / 8192")[0]
    asked: list[tuple[str, str]] = []
    original = Ledger.execute

    def noted(ledger: Ledger, file: str, /, **values: Any) -> Any:
        if file in {"find_rows_left", "find_otherwise"}:
            asked.append((values["first"], values["last"]))
        else:
            assert "{paths}" not in str(ledger.parts.get(file, ""))
        return original(ledger, file, **values)

    monkeypatch.setattr(Ledger, "execute", noted)
    settle(flow, monkeypatch)
    assert pages > 10
    assert sorted(set(asked)) == sorted((f"({page},0)", f"({page + 1},0)") for page in range(pages))
    assert len(asked) == 2 * pages


@pytest.mark.parametrize("indexed", [False, True])
def test_of_copies_that_are_gone_the_rows_of_every_reference_decide(
    product: Product, flow: Flow, indexed: bool
) -> None:
    copied(product, flow, 40)
    if indexed:
        product.sql("CREATE INDEX ON avatars (path)")
    product.sql("UPDATE s3_migration.ledger SET problem = 'damaged', copy_missing = true, production_modified = now()")
    product.sql("UPDATE s3_migration.ledger SET legacy_gone_at = now() WHERE legacy_key ~ '3$'")
    product.sql("DELETE FROM avatars WHERE id % 2 = 0")
    product.sql("UPDATE avatars SET path = 'avatar/' || id WHERE id % 4 = 1")
    with working(flow.declaration, flow.run_id, "verify") as run:
        missing.judge_missing(run, "damaged", ["image/1", "image/2"])
        judged = "SELECT legacy_key FROM s3_migration.ledger WHERE NOT copy_missing OR problem <> 'damaged' ORDER BY 1"
        assert product.sql(judged) == [("image/1",), ("image/2",)]
        missing.judge_missing(run, "damaged")
    found = product.sql(
        "SELECT substr(legacy_key, 7)::int, problem, copied_etag, copy_missing FROM s3_migration.ledger"
    )
    for number, problem, etag, still_missing in found:
        gone = number % 10 == 3
        assert problem == ("damaged" if number % 2 else "superseded")
        assert (etag is None) == (number % 2 == 1 and not gone)
        assert still_missing == (number % 2 == 0 or gone)

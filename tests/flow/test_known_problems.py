"""A known problem, acknowledged with a reason: it turns no run red any more, and is still counted."""

from __future__ import annotations

import pytest

from s3_migration.model.modes import Mode
from s3_migration.steps import copying
from s3_migration.steps.preflight.errors import PreflightFailed
from tests.support.flow import Flow
from tests.support.product import Product

pytestmark = pytest.mark.declared(chunk_size=2, requests_in_flight=8)

KEYS = ("image/a.png", "image/b.png", "image/c.png")


@pytest.fixture(autouse=True)
def _conflict(product: Product) -> None:
    product.seed(*KEYS)
    product.put("production", "avatar/b.png", b"someone else's")


def reasons(product: Product) -> dict[str, str]:
    return dict(product.sql("SELECT legacy_key, reason FROM s3_migration.acknowledged"))  # type: ignore[arg-type]


@pytest.mark.parametrize("named", ["image/b.png", "conflict"])
def test_an_acknowledged_problem_turns_no_run_red_and_is_still_counted(
    product: Product, flow: Flow, named: str
) -> None:
    flow.attempt()
    assert flow.red
    account = flow.run(acknowledge={named: "both are the same cat"})
    assert (account.problems["conflict"], account.acknowledged) == (1, 1)
    assert "1 of them acknowledged" in account.as_text().replace("(", "").replace(")", "")
    assert reasons(product) == {"image/b.png": "both are the same cat"}
    # and every night after
    account = flow.run()
    assert (account.problems["conflict"], account.acknowledged) == (1, 1)
    assert product.body("production", "avatar/b.png") == b"someone else's"
    assert product.body("legacy", "image/b.png") == b"body of image/b.png"


def test_another_problem_of_another_object_is_red_all_the_same(product: Product, flow: Flow) -> None:
    flow.attempt()
    product.put("legacy", "image/d.png", b"d")
    product.put("production", "avatar/d.png", b"other")
    flow.attempt(acknowledge={"image/b.png": "known"})
    assert flow.red
    message = str(next(iter(flow.red.values())))
    assert "'image/d.png'" in message
    assert "'image/b.png'" not in message


def test_what_is_mended_is_forgotten_so_that_it_hides_no_later_problem(product: Product, flow: Flow) -> None:
    flow.attempt()
    flow.run(acknowledge={"image/b.png": "known"})
    product.remove("production", "avatar/b.png")
    account = flow.run()
    assert account.acknowledged == 0
    assert reasons(product) == {}
    assert product.objects("legacy") == {}


def test_a_reason_can_be_taken_back(product: Product, flow: Flow) -> None:
    flow.attempt()
    flow.run(acknowledge={"image/b.png": "known"})
    flow.attempt(acknowledge={"image/b.png": None})
    assert flow.red
    assert reasons(product) == {}


def test_a_key_that_nobody_knows_is_refused(product: Product, flow: Flow) -> None:
    flow.attempt()
    with pytest.raises(PreflightFailed, match=r"cannot acknowledge 'image/typo\.png'"):
        flow.attempt(acknowledge={"image/typo.png": "known"})
    # and the lease is not kept
    assert product.sql("SELECT lease_run_no FROM s3_migration.migration") == [(None,)]


def test_acknowledged_damage_does_not_close_the_gate(product: Product, flow: Flow) -> None:
    product.remove("production", "avatar/b.png")
    flow.run(Mode.SWITCH)
    product.put("production", "avatar/a.png", b"rotten")
    product.sql(
        "UPDATE s3_migration.ledger SET production_modified = now() + interval '1 day'"
    )  # so nothing wrote it later
    flow.attempt()
    assert product.problems()["image/a.png"] == "damaged"
    assert ("gate", 0) in flow.red
    assert set(product.objects("legacy")) == set(KEYS)
    account = flow.run(acknowledge={"image/a.png": "the user was asked"})
    assert (account.deleted, account.acknowledged) == (2, 1)
    assert set(product.objects("legacy")) == {"image/a.png"}


def test_known_failures_are_no_reason_to_give_up_early(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They come first, one and the same error each; the others are tried all the same."""
    monkeypatch.setattr(copying, "MAX_SAME_ERRORS", 2)
    declaration = flow.declaration.model_copy(update={"chunk_size": 100})
    flow.declaration = declaration
    from s3_migration.s3.copier import Copier
    from s3_migration.s3.pipeline import Pipeline
    from s3_migration.s3.types import Copy, CopyResult

    real = Copier.start

    def refuse(copier: Copier, copy: Copy, pipeline: Pipeline[CopyResult]) -> None:
        if copy.key in {"image/a.png", "image/c.png"}:
            pipeline.answer(CopyResult(copy, problem="failed", detail="AccessDenied: no", code="AccessDenied"))
        else:
            real(copier, copy, pipeline)

    monkeypatch.setattr(Copier, "start", refuse)
    product.remove("production", "avatar/b.png")
    product.put("legacy", "image/z.png", b"z")
    flow.attempt()
    account = flow.run(acknowledge={"failed": "a key that was lost"})
    assert account.acknowledged == 2
    assert "image/z.png" not in product.objects("legacy")

"""A walk over the objects of a run keeps its place: killed, it goes on there, unless what it rests on has changed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from s3_migration.ledger import walk
from s3_migration.ledger.chunk import LAST_KEY
from s3_migration.ledger.connection import Ledger
from s3_migration.steps import deletion, inventory, proof, reconciliation
from s3_migration.steps.completeness import Incomplete
from s3_migration.steps.gate_errors import GateClosed
from tests.support.flow import Flow, Killed, expire, lapse, unserved
from tests.support.product import Product

KEYS = [f"image/{number}" for number in range(9)]
Looked = list[str]


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> Looked:
    """The keys that legacy was asked for, two at a time; the test may clear it."""
    seen: Looked = []
    lookup = inventory.lookup_legacy

    def spy(run: Any, keys: Any, expected: Any = ()) -> Any:
        seen.extend(keys)
        return lookup(run, keys, expected)

    monkeypatch.setattr(inventory, "SLICE", 2)
    monkeypatch.setattr(inventory, "lookup_legacy", spy)
    return seen


def kill_at(monkeypatch: pytest.MonkeyPatch, call: int, work: Callable[[], object]) -> None:
    """Do the work, and die in the midst of this slice: in its transaction."""
    calls = 0
    compare = proof.verification.compare

    def die(*args: Any, **kwargs: Any) -> int:
        nonlocal calls
        calls += 1
        found = compare(*args, **kwargs)
        if calls == call:
            raise Killed
        return found

    with monkeypatch.context() as patch:
        patch.setattr(proof.verification, "compare", die)
        with pytest.raises(Killed):
            work()


def copied(product: Product, flow: Flow, *keys: str) -> None:
    product.seed(*keys)
    flow.begin()
    flow.copy()
    flow.switch()


@pytest.mark.parametrize("chunk_size", [100, 4])
def test_a_verification_that_is_killed_goes_on(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch, looked: Looked, chunk_size: int
) -> None:
    flow.declaration = flow.declaration.model_copy(update={"chunk_size": chunk_size})
    copied(product, flow, *KEYS)
    kill_at(monkeypatch, 3, flow.verify)
    looked.clear()
    flow.verify()
    assert looked == KEYS[4:], "what was compared in the slice that was killed, and what came after"
    looked.clear()
    flow.verify()
    assert looked == KEYS, "it had ended: whoever clears it wants all of it anew"
    for _ in range(2):
        account = flow.work_off([task for task in flow.tasks() if task[0] in {"gate", "delete", "reconcile"}])
        assert flow.red == {}
        assert (account.states, account.verified) == ({"moved": 9}, 9)


@pytest.mark.declared(chunk_size=4)
def test_each_chunk_compares_its_own_and_the_single_task_what_none_has(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch, looked: Looked
) -> None:
    copied(product, flow, *KEYS)
    assert flow.chunks == [1, 2, 3]
    flow.verify_chunk(1)
    assert looked == KEYS[:4]
    kill_at(monkeypatch, 2, lambda: flow.verify_chunk(2))  # and its retries are used up
    looked.clear()
    flow.verify()
    assert looked == KEYS[6:], "what was left of the second, and the third"
    looked.clear()
    flow.verify_chunk(1)
    with pytest.raises(GateClosed, match="the verification never finished"):
        flow.gate()
    flow.verify()
    assert looked == KEYS[:4], "cleared with its downstream: its siblings are not compared again"
    assert flow.gate()
    flow.delete()
    flow.reconcile()
    account = flow.account()
    assert account is not None
    assert (account.states, account.verified) == ({"moved": 9}, 9)


@pytest.mark.declared(chunk_size=4)
def test_a_chunk_whose_copies_are_damaged_is_red_until_it_is_cleared(product: Product, flow: Flow) -> None:
    """A copy with other content is damage whatever rows say; one that is gone only if they name it."""
    product.seed(*KEYS)

    def harm() -> None:
        product.sql("UPDATE s3_migration.ledger SET production_modified = now() + interval '1 day' WHERE true")
        product.put("production", "avatar/1", b"other")
        product.remove("production", "avatar/7")

    flow.attempt(before_verify=harm)
    assert {task for task in flow.red if task[0] == "verify"} == {("verify", 1), ("verify", 0)}
    assert "2 damaged" in str(flow.red["verify", 0])
    assert set(product.objects("legacy")) == set(KEYS)
    product.put("production", "avatar/1", b"body of image/1")
    account = flow.clear_failed()
    assert flow.red == {}
    assert account.states == {"moved": 9}
    assert unserved(product) == set()


def test_of_much_that_is_gone_each_slice_is_looked_at_once(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch, looked: Looked
) -> None:
    copied(product, flow, *KEYS)
    flow.verify()
    assert flow.gate()
    flow.delete()
    kill_at(monkeypatch, 3, flow.reconcile)
    looked.clear()
    flow.reconcile()
    assert looked == KEYS[4:]
    account = flow.account()
    assert account is not None
    assert account.states == {"moved": 9}
    looked.clear()
    flow.reconcile()
    assert looked == KEYS, "it had come to its end: cleared, it looks at all again"
    kept = product.sql("SELECT what, number FROM s3_migration.tally WHERE step = 'states'")
    assert kept == [("moved", 9)]


@pytest.mark.parametrize("few", [3, 9])
def test_among_many_of_others_what_is_gone_is_asked_for_at_once_where_it_is_little(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch, looked: Looked, few: int
) -> None:
    """What legacy holds is found by its index then, and what it does not, by the run's number."""
    asked: list[str] = []
    execute = Ledger.execute

    def spy(self: Ledger, file: str, /, **values: Any) -> Any:
        asked.append(file)
        return execute(self, file, **values)

    monkeypatch.setattr(Ledger, "execute", spy)
    monkeypatch.setattr(walk, "FEW", few)
    monkeypatch.setattr(walk, "PIECE", 2)
    monkeypatch.setattr(walk, "FOREIGN", 0)
    copied(product, flow, *KEYS)
    flow.verify()
    assert flow.gate()
    flow.delete()
    looked.clear()
    asked.clear()
    flow.reconcile()
    assert looked == KEYS
    assert ("count_states" in asked) is ("find_copies" in asked) is (few == 3)
    assert "find_gone" in asked
    account = flow.account()
    assert account is not None
    assert (account.states, account.verified) == ({"moved": 9}, 9)


def test_a_first_look_may_last_what_may_settle_is_waited_for_since(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch, looked: Looked
) -> None:
    copied(product, flow, *KEYS)
    flow.verify()
    monkeypatch.setattr(reconciliation, "_can_settle", lambda *_: True)
    looked.clear()
    for patience in (timedelta(), timedelta(hours=1)):
        assert reconciliation.reconcile(flow.declaration, flow.run_id, patience=patience) is None
    assert looked == [*KEYS, *KEYS], "all of it was still to be deleted"
    assert flow.account() is None
    with pytest.raises(Incomplete, match="9 copied"):
        reconciliation.reconcile(flow.declaration, flow.run_id, patience=timedelta())
    assert flow.account() is not None


def test_a_listing_that_is_taken_again_has_other_places(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch, looked: Looked
) -> None:
    copied(product, flow, *KEYS)
    kill_at(monkeypatch, 3, flow.verify)
    product.seed("image/00")  # comes before what was compared
    flow.list()
    flow.copy()
    flow.switch()
    looked.clear()
    flow.verify()
    assert looked == sorted([*KEYS, "image/00"])


def test_what_comes_back_to_a_run_is_compared_again(product: Product, flow: Flow, looked: Looked) -> None:
    """Its range had been compared; then another run took it over, and nobody knows what that did."""
    copied(product, flow, *KEYS)
    flow.verify()
    former = flow.run_id
    lapse(product)
    flow.begin()
    lapse(product)
    expire(product)
    flow.run_id = former
    looked.clear()
    product.remove("production", "avatar/3")
    assert flow.gate()
    with pytest.raises(GateClosed, match="1 copies are damaged"):
        flow.delete_chunk(1)
    assert looked == KEYS
    assert set(product.objects("legacy")) == set(KEYS)
    assert unserved(product) == {"avatar/3"}


def test_every_key_is_in_one_range(product: Product, flow: Flow) -> None:
    flow.declaration = flow.declaration.model_copy(update={"chunk_size": 2})
    product.seed("image/a", "image/b", "image/c\x01", "image/d")
    flow.begin()
    ledger = Ledger.connect(flow.declaration).of_migration(1).of_run(1)
    first, second = walk.ranges(ledger)
    assert (first.first_key, first.last_key) == ("", "image/b")
    assert (second.first_key, second.last_key) == ("image/b\x01", LAST_KEY)
    for key in ("image/b\x01", "image/b\x01\x01", "image/b\x02", "image/b ", "image/bb", "image/c", "\U0010ffff"):
        assert second.first_key <= key <= second.last_key
        (inside,) = product.sql(
            'SELECT %s COLLATE "C" >= %s AND %s COLLATE "C" <= %s', key, second.first_key, key, LAST_KEY
        )
        assert inside == (True,)
    assert [piece.last_key for piece in walk.pieces(ledger, second, 1, every=True)] == [
        "image/c\x01",
        "image/d",
        LAST_KEY,
    ]
    ledger.close()


# -- how old the proof is when an object goes -------------------------------------------------------------------------


@pytest.mark.parametrize("age", [0.0, 1000.0])
def test_what_is_left_of_a_slice_is_looked_at_again_in_time(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch, age: float
) -> None:
    slices: list[list[str]] = []
    compare = deletion.compare_keys
    monkeypatch.setattr(deletion, "MAX_SLICE_AGE", age)
    monkeypatch.setattr(deletion, "BATCH", 100)
    monkeypatch.setattr(deletion, "DELETED_TOGETHER", 4)
    monkeypatch.setattr(deletion, "compare_keys", lambda run, keys: slices.append(keys) or compare(run, keys))
    product.seed(*KEYS)
    assert flow.run().states == {"moved": 9}
    assert slices == ([KEYS] if age else [KEYS, KEYS[4:], KEYS[8:]])
    assert product.sql("SELECT number >= 0 FROM s3_migration.tally WHERE what = 'proof seconds'") == [(True,)]


@pytest.mark.parametrize("indexed", [True, False])
def test_of_an_old_proof_the_rows_alone_are_asked_again(
    product: Product, flow: Flow, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, indexed: bool
) -> None:
    """A store is asked about each slice anyhow; and the rows by each batch, where an index tells."""
    caplog.set_level(logging.INFO)
    if indexed:
        product.sql("CREATE INDEX ON avatars (path)")
    flow.declaration = flow.declaration.model_copy(update={"proof_max_age": timedelta(minutes=1)})
    copied(product, flow, *KEYS)
    flow.verify()
    asked: list[object] = []
    settle = proof.settle_rows
    monkeypatch.setattr(proof, "settle_rows", lambda run: asked.append(run) or settle(run))
    monkeypatch.setattr(proof, "compare_range", lambda *_: pytest.fail("both sides were asked about all"))
    product.sql("UPDATE s3_migration.run SET verified_at = verified_at - interval '2h'")
    product.sql("UPDATE s3_migration.ledger SET owned_since = owned_since - interval '3h'")
    product.sql("UPDATE s3_migration.run SET switched_at = switched_at - interval '3h'")
    product.row("image/3")  # written since
    assert flow.gate()
    flow.delete()
    assert len(asked) == (not indexed)
    assert set(product.objects("legacy")) == {"image/3"}
    assert ("image/3" in product.rows()) is indexed, "the pass has switched it; a batch only keeps its object"
    assert unserved(product) == set()

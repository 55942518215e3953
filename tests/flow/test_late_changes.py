"""What a product changes after our copy, and a run that did not notice."""

from __future__ import annotations

from s3_migration.model.modes import Mode
from tests.support.flow import Flow
from tests.support.product import Product

KEY, COPY = "image/a.png", "avatar/a.png"


def test_a_second_version_that_was_listed_but_not_copied_is_kept(product: Product, flow: Flow) -> None:
    """The listing saw it, so legacy and ledger agree on its ETag; production holds the first version, our own copy."""
    product.seed(KEY)
    flow.run(Mode.COPY)
    product.put("legacy", KEY, b"the second version")
    flow.begin()
    # All copy tasks are killed before they begin. Every later one is done, whatever the one before it said.
    flow.work_off([task for task in flow.tasks() if task[0] != "copy"])
    assert product.body("legacy", KEY) == b"the second version"
    assert product.body("production", COPY) == f"body of {KEY}".encode()
    assert product.rows() == [KEY], "the row names the newer one"
    assert {step for step, _ in flow.red} == {"switch", "verify", "gate", "delete", "reconcile"}
    # Cleared, the run copies it and ends as if nothing had been.
    flow.clear_chunk(1)
    assert flow.red == {}
    assert product.objects("legacy") == {}
    assert product.body("production", COPY) == b"the second version"
    assert product.rows() == [COPY]

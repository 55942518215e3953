"""An error's code, a missing copy, a refused row: data in columns of their own. `detail` is for people only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import pytest

from s3_migration.s3.hook import BulkS3Hook
from s3_migration.s3.types import Copy, CopyResult, DeleteResult, Deletions
from s3_migration.steps.completeness import Incomplete, IncompleteRetryable
from s3_migration.steps.reconciliation import reconcile
from tests.support.flow import Flow
from tests.support.product import Product

KEY, COPY = "image/a.png", "avatar/a.png"
# The application's, not the database's: nothing is refused, and the row stays what it was.
ROWS_STAY = """
CREATE FUNCTION stay() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER stay BEFORE UPDATE ON avatars FOR EACH ROW EXECUTE FUNCTION stay();
"""


def test_a_copy_that_met_a_conflict_of_conditions_at_each_try_is_tried_again_by_airflow(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its detail begins with the number of tries, and not with the code."""

    def conflicting(
        hook: BulkS3Hook, source: str, bucket: str, copies: Iterable[Copy], settings: object
    ) -> Iterator[CopyResult]:
        for copy in copies:
            said = "5 tries, last ConditionalRequestConflict: again"
            yield CopyResult(copy, problem="failed", code="ConditionalRequestConflict", detail=said)

    monkeypatch.setattr(BulkS3Hook, "copy_objects", conflicting)
    product.seed(KEY)
    flow.attempt()
    assert isinstance(flow.red["copy", 1], IncompleteRetryable)
    assert product.sql("SELECT error_code FROM s3_migration.ledger") == [("ConditionalRequestConflict",)]


def test_a_row_that_is_named_again_is_not_taken_for_a_refused_one(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deletion was refused, and the object then removed by hand: what was said of that is of the past."""

    def refuse(hook: BulkS3Hook, bucket: str, versions: Sequence[tuple[str, str]], until: float) -> Deletions:
        no = [
            DeleteResult(key, problem="failed", code="AccessDenied", detail="AccessDenied: no") for key, _ in versions
        ]
        return Deletions(no, under_way=False)

    product.seed(KEY)
    with monkeypatch.context() as broken:
        flow.attempt(before_delete=lambda: broken.setattr(BulkS3Hook, "delete_versions", refuse))
    assert product.problems() == {KEY: "failed"}
    product.remove("legacy", KEY)
    flow.begin()
    assert product.sql("SELECT problem, error_code, detail FROM s3_migration.ledger") == [(None, None, None)]
    product.sql("UPDATE avatars SET path = %s", KEY)
    product.sql(ROWS_STAY)
    flow.work_off([task for task in flow.tasks() if task[0] != "reconcile"])
    assert product.problems() == {KEY: "still_referenced"}
    assert reconcile(flow.declaration, flow.run_id, last=False) is None, "the application may still settle it"
    with pytest.raises(Incomplete, match="1 still_referenced"):
        reconcile(flow.declaration, flow.run_id, last=True)


def test_a_row_that_the_database_refuses_is_waited_for_by_nobody(product: Product, flow: Flow) -> None:
    product.seed(KEY, "image/b.png")  # where every row is refused, check says so
    product.sql("ALTER TABLE avatars ADD CHECK (path <> 'avatar/a.png')")
    flow.begin()
    flow.work_off([task for task in flow.tasks() if task[0] != "reconcile"])
    assert product.problems() == {KEY: "row_refused", "image/b.png": None}
    refused = "SELECT error_code FROM s3_migration.ledger WHERE problem = 'row_refused'"
    assert product.sql(refused) == [("23514",)]
    with pytest.raises(Incomplete, match="1 row_refused"):
        reconcile(flow.declaration, flow.run_id, last=False)


def test_a_missing_copy_is_judged_whatever_is_said_of_it(product: Product, flow: Flow) -> None:
    """As after a kill between the comparison and the judgement, in whatever words."""
    product.seed(KEY)
    flow.run(before_verify=lambda: None)
    product.seed("image/b.png")
    flow.begin()
    flow.copy()
    flow.switch()
    product.remove("production", "avatar/b.png")
    product.sql(
        "UPDATE s3_migration.ledger SET problem = 'damaged', copy_missing = true, detail = 'in other words' "
        "WHERE legacy_key = 'image/b.png'"
    )
    with pytest.raises(Incomplete, match="1 damaged"):
        flow.verify()
    judged = "SELECT problem, copy_missing, production_etag FROM s3_migration.ledger WHERE legacy_key = 'image/b.png'"
    assert product.sql(judged) == [("damaged", False, None)], "a row names it: it is to be copied again"

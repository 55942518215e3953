"""The way back: rows that were switched name legacy again, as far as it still holds their objects."""

from __future__ import annotations

from datetime import timedelta

import pytest

from s3_migration.commands.policies import policy
from s3_migration.model.modes import Mode
from s3_migration.model.run_request import Request
from s3_migration.steps.check import check
from s3_migration.steps.completeness import Incomplete
from s3_migration.steps.deletion import GateClosed
from s3_migration.steps.preflight.errors import PreflightFailed
from tests.support.connections import connect_s3
from tests.support.flow import Flow, unserved
from tests.support.product import Product

pytestmark = pytest.mark.declared(chunk_size=2, requests_in_flight=8)

KEYS = tuple(f"image/{number}.png" for number in range(5))
COPIES = [key.replace("image/", "avatar/", 1) for key in KEYS]


@pytest.fixture(autouse=True)
def _seeded(product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    # Removing copies needs a right that the shipped policy of the move has not.
    connect_s3(monkeypatch, product.endpoint_url, "admin", "secret")
    product.seed(*KEYS)


def test_rows_name_legacy_again_and_nothing_else_changes(product: Product, flow: Flow) -> None:
    flow.run(Mode.SWITCH)
    assert product.rows() == COPIES
    account = flow.run(Mode.UNDO)
    assert product.rows() == list(KEYS)
    assert sorted(product.objects("legacy")) == list(KEYS)
    assert sorted(product.objects("production")) == COPIES
    assert (account.mode, account.rows_switched, account.rows_left, account.removed) == ("undo", 5, 0, 0)
    assert "switched back  5 rows" in account.as_text()
    again = flow.run(Mode.UNDO)
    assert again.rows_switched == 0
    assert product.rows() == list(KEYS)


def test_what_is_gone_from_legacy_stays_as_it_is(product: Product, flow: Flow) -> None:
    """The move of a canary is done; the rest was only switched."""
    flow.run(Mode.MOVE, limit=2)
    flow.run(Mode.SWITCH)
    account = flow.run(Mode.UNDO)
    assert product.rows() == [*COPIES[:2], *KEYS[2:]]
    assert (account.rows_switched, account.beyond_undo) == (3, 2)
    assert unserved(product) == set()


def test_what_the_application_wrote_in_production_since_is_not_undone(product: Product, flow: Flow) -> None:
    flow.run(Mode.SWITCH)
    product.put("production", COPIES[1], b"a newer picture")
    product.row("avatar/of-the-application.png")
    flow.run(Mode.UNDO)
    assert product.rows() == [KEYS[0], COPIES[1], *KEYS[2:], "avatar/of-the-application.png"]
    assert product.body("production", COPIES[1]) == b"a newer picture"


def test_a_copy_that_was_lost_is_a_reason_to_go_back(product: Product, flow: Flow) -> None:
    flow.run(Mode.SWITCH)
    product.remove("production", COPIES[1])
    flow.run(Mode.UNDO)
    assert product.rows() == list(KEYS)
    assert unserved(product) == set()


def test_a_legacy_object_that_was_rewritten_since_is_there_all_the_same(product: Product, flow: Flow) -> None:
    flow.run(Mode.SWITCH)
    product.put("legacy", KEYS[1], b"written by a late writer")
    account = flow.run(Mode.UNDO, remove_copies=True)
    assert product.rows() == list(KEYS)
    assert product.body("legacy", KEYS[1]) == b"written by a late writer"
    assert (account.removed, product.objects("production")) == (5, {})


def test_copies_are_removed_only_when_asked_and_only_ours_that_nobody_names(product: Product, flow: Flow) -> None:
    product.put("production", "avatar/of-the-application.png")
    flow.run(Mode.SWITCH)
    product.put("production", COPIES[1], b"a newer picture")
    account = flow.run(Mode.UNDO, remove_copies=True)
    assert account.removed == 4
    assert sorted(product.objects("production")) == [COPIES[1], "avatar/of-the-application.png"]
    assert sorted(product.objects("legacy")) == list(KEYS)
    # and the move can begin again
    account = flow.run()
    assert (account.copied, account.deleted) == (4, 4)
    assert unserved(product) == set()


def test_a_row_that_names_the_copy_again_keeps_it(product: Product, flow: Flow) -> None:
    """The application writes on, between the switch back and the proof."""
    flow.run(Mode.SWITCH)
    product.sql("CREATE FUNCTION stay() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'stays'; END$$")
    product.sql(
        "CREATE TRIGGER stay BEFORE UPDATE ON avatars FOR EACH ROW WHEN (old.path = 'avatar/1.png') "
        "EXECUTE FUNCTION stay()"
    )
    flow.attempt(Mode.UNDO, remove_copies=True)
    assert isinstance(flow.red["switch", 0], Incomplete)
    assert product.problems()[KEYS[1]] == "row_refused"
    assert sorted(product.objects("production")) == [COPIES[1]]
    assert unserved(product) == set()
    product.sql("DROP TRIGGER stay ON avatars")
    flow.clear_failed()
    assert not flow.red
    assert product.rows() == list(KEYS)
    assert product.objects("production") == {}


def test_copies_wait_for_the_grace_period_too(product: Product, flow: Flow) -> None:
    flow.run(Mode.SWITCH)
    account = flow.run(Mode.UNDO, remove_copies=True, grace_period=timedelta(days=1))
    assert (account.removed, account.states) == (0, {"waiting": 5})
    assert sorted(product.objects("production")) == COPIES


def test_stopping_deletion_stops_the_removal_of_copies_too(product: Product, flow: Flow) -> None:
    flow.run(Mode.SWITCH)
    product.sql("UPDATE s3_migration.migration SET deletion_stopped = 'wait'")
    flow.attempt(Mode.UNDO, remove_copies=True)
    assert isinstance(flow.red["gate", 0], GateClosed)
    assert product.rows() == list(KEYS)
    assert sorted(product.objects("production")) == COPIES


def test_the_schedule_does_not_move_again_what_a_person_has_undone(product: Product, flow: Flow) -> None:
    flow.run(Mode.SWITCH)
    flow.run(Mode.UNDO)
    account = flow.run(Mode.MOVE, scheduled=True)
    assert account.mode == "plan"
    assert product.rows() == list(KEYS)
    assert flow.run(Mode.MOVE).deleted == 5
    product.seed("image/new.png")
    assert flow.run(Mode.MOVE, scheduled=True).deleted == 1


def test_an_undo_that_waited_for_its_turn_is_the_last_run_all_the_same(product: Product, flow: Flow) -> None:
    """It has a smaller number than who worked before it."""
    flow.begin(Mode.COPY)
    assert not check(flow.declaration, "waits", Request(Mode.UNDO))
    flow.work_off(flow.tasks())
    flow.run(Mode.SWITCH)
    flow.run_id = "waits"
    assert check(flow.declaration, "waits", Request(Mode.UNDO))
    flow.list()
    flow.work_off(flow.tasks())
    assert flow.run(Mode.MOVE, scheduled=True).mode == "plan"
    assert product.rows() == list(KEYS)


def test_without_the_right_to_remove_copies_nothing_is_touched(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow.run(Mode.SWITCH)
    monkeypatch.undo()
    connect_s3(monkeypatch, product.endpoint_url)
    from tests.support.connections import ROLE, connect_database

    info = product.database.info
    connect_database(monkeypatch, info.port, info.dbname, ROLE)
    with pytest.raises(PreflightFailed, match=r"s3:DeleteObject.*--undo"):
        flow.attempt(Mode.UNDO, remove_copies=True)
    assert product.rows() == COPIES


def test_a_copy_that_a_row_spells_otherwise_is_not_removed(product: Product, flow: Flow) -> None:
    product.seed("image/a b.png")
    flow.run(Mode.SWITCH)
    product.sql("UPDATE avatars SET path = 'avatar/a%20b.png' WHERE path = 'avatar/a b.png'")
    account = flow.attempt(Mode.UNDO, remove_copies=True)
    assert set(product.objects("production")) == {"avatar/a b.png"}
    assert account.states["misspelt"] == 1


def test_the_policy_of_an_undo_may_delete_any_copy_and_not_the_canary_alone() -> None:
    from tests.support.product import declare

    plain, undo = policy(declare())["Statement"], policy(declare(), undo=True)["Statement"]
    assert undo[:-1] == plain[:-1]
    at = "arn:aws:s3:::production-s3/avatar/"
    assert (plain[-1]["Action"], plain[-1]["Resource"]) == ("s3:DeleteObject", f"{at}.s3-migration-canary-avatars-*")
    assert (undo[-1]["Action"], undo[-1]["Resource"]) == ("s3:DeleteObject", f"{at}*")

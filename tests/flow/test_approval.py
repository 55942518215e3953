"""A person is asked before a move deletes, where that is declared: what stays shut without a word, what opens by it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException

from s3_migration.ledger.lease import LeaseHeld
from s3_migration.model.approval import Decision, Question
from s3_migration.model.modes import Mode
from s3_migration.model.run_request import Request
from s3_migration.steps.check import check
from s3_migration.steps.deletion import delete_chunk, may_delete
from s3_migration.steps.gate_errors import ApprovalWanted, GateClosed
from s3_migration.steps.preflight.errors import PreflightFailed
from tests.support.connections import connect_s3
from tests.support.flow import Flow, lapse
from tests.support.product import Product

KEYS = tuple(f"image/{number}.png" for number in range(4))
THEN = datetime(2026, 1, 2, 3, 4, tzinfo=timezone.utc)
YES, NO, NOBODY = Decision(True, "ada", THEN), Decision(False, "bob (7)", THEN), Decision(None)
every = pytest.mark.declared(approve_deletion="every")
first = pytest.mark.declared(approve_deletion="first")
RED = {("gate", 0), ("delete", 1), ("reconcile", 0)}


def asked(flow: Flow) -> Question:
    """What the run's gate waits for."""
    wanted = flow.red["gate", 0]
    assert isinstance(wanted, ApprovalWanted)
    return wanted.question


def decide(flow: Flow, decision: Decision) -> None:
    """Resume the gate with what was decided, then do what follows it."""
    flow.red.pop(("gate", 0))
    try:
        may_delete(flow.declaration, flow.run_id, decision=decision)
    except AirflowException as error:
        flow.red["gate", 0] = error
    flow.work_off([task for task in flow.tasks() if task[0] in ("delete", "reconcile")])


def record(product: Product, flow: Flow) -> tuple[Any, ...]:
    (row,) = product.sql(
        "SELECT approve_deletion, approved, answered_by, answered_at FROM s3_migration.run WHERE run_id = %s",
        flow.run_id,
    )
    return row


@every
def test_nothing_is_deleted_until_somebody_has_approved_it(product: Product, flow: Flow) -> None:
    product.seed(*KEYS)
    account = flow.attempt()
    assert (account.copied, account.rows_switched, account.deleted) == (4, 4, 0)
    assert set(flow.red) == RED
    assert asked(flow).subject == "Migration avatars: delete 4 objects from legacy?"
    assert "nobody has approved the deletion of 4 objects" in str(flow.red["delete", 1])
    assert "Fix: clear may_delete with its downstream, and it asks again (docs/run" in str(flow.red["delete", 1])
    assert set(product.objects("legacy")) == set(KEYS)

    decide(flow, YES)
    assert flow.red == {}
    assert product.objects("legacy") == {}
    assert record(product, flow) == ("every", True, "ada", THEN)
    assert flow.clear_failed().deleted == 4


@every
def test_a_rejection_keeps_all_and_says_who_and_what_next(product: Product, flow: Flow) -> None:
    product.seed(*KEYS)
    flow.attempt()
    decide(flow, NO)
    assert set(flow.red) == RED
    said = str(flow.red["gate", 0])
    assert "bob (7) rejected the deletion, 2026-01-02 03:04 UTC" in said
    assert "Then trigger a new run, which takes over what is left, and asks; or, if nothing has changed since, " in said
    assert "clear may_delete with its downstream, and it asks again" in said
    assert "bob (7) rejected the deletion of 4 objects" in str(flow.red["delete", 1])
    assert set(product.objects("legacy")) == set(KEYS)

    flow.clear_failed()
    assert "delete 4 objects" in asked(flow).subject
    assert set(product.objects("legacy")) == set(KEYS), "while it is asked again"
    decide(flow, YES)
    assert (flow.red, product.objects("legacy")) == ({}, {})


@every
def test_the_word_of_somebody_else_than_the_approvers_does_not_count(product: Product, flow: Flow) -> None:
    """They were declared while it waited, say."""
    product.seed(*KEYS)
    flow.attempt()
    flow.declaration = flow.declaration.model_copy(update={"approvers": ["7", "bob"]})
    decide(flow, Decision(True, "eve (8)", THEN, "8"))
    assert set(flow.red) == RED
    said = str(flow.red["gate", 0])
    assert "eve (8) approved the deletion, 2026-01-02 03:04 UTC, and is none of the approvers (7, bob)" in said
    assert "Fix: one of them answers: trigger a new run" in said
    assert record(product, flow)[1:] == (None, None, None)
    assert set(product.objects("legacy")) == set(KEYS)
    decide(flow, Decision(True, "ada (7)", THEN, "7"))
    assert (flow.red, product.objects("legacy")) == ({}, {})


@every
@pytest.mark.parametrize("user", ["bob", "eve"])
def test_whoever_rejects_it_is_heard(product: Product, flow: Flow, user: str) -> None:
    product.seed(*KEYS)
    flow.attempt()
    flow.declaration = flow.declaration.model_copy(update={"approvers": ["bob"]})
    decide(flow, Decision(False, user, THEN, user))
    assert record(product, flow)[1:] == (False, user, THEN)


@every
@pytest.mark.parametrize(("approvers", "named"), [(None, "whoever may act on the DAG"), (["ada", "bob"], "ada, bob")])
def test_a_time_out_says_who_could_have_answered(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch, approvers: list[str] | None, named: str
) -> None:
    configured(monkeypatch, "ada:user,bob:admin")
    flow.declaration = flow.declaration.model_copy(update={"approvers": approvers})
    product.seed(*KEYS)
    flow.attempt()
    decide(flow, NOBODY)
    assert set(flow.red) == RED
    said = str(flow.red["gate", 0])
    assert "nobody answered within approval_timeout (1d) whether 4 objects may be deleted" in said
    assert f"Who could have: {named}." in said
    assert "then trigger a new run, which takes over what is left" in said
    assert record(product, flow)[1:] == (None, None, None)
    assert set(product.objects("legacy")) == set(KEYS)


@every
def test_every_run_that_would_delete_is_asked_about(product: Product, flow: Flow) -> None:
    product.seed(*KEYS)
    flow.attempt()
    decide(flow, YES)
    product.seed("image/later.png")
    flow.attempt()
    assert "delete 1 object " in asked(flow).subject
    assert set(product.objects("legacy")) == {"image/later.png"}


@first
def test_the_first_approval_is_enough(product: Product, flow: Flow) -> None:
    product.seed(*KEYS)
    flow.attempt()
    decide(flow, NO)
    flow.attempt()
    assert "delete 4 objects" in asked(flow).subject, "a rejected run is none that was approved"
    decide(flow, YES)
    product.seed("image/later.png")
    assert flow.run().deleted == 1


@first
def test_a_rejected_run_stays_so_whatever_other_run_was_approved(product: Product, flow: Flow) -> None:
    product.seed(*KEYS)
    flow.attempt(limit=2)
    decide(flow, NO)
    rejected, red = flow.run_id, flow.red
    flow.attempt(limit=1)
    decide(flow, YES)
    assert len(product.objects("legacy")) == 3
    flow.run_id, flow.red = rejected, red
    flow.work_off([("delete", 1)])
    assert "bob (7) rejected the deletion of 1 objects" in str(flow.red["delete", 1])
    assert len(product.objects("legacy")) == 3


@first
def test_another_run_was_approved_while_this_one_waited(product: Product, flow: Flow) -> None:
    product.seed(*KEYS)
    flow.attempt(limit=2)
    waits, red = flow.run_id, flow.red
    lapse(product)
    flow.attempt(limit=1)
    decide(flow, YES)
    flow.run_id, flow.red = waits, red
    decide(flow, NOBODY)
    assert flow.red == {}
    assert len(product.objects("legacy")) == 2


@first
def test_once_approved_a_cleared_run_takes_back_what_a_later_one_left(product: Product, flow: Flow) -> None:
    product.seed("image/canary.png")
    flow.attempt()
    decide(flow, YES)
    product.seed(*KEYS)
    product.sql("UPDATE s3_migration.migration SET deletion_stopped = 'audit'")
    flow.attempt()
    run_id, red = flow.run_id, flow.red
    flow.attempt()
    product.sql("UPDATE s3_migration.migration SET deletion_stopped = NULL")
    flow.run_id, flow.red = run_id, red
    flow.clear_failed()
    assert (flow.red, product.objects("legacy")) == ({}, {})


@pytest.fixture
def _may_remove_copies(product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    connect_s3(monkeypatch, product.endpoint_url, "admin", "secret")


@every
@pytest.mark.usefixtures("_may_remove_copies")
def test_where_nothing_would_be_deleted_nobody_is_asked(product: Product, flow: Flow) -> None:
    product.seed(*KEYS)
    for mode in (Mode.PLAN, Mode.COPY, Mode.SWITCH):
        flow.run(mode)
    flow.run(grace_period=timedelta(days=1))
    assert set(product.objects("legacy")) == set(KEYS)
    flow.run(Mode.UNDO, remove_copies=True)
    assert product.objects("production") == {}, "a person asked for it by hand"
    product.empty("legacy")
    product.sql("TRUNCATE avatars")
    flow.run()
    assert product.sql("SELECT count(approval_asked_at) FROM s3_migration.run") == [(0,)]


@every
def test_a_gate_that_is_closed_anyway_asks_nobody(product: Product, flow: Flow) -> None:
    product.seed(*KEYS)
    flow.attempt(
        before_verify=lambda: product.remove("production", "avatar/0.png") or product.remove("legacy", "image/0.png")
    )
    assert "copies are damaged" in str(flow.red["gate", 0])
    assert not isinstance(flow.red["gate", 0], ApprovalWanted)


@every
def test_its_green_is_no_permission(product: Product, flow: Flow) -> None:
    """Marked success by hand while it waits, or delete_chunk cleared alone."""
    product.seed(*KEYS)
    flow.attempt()
    with pytest.raises(GateClosed, match="nobody has approved"):
        delete_chunk(flow.declaration, flow.run_id, 1, lambda _: None)
    flow.red.pop(("gate", 0))
    flow.clear_failed()
    assert set(flow.red) == RED - {("gate", 0)}
    assert set(product.objects("legacy")) == set(KEYS)


@every
@pytest.mark.parametrize("decision", [None, NO])
def test_an_approval_that_is_declared_no_more_is_needed_by_the_runs_that_began_with_it(
    product: Product, flow: Flow, decision: Decision | None
) -> None:
    product.seed(*KEYS)
    flow.attempt()
    if decision:
        decide(flow, decision)
    flow.declaration = flow.declaration.model_copy(update={"approve_deletion": None})
    flow.clear_failed()
    assert isinstance(flow.red["gate", 0], ApprovalWanted)
    assert set(product.objects("legacy")) == set(KEYS)
    assert flow.run().deleted == 4, "a new run is another matter"


@pytest.mark.parametrize("kind", ["first", "every"])
def test_an_approval_that_is_declared_during_a_run_is_needed_at_once(product: Product, flow: Flow, kind: str) -> None:
    product.seed(*KEYS)
    without = flow.declaration

    def declare() -> None:
        flow.declaration = without.model_copy(update={"approve_deletion": kind})

    flow.attempt(before_gate=declare)
    assert isinstance(flow.red["gate", 0], ApprovalWanted)
    assert set(product.objects("legacy")) == set(KEYS)


@every
def test_a_run_that_starts_over_is_asked_about_again(product: Product, flow: Flow) -> None:
    """Its listing may show what nobody saw: the earlier word is not for that, and no later one is forgotten."""
    product.seed(*KEYS)
    flow.attempt()
    may_delete(flow.declaration, flow.run_id, decision=YES)
    product.seed("image/later.png")
    assert check(flow.declaration, flow.run_id, Request(Mode.MOVE))
    flow.list()
    flow.work_off(flow.tasks())
    assert "delete 5 objects" in asked(flow).subject
    assert len(product.objects("legacy")) == 5
    decide(flow, NO)
    assert len(product.objects("legacy")) == 5


@every
def test_what_another_run_took_over_meanwhile_is_not_approved_with_it(product: Product, flow: Flow) -> None:
    """An undo, say: who approves the move a day later must not undo the undo."""
    product.seed(*KEYS)
    flow.attempt()
    run_id, red = flow.run_id, flow.red
    lapse(product)
    flow.run(Mode.UNDO)
    assert product.rows() == list(KEYS)
    lapse(product)
    flow.run_id, flow.red = run_id, red
    decide(flow, YES)
    assert product.rows() == list(KEYS)
    assert set(product.objects("legacy")) == set(KEYS)


@every
def test_an_approval_is_kept_where_another_run_is_at_work_just_then(product: Product, flow: Flow) -> None:
    product.seed(*KEYS)
    flow.attempt()
    lapse(product)
    run_id, chunks, red = flow.run_id, flow.chunks, flow.red
    flow.begin(limit=1)
    flow.run_id, flow.chunks, flow.red = run_id, chunks, red
    decide(flow, YES)
    assert isinstance(flow.red["gate", 0], LeaseHeld), "which Airflow tries again"
    assert record(product, flow)[:3] == ("every", True, "ada")
    assert set(product.objects("legacy")) == set(KEYS)
    lapse(product)
    flow.clear_failed()
    assert flow.red == {}
    assert set(product.objects("legacy")) == {"image/0.png"}, "the other run's by now"


def hours_later(product: Product, *, proof: str, switch: str) -> None:
    """The run's proof and its switch lie so far back, and what it owns longer."""
    product.sql("UPDATE s3_migration.ledger SET owned_since = now() - interval '9h'")
    product.sql(
        "UPDATE s3_migration.run SET verified_at = now() - %s::interval, switched_at = now() - %s::interval",
        proof,
        switch,
    )


@every
def test_a_proof_that_grew_old_while_a_person_was_waited_for_is_taken_again(product: Product, flow: Flow) -> None:
    product.seed(*KEYS)
    flow.attempt()
    hours_later(product, proof="2h", switch="3h")
    product.sql("UPDATE avatars SET path = 'image/0.png' WHERE id = 1")
    product.sql("CREATE FUNCTION stays() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'")
    product.sql("CREATE TRIGGER stays BEFORE UPDATE ON avatars FOR EACH ROW EXECUTE FUNCTION stays()")
    decide(flow, YES)
    assert "1 still_referenced" in str(flow.red["gate", 0]), "red and open"
    assert set(product.objects("legacy")) == {"image/0.png"}


@every
def test_without_a_word_no_proof_is_taken_for_nothing(product: Product, flow: Flow) -> None:
    """A day later each proof is too old, and taking it again lists both sides."""
    product.seed(*KEYS)
    flow.attempt()
    hours_later(product, proof="2h", switch="3h")
    taken = "SELECT verified_at FROM s3_migration.run"
    before = product.sql(taken)
    flow.work_off([("delete", 1), ("reconcile", 0)])
    assert isinstance(flow.red["delete", 1], GateClosed)
    assert product.sql(taken) == before


@every
def test_what_a_later_proof_makes_due_needs_a_word_as_well(product: Product, flow: Flow) -> None:
    product.seed(*KEYS)
    flow.run(grace_period=timedelta(hours=1))
    hours_later(product, proof="2h", switch="2h30m")
    flow.work_off([("delete", 1)])
    assert "nobody has approved the deletion of 4 objects" in str(flow.red["delete", 1])
    assert set(product.objects("legacy")) == set(KEYS)


@every
def test_what_waited_when_it_was_asked_goes_with_a_late_answer_and_the_question_says_so(
    product: Product, flow: Flow
) -> None:
    product.seed(*KEYS)
    early = "UPDATE s3_migration.ledger SET switched_at = now() - interval '3h' WHERE legacy_key < 'image/2'"
    flow.attempt(grace_period=timedelta(hours=1), before_verify=lambda: product.sql(early))
    assert "to be deleted: 2 objects" in asked(flow).body
    assert "waiting for their grace period: 2; those whose grace period ends before the deletion go" in asked(flow).body
    hours_later(product, proof="2h", switch="3h")
    decide(flow, YES)
    assert (flow.red, product.objects("legacy")) == ({}, {})


@every
def test_the_question_is_the_account_so_far(product: Product, flow: Flow) -> None:
    product.seed(*KEYS)
    odd = "image/a `b` | <b>.png"
    product.seed(odd)
    product.put("production", "avatar/0.png", b"someone else's")
    product.put("production", "avatar/a `b` | <b>.png", b"someone else's")
    product.put("legacy", "image/mis spelt.png")
    product.row("/image/mis spelt.png")
    flow.attempt()
    body = asked(flow).body
    legacy = product.bucket("legacy")
    assert "**to be deleted: 3 objects, 57 bytes**" in body
    assert f"below `s3://{legacy}/image/`" in body
    assert "from `image/1.png` to `image/3.png`" in body
    assert "done by this run: 4 objects copied, 0 there already, 3 rows switched" in body
    assert "problems, which stay in legacy: 2 conflict, 1 misspelt" in body
    assert "- conflict: ``image/a `b` | <b>.png``: `production holds" in body
    decide(flow, YES)
    assert set(product.objects("legacy")) == {"image/0.png", odd, "image/mis spelt.png"}
    assert set(flow.red) >= {("delete", 1), ("reconcile", 0)}


def configured(monkeypatch: pytest.MonkeyPatch, users: str, manager: str = "", all_admins: str = "False") -> None:
    simple = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
    monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", manager or simple)
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", users)
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", all_admins)


@every
@pytest.mark.parametrize(
    ("users", "approvers", "said"),
    [
        ("ada:admin,bob:viewer", ["ada", "eve"], "approvers names 'eve', who is none of the users"),
        ("ada:admin, bob:Viewer", ["bob"], r"approvers names 'bob', a viewer .*Fix: declare approvers among ada;"),
        ("bob:viewer", None, r"only viewers are among the users .*among \(none\)"),
    ],
)
def test_an_approval_that_nobody_may_give_is_refused_before_anything_is_touched(
    product: Product,
    flow: Flow,
    monkeypatch: pytest.MonkeyPatch,
    users: str,
    approvers: list[str] | None,
    said: str,
) -> None:
    configured(monkeypatch, users)
    product.seed(*KEYS)
    flow.declaration = flow.declaration.model_copy(update={"approvers": approvers})
    with pytest.raises(PreflightFailed, match=said):
        flow.begin()
    assert product.sql("SELECT count(*) FROM s3_migration.run") == [(0,)]
    flow.run(Mode.SWITCH)


@every
def test_approvers_are_refused_where_everybody_may_answer(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured(monkeypatch, "ada:admin", all_admins="True")
    flow.declaration = flow.declaration.model_copy(update={"approvers": ["ada"]})
    with pytest.raises(PreflightFailed, match=r"everybody may answer.*Fix: set that to false"):
        flow.begin()
    flow.declaration = flow.declaration.model_copy(update={"approvers": None})
    flow.begin()


@every
@pytest.mark.parametrize(
    ("users", "manager", "all_admins"),
    [
        ("ada:user,bob:viewer", "", "False"),
        ("bob:viewer", "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager", "False"),
    ],
)
def test_who_may_answer_or_cannot_be_looked_up_is_not_refused(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch, users: str, manager: str, all_admins: str
) -> None:
    configured(monkeypatch, users, manager, all_admins)
    flow.declaration = flow.declaration.model_copy(update={"approvers": ["ada"]})
    flow.begin()

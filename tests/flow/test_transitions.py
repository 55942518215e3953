"""Any order of what a product does and of our steps: what must hold after each of them."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from s3_migration.model.modes import Mode
from tests.support.flow import Flow, lapse
from tests.support.product import Product

pytestmark = pytest.mark.declared(chunk_size=2, requests_in_flight=4)

NAMES = ("a", "b", "c")
STEPS = ("copy", "switch", "verify", "delete", "reconcile")
ACTS = (
    *(
        "write legacy",
        "write legacy with a row",
        "write production",
        "copy by hand",
        "remove legacy",
        "remove production",
    ),
    *("add a legacy row", "add a production row", "set rows back", "rewrite rows", "drop rows"),
)
names = st.sampled_from(NAMES)


class World(RuleBasedStateMachine):
    """A product of three objects, live, while runs go on, are killed and are repeated."""

    def __init__(self, product: Product, flow: Flow) -> None:
        super().__init__()
        self.product, self.flow = product, flow
        self.versions = itertools.count()
        self.running = False
        self.next = 0  # of STEPS
        self.theirs: set[str] = set()  # in production, and not our copies
        self.removed: set[str] = set()  # from production, by the product
        # By the product, since the proof was taken: on these the proof is silent.
        self.written_since: set[str] = set()
        self.named_since: set[int] = set()
        for side in ("legacy", "production"):
            product.remove(side, *product.objects(side))
        product.sql(
            "TRUNCATE avatars, s3_migration.ledger, s3_migration.run, s3_migration.chunk, s3_migration.acknowledged, "
            "s3_migration.tally, s3_migration.timing, s3_migration.deletion, s3_migration.place, s3_migration.lane"
        )
        product.sql("UPDATE s3_migration.migration SET lease_run_no = NULL, lease_until = NULL")

    # -- the product ----------------------------------------------------------------------------------------------

    @rule(
        act=st.sampled_from(ACTS), name=names, to=st.sampled_from(["image/a", "image/b", "avatar/a", "elsewhere", None])
    )
    def the_product_goes_on(self, act: str, name: str, to: str | None) -> None:
        old, new = f"image/{name}", f"avatar/{name}"
        if act in {"write legacy", "write legacy with a row"}:
            self.product.put("legacy", old, b"%d" % next(self.versions))
        if act == "write production":
            self.wrote_production(name, theirs=True)
            self.product.put("production", new, b"%d" % next(self.versions))
        if act == "copy by hand" and old in self.product.objects("legacy"):
            self.wrote_production(name, theirs=False)  # not to be told from our copy
            self.product.put("production", new, self.product.body("legacy", old))
        if act == "remove legacy":
            self.product.remove("legacy", old)
        if act == "remove production":
            self.wrote_production(name, theirs=False)
            self.removed.add(name)
            self.product.remove("production", new)
        if act in {"write legacy with a row", "add a legacy row"}:
            self.write_rows("INSERT INTO avatars (path) VALUES (%s) RETURNING id", old)
        if act == "add a production row":
            self.write_rows("INSERT INTO avatars (path) VALUES (%s) RETURNING id", new)
        if act == "set rows back":
            self.write_rows("UPDATE avatars SET path = %s WHERE path = %s RETURNING id", old, new)
        if act == "rewrite rows":
            self.write_rows("UPDATE avatars SET path = %s WHERE path IN (%s, %s) RETURNING id", to, old, new)
        if act == "drop rows":
            self.product.sql("DELETE FROM avatars WHERE path IN (%s, %s)", old, new)

    def wrote_production(self, name: str, *, theirs: bool) -> None:
        self.written_since.add(name)
        self.removed.discard(name)
        (self.theirs.add if theirs else self.theirs.discard)(name)

    def write_rows(self, text: str, *values: str | None) -> None:
        self.named_since |= {row for (row,) in self.product.sql(text, *values)}

    # -- we -------------------------------------------------------------------------------------------------------

    @precondition(lambda self: not self.running)
    @rule(mode=st.sampled_from([Mode.MOVE, Mode.MOVE, Mode.MOVE, Mode.SWITCH, Mode.COPY, Mode.PLAN]))
    def begin(self, mode: Mode) -> None:
        lapse(self.product)
        before = self.look()
        self.flow.begin(mode)
        self.judge(before)
        self.running, self.next = True, 0

    @precondition(lambda self: self.running)
    @rule(how=st.sampled_from(["once", "once", "once", "twice", "after an earlier one again", "and the run is killed"]))
    def step(self, how: str) -> None:
        if how == "after an earlier one again":
            self.next = max(0, self.next - 2)
        for _ in range(1 + (how == "twice")):
            self.do(STEPS[self.next])
        self.next += 1
        self.running = self.next < len(STEPS) and how != "and the run is killed"

    def do(self, step: str) -> None:
        before = self.look()
        if step == "verify":
            self.written_since, self.named_since = set(), set()
        steps = {"gate", "delete"} if step == "delete" else {step}
        self.flow.work_off([task for task in self.flow.tasks() if task[0] in steps])
        self.judge(before)

    # -- what must hold -------------------------------------------------------------------------------------------

    def look(self) -> dict[str, Any]:
        bodies = {
            side: {name[name.index("/") + 1 :]: self.product.body(side, name) for name in self.product.objects(side)}
            for side in ("legacy", "production")
        }
        return {**bodies, "rows": dict(self.product.sql("SELECT id, path FROM avatars"))}

    def judge(self, before: dict[str, Any]) -> None:
        after = self.look()
        for row, path in before["rows"].items():
            if served(path, before) and row not in self.named_since:
                now = after["rows"][row]
                assert served(now, after) or now.split("/")[1] in self.removed, f"row {row}: {path} became {now}"
            if not served(path, before) and path != after["rows"][row]:
                assert served(after["rows"][row], after) or path.split("/")[1] in self.removed
        for name in before["legacy"].keys() - after["legacy"].keys() - self.written_since:
            assert after["production"].get(name) == before["legacy"][name], (
                f"{name} was deleted and is not in production"
            )
        assert after["legacy"].items() <= before["legacy"].items(), "we never write into legacy"
        for name in self.theirs:
            assert after["production"][name] == before["production"][name], f"{name} in production is not ours"

    @invariant()
    def each_object_is_in_one_state(self) -> None:
        contradictions = """
            SELECT * FROM s3_migration.ledger WHERE (production_modified IS NULL) <> (production_etag IS NULL)
            OR (copied_etag IS NOT NULL AND production_modified IS NULL)
            OR (legacy_gone_at IS NULL AND legacy_etag IS NULL)
            OR (problem = 'withdrawn' AND (legacy_gone_at IS NULL OR production_modified IS NOT NULL))
            OR (problem = 'dangling' AND legacy_gone_at IS NULL)
        """
        assert self.product.sql(contradictions) == []

    def teardown(self) -> None:
        """The product is quiet: two runs, and nothing is left that a run can do."""
        lapse(self.product)
        self.named_since = set()
        for _ in range(2):
            before = self.look()
            self.written_since = set()
            account = self.flow.attempt()
            self.judge(before)
        assert account is not None
        assert set(account.states) <= {"moved", "conflict", "superseded", "withdrawn", "dangling"}, account.states
        end = self.look()
        lost = {path for path in end["rows"].values() if not served(path, end)}
        anywhere = end["legacy"].keys() | end["production"].keys()
        assert {path for path in lost if path.split("/")[1] in anywhere} == set()
        before = end
        self.flow.attempt()
        assert self.look() == before


def served(path: str | None, world: dict[str, Any]) -> bool:
    """Whether a row names an object that is there, or none of ours."""
    prefix, _, name = (path or "").partition("/")
    side = {"image": "legacy", "avatar": "production"}.get(prefix)
    return side is None or name in world[side]


def test_whatever_the_order(product: Product, flow: Flow) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        lambda: World(product, flow),
        settings=settings(
            max_examples=12,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )

"""Whole moves on real servers, step after step: each promise, and what could break it."""

from __future__ import annotations

import functools
import itertools
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from s3_migration.ledger.connection import Ledger
from s3_migration.model.copy_settings import CopySettings
from s3_migration.model.declaration import Declaration
from s3_migration.model.modes import Mode
from s3_migration.model.objects import Version
from s3_migration.model.run_request import Request
from s3_migration.s3 import lookup, pipeline
from s3_migration.s3.crt_client import CrtClient
from s3_migration.s3.hook import BulkS3Hook
from s3_migration.s3.types import Copy, CopyResult, DeleteResult, Deletions
from s3_migration.steps import check, copying, deletion, listing, proof, reconciliation
from s3_migration.steps.completeness import Incomplete, IncompleteRetryable
from s3_migration.steps.copying import SameError, SameErrorFailed
from s3_migration.steps.deletion import GateClosed
from s3_migration.steps.preflight import checks
from s3_migration.steps.preflight.errors import PreflightFailed
from s3_migration.steps.run import DOES, ListingUnfinished, Run
from tests.support.flow import Flow, Killed, expire, lapse, unserved
from tests.support.parts import upload_in_parts
from tests.support.product import Product

pytestmark = pytest.mark.declared(chunk_size=2, requests_in_flight=8)

GOOD = ("image/good-1.png", "image/good-2.png", "image/good-3.png")
BAD = "image/bad.png"  # the first key: its chunk is number 1, with good-1
COPY = "avatar/bad.png"


@pytest.fixture(autouse=True)
def _listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both sides are listed, as where there are many objects."""
    monkeypatch.setattr(lookup, "SPARSE", 0)


@pytest.fixture(params=["list", "head"])
def look(flow: Flow, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Few keys are asked for one by one: that has to show the same."""
    monkeypatch.setattr(lookup, "SPARSE", 10**9 if request.param == "head" else 0)
    return str(request.param)


def world(product: Product) -> tuple[object, ...]:
    """All that a run could change in the product."""
    return product.objects("legacy"), product.objects("production"), product.rows()


def moved(product: Product, *keys: str) -> bool:
    """Whether the objects are where they belong, unchanged, and nothing of them is left behind."""
    return all(
        key not in product.objects("legacy")
        and product.body("production", key.replace("image/", "avatar/", 1)) == f"body of {key}".encode()
        and key not in product.rows()
        for key in keys
    )


def copies(product: Product, run_id: str) -> int:
    """CopyObject requests of a run's tasks, refused ones too."""
    rows = product.sql(
        "SELECT sum(number) FROM s3_migration.tally JOIN s3_migration.run USING (run_no) "
        "WHERE run_id = %s AND what LIKE 'S3 CopyObject%%'",
        run_id,
    )
    return int(rows[0][0] or 0)


# -- everything moves ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("objects", [0, 1, 4, 5])
def test_everything_moves_and_a_second_run_changes_nothing(
    product: Product, flow: Flow, look: str, objects: int
) -> None:
    keys = [f"image/{number}.png" for number in range(objects)]
    product.seed(*keys)
    account = flow.run()
    assert (account.staged, account.copied, account.rows_switched, account.deleted) == (objects,) * 4
    assert len(flow.chunks) == -(-objects // 2)
    assert moved(product, *keys)
    assert len(product.objects("production")) == objects
    before = world(product)
    again = flow.run()
    assert (again.staged, again.copied, again.rows_switched, again.deleted) == (0, 0, 0, 0)
    assert copies(product, flow.run_id) == 0
    assert world(product) == before


def test_of_production_only_that_is_looked_at_which_legacy_holds(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much production holds otherwise: a night over a hundred million new avatars is still quiet."""
    monkeypatch.setattr(lookup, "SPARSE", 12)
    product.seed(*GOOD)
    product.put_many("production", [f"avatar/of-the-app-{number}" for number in range(1500)])
    account = flow.run()
    assert account.deleted == 3
    assert account.requests["ListObjectsV2 200"] == 1, "legacy's own"
    assert sum(n for what, n in account.requests.items() if what.startswith("HeadObject")) <= 7 * len(GOOD)


LONG = "/".join(["y" * 250] * 4) + "/" + "z" * 13  # with a prefix of six characters a byte short of what S3 allows
# Those that SeaweedFS holds as they are; it folds `//` and `\` and refuses `.` and `..` (tests/unit/test_s3_keys.py).
AWKWARD = (
    *("a b", " lead", "trail ", "+", "%2F", "%", "%s", "{}", "?x=1&y#z", "'\"<>", "*", "[x]", "$1;", "~:@|`^="),
    *("\n", "a\tb", "\x01", "\x7f", "\x85", "\u00a0", "\u2028", "\u202e", "\ufffe", "é", "e\u0301", "ü€", "🎉"),
    *("", "dir/", "dir/child", "dir/deep/er", "folder/", "..a", "A", "a", "x" * 255, LONG),
)


def test_any_legal_key_moves_with_its_row(product: Product, flow: Flow, look: str) -> None:
    keys = [f"image/{rest}" for rest in AWKWARD]
    assert max(len(key.encode()) for key in keys) == 1023
    etags = {key: product.put("legacy", key, b"" if key.endswith("/") else key.encode()) for key in keys}
    assert product.objects("legacy") == etags, "the server folds one of these keys"
    product.row(*keys)
    account = flow.run()
    assert account.states == {"moved": len(keys)}
    assert product.objects("legacy") == {}
    assert product.objects("production") == {f"avatar/{key[6:]}": etag for key, etag in etags.items()}
    assert product.rows() == [f"avatar/{rest}" for rest in AWKWARD]


def test_a_key_that_is_too_long_for_production_is_named_and_kept(product: Product, flow: Flow) -> None:
    product.seed(*GOOD, f"image/{LONG}x")
    account = flow.attempt()
    assert account.states == {"failed": 1, "moved": 3}
    assert "KeyTooLong" in str(flow.red["copy", 2])
    assert set(product.objects("legacy")) == {f"image/{LONG}x"}
    assert product.rows()[-1] == f"image/{LONG}x"


def test_a_folder_that_only_the_store_makes_up_is_no_object(product: Product, flow: Flow, look: str) -> None:
    product.seed("image/a/1.png")
    product.row("image/a/", "image/a")
    account = flow.run()
    assert (account.dangling, account.deleted) == (2, 1)
    assert product.rows() == ["avatar/a/1.png", "image/a/", "image/a"]


def test_objects_without_rows_and_rows_without_objects(product: Product, flow: Flow, look: str) -> None:
    product.put("legacy", "image/unreferenced.png")
    product.put("production", "avatar/only-there.png", b"of the app")
    product.seed("image/twice.png")
    foreign = [
        None,
        "",
        "other/x.png",
        "avatar/x.png",
        "https://cdn/image/x.png",
        "xximage/",
        "Image/x.png",
        "imag",
        "image",
    ]
    product.row("image/twice.png", "image/dangling.png", "image/only-there.png", *foreign)
    account = flow.run()
    assert (account.unreferenced, account.dangling, account.deleted) == (1, 1, 2)
    assert account.states == {"moved": 3, "dangling": 1}
    assert product.rows() == [
        *["avatar/twice.png"] * 2, "image/dangling.png", "avatar/only-there.png", *foreign
    ]  # fmt: skip
    assert set(product.objects("production")) == {
        "avatar/unreferenced.png", "avatar/twice.png", "avatar/only-there.png"
    }  # fmt: skip
    assert product.body("production", "avatar/only-there.png") == b"of the app"
    before = world(product)
    again = flow.run()
    assert (again.rows_switched, again.deleted, again.states) == (0, 0, {"dangling": 1})
    assert world(product) == before


# -- the product goes on: legacy ----------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["before_copy", "before_switch", "before_verify"])
def test_an_object_rewritten_in_legacy_is_moved_as_it_is_now(product: Product, flow: Flow, stage: str) -> None:
    product.seed(*GOOD, BAD)
    account = flow.run(**{stage: lambda: product.put("legacy", BAD, b"second version")})
    assert account.deleted == 4
    assert product.body("production", COPY) == b"second version"
    assert moved(product, *GOOD)
    assert product.objects("legacy") == {}
    assert product.rows()[-1] == COPY


@pytest.mark.parametrize("stage", ["before_gate", "before_delete", "before_reconcile"])
def test_an_object_rewritten_after_the_proof_is_copied_anew_and_waits_for_the_next(
    product: Product, flow: Flow, stage: str
) -> None:
    """Its row may name the legacy path again: nobody may delete it before the rows were asked."""
    product.seed(*GOOD, BAD)

    def rewrite() -> None:
        product.put("legacy", BAD, b"second version")
        product.sql("UPDATE avatars SET path = %s WHERE path = %s", BAD, COPY)

    account = flow.run(**{stage: rewrite})
    assert account.states == {"moved": 3, "waiting": 1}
    assert unserved(product) == set()
    assert product.body("production", COPY) == b"second version"
    assert flow.run().deleted == 1
    assert product.objects("legacy") == {}
    assert product.rows()[-1] == COPY


def test_an_object_rewritten_again_and_again_is_named_and_kept(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.seed(*GOOD, BAD)
    versions, send = itertools.count(2), CrtClient.send

    def rewrite(params: dict[str, Any], **_: Any) -> None:
        if params["Key"] == COPY:
            product.put("legacy", BAD, b"version %d" % next(versions))

    def rewrite_and_send(
        client: CrtClient, operation: str, method: str, bucket: str, key: str, *a: Any, **k: Any
    ) -> None:
        if operation == "CopyObject":
            rewrite({"Key": key})
        send(client, operation, method, bucket, key, *a, **k)

    # The first try is the Common Runtime's, the others are boto3's.
    monkeypatch.setattr(CrtClient, "send", rewrite_and_send)
    flow.hooks[1].client.meta.events.register("before-parameter-build.s3.CopyObject", rewrite)
    account = flow.attempt()
    assert isinstance(flow.red["copy", 1], Incomplete)
    assert BAD in str(flow.red["copy", 1])
    assert account.states == {"changed": 1, "moved": 3}
    assert BAD in product.objects("legacy")
    assert product.rows()[-1] == BAD


@pytest.mark.parametrize("stage", ["before_copy", "before_verify", "before_reconcile"])
def test_what_comes_late_is_served_and_moved_by_the_next_run(product: Product, flow: Flow, stage: str) -> None:
    product.seed(*GOOD)
    flow.run(**{stage: lambda: product.seed("image/late.png")})
    assert moved(product, *GOOD)
    assert "image/late.png" in product.objects("legacy")
    assert product.rows()[-1] == "image/late.png"
    assert flow.run().deleted == 1
    assert moved(product, "image/late.png")


def test_what_comes_between_the_listing_and_the_scan_of_the_rows_is_no_dangling_row(
    product: Product, flow: Flow, look: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.seed(*GOOD)
    scan = listing.merge_unlisted

    def after_a_moment(run: Any, sample: Any) -> None:
        scan(run, sample)
        product.seed("image/late.png")

    monkeypatch.setattr(listing, "merge_unlisted", after_a_moment)
    account = flow.run()
    assert (account.dangling, account.deleted) == (0, 4)
    assert moved(product, *GOOD, "image/late.png")


@pytest.mark.parametrize(("named", "problem"), [(False, "withdrawn"), (True, "dangling")])
def test_an_object_that_leaves_legacy_before_its_copy_is_no_error(
    product: Product, flow: Flow, named: bool, problem: str
) -> None:
    product.seed(*GOOD)
    product.put("legacy", BAD)
    product.row(*[BAD] * named)
    account = flow.run(before_copy=lambda: product.remove("legacy", BAD))
    assert account.states == {problem: 1, "moved": 3}
    assert moved(product, *GOOD)
    assert COPY not in product.objects("production")


# -- the product goes on: production ------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before the run", "before_copy"])
@pytest.mark.parametrize("body", [b"of another", b"BODY OF image/bad.png"], ids=["other size", "same size"])
def test_someone_elses_content_at_the_destination_is_a_conflict(
    product: Product, flow: Flow, when: str, body: bytes
) -> None:
    product.seed(*GOOD, BAD)

    def write() -> str:
        return product.put("production", COPY, body)

    if when == "before the run":
        write()
        account = flow.attempt()
    else:
        account = flow.attempt(before_copy=write)
    assert account.states == {"conflict": 1, "moved": 3}
    assert isinstance(flow.red["copy", 1], Incomplete)
    assert BAD in str(flow.red["copy", 1])
    assert moved(product, *GOOD)
    assert product.body("production", COPY) == body
    assert product.body("legacy", BAD) == b"body of image/bad.png"
    assert product.rows()[-1] == BAD


Fix = Callable[[Flow], Any]
FIXES: dict[str, Fix] = {
    "the chunk is cleared": lambda flow: flow.clear_chunk(1),
    "what failed is cleared": lambda flow: flow.clear_failed(),
    "another run": lambda flow: flow.attempt(),
}


@pytest.mark.parametrize("fix", FIXES.values(), ids=FIXES)
def test_a_conflict_is_mended_by_removing_productions_object(product: Product, flow: Flow, fix: Fix) -> None:
    product.seed(*GOOD, BAD)
    product.put("production", COPY, b"of another")
    flow.attempt()
    product.remove("production", COPY)
    fix(flow)
    assert flow.red == {}
    assert moved(product, *GOOD, BAD)


@pytest.mark.parametrize("when", ["before the run", "before_copy"])
def test_the_same_content_in_production_costs_no_copy(product: Product, flow: Flow, when: str) -> None:
    product.seed(*GOOD, BAD)

    def write() -> str:
        return product.put("production", COPY, b"body of image/bad.png")

    if when == "before the run":
        write()
        account = flow.run()
    else:
        account = flow.run(before_copy=write)
    assert (account.copied, account.already_there, account.deleted) == (3, 1, 4)
    assert copies(product, flow.run_id) == 3 + (when == "before_copy")
    assert moved(product, *GOOD, BAD)


def put_in_parts(product: Product, side: str, key: str, *bodies: bytes) -> str:
    return upload_in_parts(product.s3, product.bucket(side), key, bodies)


def test_objects_uploaded_in_parts_are_known_by_their_bytes(product: Product, flow: Flow, look: str) -> None:
    body = (b"a" * 5 * 1024**2, b"b")
    assert put_in_parts(product, "legacy", "image/in-parts", *body).endswith("-2")
    product.put("legacy", "image/there-in-parts", b"".join(body))
    put_in_parts(product, "production", "avatar/there-in-parts", *body)
    product.put("legacy", "image/other-in-parts", b"x" + b"".join(body)[1:])
    put_in_parts(product, "production", "avatar/other-in-parts", *body)
    product.row("image/in-parts", "image/there-in-parts", "image/other-in-parts")
    account = flow.attempt()
    assert account.states == {"moved": 2, "conflict": 1}
    assert (account.copied, account.already_there) == (1, 1)
    assert product.rows() == ["avatar/in-parts", "avatar/there-in-parts", "image/other-in-parts"]
    assert product.body("production", "avatar/in-parts") == b"".join(body)
    assert set(product.objects("legacy")) == {"image/other-in-parts"}


@pytest.mark.parametrize("stage", ["before_switch", "before_verify"])
def test_what_the_app_writes_over_our_copy_stays_and_legacy_is_kept(product: Product, flow: Flow, stage: str) -> None:
    product.seed(*GOOD, BAD)
    account = flow.run(**{stage: lambda: product.put("production", COPY, b"of the app, newer")})
    assert account.states == {"superseded": 1, "moved": 3}
    assert product.body("production", COPY) == b"of the app, newer"
    assert set(product.objects("legacy")) == {BAD}
    assert moved(product, *GOOD)
    assert unserved(product) == set()
    before = world(product)
    assert flow.run().states == {"superseded": 1}
    assert world(product) == before


def test_a_copy_that_the_app_has_written_over_gets_no_rows(product: Product, flow: Flow) -> None:
    product.seed(*GOOD, BAD)
    flow.run(Mode.COPY)
    product.put("production", COPY, b"of the app, newer")
    assert flow.run().states == {"superseded": 1, "moved": 3}
    assert product.rows()[-1] == BAD
    assert product.body("legacy", BAD) == b"body of image/bad.png"


def test_an_older_copy_that_the_app_has_written_over_is_not_replaced(product: Product, flow: Flow) -> None:
    product.seed(*GOOD, BAD)
    flow.run(Mode.COPY)
    product.put("legacy", BAD, b"second version")
    account = flow.run(before_copy=lambda: product.put("production", COPY, b"of the app, newer"))
    assert account.states == {"superseded": 1, "moved": 3}
    assert product.body("production", COPY) == b"of the app, newer"
    assert product.body("legacy", BAD) == b"second version"


def test_an_older_copy_that_the_app_has_removed_is_made_anew(product: Product, flow: Flow) -> None:
    product.seed(*GOOD, BAD)
    flow.run(Mode.COPY)
    product.put("legacy", BAD, b"second version")
    flow.run(before_copy=lambda: product.remove("production", COPY))
    assert product.body("production", COPY) == b"second version"
    assert product.objects("legacy") == {}


@pytest.mark.parametrize("fix", [FIXES["what failed is cleared"], FIXES["another run"]], ids=["cleared", "another run"])
def test_a_copy_that_is_gone_while_a_row_names_it_stops_all_deletion(
    product: Product, flow: Flow, look: str, fix: Fix
) -> None:
    product.seed(*GOOD, BAD)
    account = flow.attempt(before_verify=lambda: product.remove("production", COPY))
    assert account.states == {"damaged": 1, "copied": 3}
    assert isinstance(flow.red["verify", 0], Incomplete)
    assert all(isinstance(flow.red[task], GateClosed) for task in [("gate", 0), ("delete", 1), ("delete", 2)])
    assert set(product.objects("legacy")) == {*GOOD, BAD}
    fix(flow)
    assert flow.red == {}
    assert moved(product, *GOOD, BAD)
    assert unserved(product) == set()


def test_a_copy_that_differs_though_nothing_wrote_it_later_stops_all_deletion(product: Product, flow: Flow) -> None:
    product.seed(*GOOD, BAD)

    def corrupt() -> None:
        product.put("production", COPY, b"other bytes")
        product.sql(
            "UPDATE s3_migration.ledger SET production_modified = now() + interval '1h' WHERE legacy_key = %s", BAD
        )

    account = flow.attempt(before_verify=corrupt)
    assert account.states == {"damaged": 1, "copied": 3}
    assert isinstance(flow.red["gate", 0], GateClosed)
    assert set(product.objects("legacy")) == {*GOOD, BAD}


def test_a_copy_that_the_app_removed_with_its_row_is_its_own_business(product: Product, flow: Flow) -> None:
    product.seed(*GOOD, BAD)

    def remove() -> None:
        product.sql("DELETE FROM avatars WHERE path = %s", COPY)
        product.remove("production", COPY)

    account = flow.run(before_verify=remove)
    assert account.states == {"superseded": 1, "moved": 3}
    assert moved(product, *GOOD)
    assert set(product.objects("legacy")) == {BAD}
    assert COPY not in product.objects("production")


def test_a_copy_removed_between_two_runs_is_made_anew_only_where_a_row_names_it(
    product: Product, flow: Flow, look: str
) -> None:
    product.seed(*GOOD, BAD)
    product.put("legacy", "image/unnamed.png")
    flow.run(Mode.COPY)
    product.remove("production", COPY, "avatar/unnamed.png")
    account = flow.run()
    assert account.states == {"superseded": 1, "moved": 4}
    assert moved(product, *GOOD, BAD)
    assert set(product.objects("legacy")) == {"image/unnamed.png"}


def test_what_production_alone_held_is_never_taken_for_our_copy(product: Product, flow: Flow) -> None:
    product.put("production", COPY, b"of the app")
    product.row(BAD)
    flow.run()
    assert product.rows() == [COPY]
    product.put("legacy", BAD, b"came back")
    account = flow.attempt()
    assert account.states == {"conflict": 1}
    assert product.body("production", COPY) == b"of the app"


def test_what_the_app_wrote_over_a_moved_copy_is_never_taken_for_our_copy(product: Product, flow: Flow) -> None:
    product.seed(BAD)
    flow.run()
    product.put("production", COPY, b"of the app")
    product.sql("UPDATE avatars SET path = %s", BAD)
    flow.run()
    assert product.rows() == [COPY]
    product.put("legacy", BAD, b"came back")
    flow.attempt()
    assert product.body("production", COPY) == b"of the app"
    assert product.body("legacy", BAD) == b"came back"


# -- the product goes on: rows ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "path"), [("before_copy", "avatar/newer.png"), ("before_switch", "elsewhere"), ("before_switch", None)]
)
def test_a_row_that_the_app_has_rewritten_keeps_what_the_app_wrote(
    product: Product, flow: Flow, stage: str, path: str | None
) -> None:
    product.seed(*GOOD, BAD)
    flow.run(**{stage: lambda: product.sql("UPDATE avatars SET path = %s WHERE path = %s", path, BAD)})
    assert product.rows() == [*(key.replace("image/", "avatar/") for key in GOOD), path]
    assert moved(product, *GOOD, BAD)


def set_back(product: Product) -> None:
    product.sql("UPDATE avatars SET path = %s WHERE path = %s", BAD, COPY)


@pytest.mark.parametrize("stage", ["before_gate", "before_delete", "before_reconcile"])
def test_a_row_set_back_to_its_legacy_path_after_the_proof_is_switched_again(
    product: Product, flow: Flow, stage: str
) -> None:
    product.seed(*GOOD, BAD)
    flow.run(**{stage: lambda: set_back(product)})
    assert unserved(product) == set()
    assert moved(product, *GOOD, BAD)


def test_a_row_set_back_before_the_proof_is_switched_again_and_its_object_waits_for_the_next(
    product: Product, flow: Flow
) -> None:
    product.seed(*GOOD, BAD)
    account = flow.run(before_verify=lambda: set_back(product))
    assert account.states == {"moved": 3, "waiting": 1}
    assert product.rows()[-1] == COPY
    assert BAD in product.objects("legacy")
    assert flow.run().deleted == 1
    assert moved(product, *GOOD, BAD)


def test_a_row_set_back_after_the_run_is_healed_by_the_next(product: Product, flow: Flow) -> None:
    product.seed(*GOOD, BAD)
    flow.run()
    set_back(product)
    assert flow.run().rows_switched == 1
    assert unserved(product) == set()
    assert moved(product, *GOOD, BAD)


# -- one bad object -----------------------------------------------------------------------------------------------


def break_copies(monkeypatch: pytest.MonkeyPatch, code: str, *keys: str) -> None:
    """The store refuses to copy these (none named: any)."""
    original = BulkS3Hook.copy_objects

    def refused(
        hook: BulkS3Hook, source: str, bucket: str, copies: Iterable[Copy], settings: CopySettings
    ) -> Iterator[CopyResult]:
        for copy in copies:
            if not keys or copy.key in keys:
                yield CopyResult(copy, problem="failed", code=code, detail=f"{code}: no")
            else:
                yield from original(hook, source, bucket, [copy], settings)

    monkeypatch.setattr(BulkS3Hook, "copy_objects", refused)


@pytest.mark.parametrize("fix", FIXES.values(), ids=FIXES)
def test_a_failed_object_holds_up_no_other_and_a_mended_rerun_repeats_nothing(
    product: Product, flow: Flow, fix: Fix
) -> None:
    product.seed(*GOOD, BAD)
    with pytest.MonkeyPatch.context() as broken:
        break_copies(broken, "AccessDenied", BAD)
        account = flow.attempt()
    assert account.states == {"failed": 1, "moved": 3}
    assert moved(product, *GOOD)
    assert BAD in product.objects("legacy")
    assert product.rows()[-1] == BAD
    steps = {step for step, _ in flow.red}
    assert steps == {"copy", "switch", "verify", "gate", "delete", "reconcile"}
    for error in flow.red.values():
        assert isinstance(error, Incomplete)
        assert "1 failed" in str(error)
        assert BAD in str(error)
        assert "AccessDenied" in str(error)
    assert {chunk for step, chunk in flow.red if chunk} == {1}
    before = copies(product, flow.run_id)
    first = flow.run_id
    fix(flow)
    assert flow.red == {}
    assert moved(product, *GOOD, BAD)
    assert copies(product, flow.run_id) - (before if flow.run_id == first else 0) == 1


def test_an_error_that_time_mends_is_worth_a_retry(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.seed(BAD)
    break_copies(monkeypatch, "SlowDown", BAD)
    flow.attempt()
    assert isinstance(flow.red["copy", 1], IncompleteRetryable)


def test_what_time_fixes_is_retried_whatever_else_is_in_the_chunk(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.seed(BAD, "image/taken.png")
    product.put("production", "avatar/taken.png", b"of another")
    break_copies(monkeypatch, "SlowDown", BAD)
    flow.attempt()
    assert "1 conflict, 1 failed" in str(flow.red["copy", 1])
    assert isinstance(flow.red["copy", 1], IncompleteRetryable)


def refuse_deletions(monkeypatch: pytest.MonkeyPatch, refused: str) -> None:
    """The store does not let go of this key."""
    original = BulkS3Hook.delete_versions

    def delete(hook: BulkS3Hook, bucket: str, versions: Sequence[tuple[str, str]], until: float) -> Deletions:
        results, under_way = original(hook, bucket, [pair for pair in versions if pair[0] != refused], until)
        no = DeleteResult(refused, problem="failed", code="AccessDenied", detail="AccessDenied: no")
        return Deletions([*results, *[no for key, _ in versions if key == refused]], under_way)

    monkeypatch.setattr(BulkS3Hook, "delete_versions", delete)


@pytest.mark.parametrize(
    ("by_hand", "fix"),
    [(False, "what failed is cleared"), (True, "what failed is cleared"), (True, "another run")],
)
def test_a_refused_deletion_is_named_and_mended(product: Product, flow: Flow, by_hand: bool, fix: str) -> None:
    product.seed(*GOOD, BAD)
    with pytest.MonkeyPatch.context() as broken:
        refuse_deletions(broken, BAD)
        flow.attempt()
    assert set(flow.red) == {("delete", 1), ("reconcile", 0)}
    assert "AccessDenied" in str(flow.red["delete", 1])
    assert set(product.objects("legacy")) == {BAD}
    if by_hand:
        product.remove("legacy", BAD)
    FIXES[fix](flow)
    assert flow.red == {}
    assert moved(product, *GOOD, BAD)


@pytest.mark.parametrize("in_a_row", [199, 200])
def test_two_hundred_equal_errors_and_nothing_else_are_hopeless(in_a_row: int) -> None:
    only = SameError()
    assert [only.seen_too_often(answer("AccessDenied")) for _ in range(in_a_row)].count(True) == (in_a_row == 200)


@pytest.mark.parametrize("other", ["", "SlowDown"])
def test_a_mixed_picture_is_not_hopeless(other: str) -> None:
    only = SameError()
    assert not only.seen_too_often(answer(other))
    assert not any(only.seen_too_often(answer("AccessDenied")) for _ in range(500))


def answer(code: str) -> CopyResult:
    return CopyResult(Copy("a", "b", Version(1, "e")), problem="failed" if code else None, code=code)


def test_a_hopeless_chunk_stops_early_and_is_mended(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.seed(*[f"image/{number}" for number in range(6)])
    flow.declaration = flow.declaration.model_copy(update={"chunk_size": 10})
    monkeypatch.setattr(copying, "MAX_SAME_ERRORS", 2)
    monkeypatch.setattr(pipeline, "AHEAD", 3)
    with pytest.MonkeyPatch.context() as broken:
        break_copies(broken, "AccessDenied")
        account = flow.attempt()
    assert isinstance(flow.red["copy", 1], SameErrorFailed)
    assert "AccessDenied" in str(flow.red["copy", 1])
    assert account.states["listed"] >= 3, "the second batch was not tried"
    flow.clear_failed()
    assert flow.red == {}
    assert product.objects("legacy") == {}


# -- kill anything, rerun anything --------------------------------------------------------------------------------

MOMENTS = [
    *("insert_listed", "create_chunks", "end_listing", "mark_copied", "switch_rows", "end_switch"),
    *(
        "begin_verification",
        "compare",
        "find_rows_left",
        "end_verification",
        "mark_deleted",
        "end_run",
        "release_lease",
    ),
]


@pytest.mark.parametrize(
    ("moment", "recovery"),
    [(moment, "rerun") for moment in MOMENTS]
    + [
        (moment, "another run") for moment in ("create_chunks", "mark_copied", "switch_rows", "compare", "mark_deleted")
    ],
)
def test_a_run_killed_at_any_moment_ends_whole(product: Product, flow: Flow, moment: str, recovery: str) -> None:
    product.seed(*GOOD, BAD)
    original = Ledger.execute

    def killed(ledger: Ledger, file: str, /, **values: Any) -> Any:
        answer = original(ledger, file, **values)
        if file == moment:
            raise Killed(file)
        return answer

    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(Ledger, "execute", killed)
        with pytest.raises(Killed, match=moment):
            flow.attempt()
    assert unserved(product) == set()
    first = flow.run_id
    expire(product)
    if recovery == "rerun":
        if not flow.chunks:
            flow.list()
        flow.work_off(flow.tasks())
    else:
        lapse(product)
        flow.attempt()
    assert flow.red == {}
    assert moved(product, *GOOD, BAD)
    sent = copies(product, first) + (copies(product, flow.run_id) if flow.run_id != first else 0)
    assert sent <= 4 + flow.declaration.chunk_size, "more than one batch was repeated"


def test_a_replaced_copy_whose_mark_was_lost_is_known_again(product: Product, flow: Flow) -> None:
    """Its ETag is not the source's: only the bytes can tell that it is ours."""
    put_in_parts(product, "legacy", BAD, b"a" * 5 * 1024**2, b"b")
    product.row(BAD)
    flow.run(Mode.COPY)
    put_in_parts(product, "legacy", BAD, b"c" * 5 * 1024**2, b"d")
    flow.begin()
    etag = put_in_parts(product, "production", COPY, b"c" * 5 * 1024**2 + b"d")  # as the killed task left it
    assert etag != product.objects("legacy")[BAD]
    flow.work_off(flow.tasks())
    assert flow.red == {}
    assert product.objects("legacy") == {}


@pytest.mark.parametrize("after", ["list", "copy_chunk", "copy", "switch", "verify", "gate", "delete_chunk"])
def test_what_one_run_left_half_done_another_finishes(product: Product, flow: Flow, after: str) -> None:
    product.seed(*GOOD, BAD)
    flow.begin()
    for step in ["copy_chunk", "copy", "switch", "verify", "gate", "delete_chunk"]:
        if after == "list":
            break
        getattr(flow, step)(*([1] if step.endswith("chunk") else []))
        if step == after:
            break
    left = len(product.objects("legacy"))
    lapse(product)
    account = flow.run()
    assert account.deleted == left
    assert moved(product, *GOOD, BAD)
    assert account.copied == {"list": 4, "copy_chunk": 2}.get(after, 0)


def test_every_step_run_twice_changes_nothing(product: Product, flow: Flow) -> None:
    product.seed(*GOOD, BAD)
    product.put("production", COPY, b"of another")
    product.row("image/dangling.png", "avatar/good-1.png")

    def everything() -> tuple[object, ...]:
        changing = (
            "SELECT what, sum(number) FROM s3_migration.tally WHERE what ~ 'S3 (Put|Delete)|rows|deleted' GROUP BY 1"
        )
        # Listed again, the run owns them anew.
        ledger = product.sql(
            "SELECT (to_jsonb(l) - 'owned_since')::text FROM s3_migration.ledger AS l ORDER BY legacy_key"
        )
        return world(product), ledger, sorted(product.sql(changing))

    flow.begin()
    before = everything()
    flow.list()
    assert everything() == before
    for task in flow.tasks():
        flow.work_off([task])
        before = everything()
        flow.work_off([task])
        assert everything() == before, task


# -- modes, limit -------------------------------------------------------------------------------------------------


def test_each_mode_does_what_it_says_and_no_more(product: Product, flow: Flow) -> None:
    product.seed(*GOOD)
    product.put("production", "avatar/good-1.png", b"body of image/good-1.png")
    product.row("image/dangling.png", "image/good-2.png")
    legacy, production, rows = product.objects("legacy"), product.objects("production"), product.rows()
    account = flow.run(Mode.PLAN)
    assert (account.staged, account.already_there, account.rows_to_switch, account.dangling) == (3, 1, 4, 1)
    assert world(product) == (legacy, production, rows)
    assert product.sql("SELECT * FROM s3_migration.ledger") == []
    assert flow.run(Mode.COPY).states == {"copied": 3, "dangling": 1}
    assert (product.objects("legacy"), product.rows()) == (legacy, rows)
    production = product.objects("production")
    assert len(production) == 3
    account = flow.run(Mode.SWITCH)
    assert (account.copied, account.rows_switched, account.states) == (0, 4, {"copied": 3, "dangling": 1})
    assert (product.objects("legacy"), product.objects("production")) == (legacy, production)
    ledger = product.sql("SELECT * FROM s3_migration.ledger ORDER BY legacy_key")
    flow.run(Mode.PLAN)
    assert product.sql("SELECT * FROM s3_migration.ledger ORDER BY legacy_key") == ledger
    account = flow.run(Mode.MOVE)
    assert (account.copied, account.rows_switched, account.deleted) == (0, 0, 3)
    assert product.objects("legacy") == {}


@pytest.mark.parametrize("body", [b"of another", b"body of image/bad.png"])
def test_the_plan_forecasts(product: Product, flow: Flow, body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    product.seed(*GOOD, BAD)
    product.put("production", COPY, body)
    product.put("legacy", "image/unreferenced.png")
    account = flow.run(Mode.PLAN)
    same = body == b"body of image/bad.png"
    assert (account.staged, account.already_there, account.conflicts_forecast) == (5, same, not same)
    assert (account.unreferenced, account.rows_to_switch) == (1, 4)
    assert (f"conflict: {BAD!r}" in caplog.text) == (not same)
    assert account.forecast["requests"] == {"COPY": 5 - same, "LIST": 7, "HEAD": 2 * (not same), "DELETE": 1}
    assert "not observed yet" in account.as_text()


def test_the_plan_forecasts_at_the_rate_of_the_latest_run_that_copied_enough_and_changes_nothing(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "ENOUGH_TO_OBSERVE", 3)
    product.seed(*GOOD)
    flow.run(Mode.COPY)
    product.sql(  # the copies took two seconds, in two chunks beside each other
        "UPDATE s3_migration.timing SET ended_at = t.began + interval '2s' "
        "FROM (SELECT min(started_at) AS began FROM s3_migration.timing WHERE step = 'copy') AS t WHERE step = 'copy'"
    )
    product.seed(BAD)
    flow.run(Mode.COPY)  # one copy: too few to tell
    product.seed("image/more.png")
    before = world(product), product.sql("SELECT * FROM s3_migration.ledger ORDER BY legacy_key")
    account = flow.run(Mode.PLAN)
    assert account.forecast["observed_rate"] == pytest.approx(1.5)
    assert account.forecast["copy_hours_at_observed_rate"] == pytest.approx(1 / 1.5 / 3600)
    assert account.forecast["requests"]["COPY"] == 1
    assert "at the observed 2 objects/s" in account.as_text()
    assert (world(product), product.sql("SELECT * FROM s3_migration.ledger ORDER BY legacy_key")) == before


def test_a_chunk_that_is_cleared_much_later_ruins_no_rate(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two tries of one chunk and one of the other: three seconds at work, in an hour from first to last."""
    monkeypatch.setattr(reconciliation, "ENOUGH_TO_OBSERVE", 3)
    product.seed(*GOOD, BAD)
    product.put("production", COPY, b"another cat")
    flow.attempt(Mode.COPY)
    product.remove("production", COPY)
    chunk = next(chunk for step, chunk in flow.red if step == "copy")
    flow.work_off([("copy", chunk)])
    tries = product.sql("SELECT chunk FROM s3_migration.timing WHERE step = 'copy' ORDER BY chunk")
    assert tries == [(chunk - 100_000,), (1,), (2,)], "the earlier try is kept beside the one that it was repeated by"
    for number, (began, ended) in {chunk: (3600, 3601), chunk - 100_000: (0, 2), 3 - chunk: (1, 2)}.items():
        product.sql(
            "UPDATE s3_migration.timing SET started_at = '2026-05-01'::timestamptz + %s * interval '1s', "
            "ended_at = '2026-05-01'::timestamptz + %s * interval '1s' WHERE step = 'copy' AND chunk = %s",
            began,
            ended,
            number,
        )
    account = flow.work_off([("reconcile", 0)])
    assert (account.copied, account.seconds["copy"]) == (4, 3.0)
    assert f"{account.copied:,} (1 objects/s)" in account.as_text()
    assert flow.run(Mode.PLAN).forecast["observed_rate"] == pytest.approx(4 / 3)


def test_the_rate_of_another_migration_is_none_of_this_ones(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "ENOUGH_TO_OBSERVE", 3)
    product.seed(*GOOD)
    flow.run(Mode.COPY)
    flow.declaration = flow.declaration.model_copy(update={"name": "banners"})
    product.sql("INSERT INTO s3_migration.migration (name) VALUES ('banners')")
    assert flow.run(Mode.PLAN).forecast["observed_rate"] is None


def test_a_limit_takes_so_many_and_the_next_run_the_next(product: Product, flow: Flow) -> None:
    product.seed(*[f"image/{number}" for number in range(6)])
    product.row("image/dangling.png")
    for left in (3, 0):
        account = flow.run(limit=3)
        assert (account.staged, account.copied, account.rows_switched, account.deleted) == (3, 3, 3, 3)
        assert len(product.objects("legacy")) == left
        assert len([path for path in product.rows() if str(path).startswith("avatar/")]) == 6 - left
    assert flow.run(limit=3).staged == 0


def test_after_a_limited_run_another_takes_all(product: Product, flow: Flow) -> None:
    product.seed(*GOOD, BAD)
    flow.run(limit=1)
    assert flow.run().deleted == 3
    assert moved(product, *GOOD, BAD)


# -- the grace period ---------------------------------------------------------------------------------------------


def pass_time(product: Product, interval: str) -> None:
    """So long after all that was done until now."""
    product.sql("UPDATE s3_migration.run SET switched_at = switched_at - %s::interval", interval)
    product.sql(
        "UPDATE s3_migration.ledger "
        "SET production_modified = production_modified - %s::interval, switched_at = switched_at - %s::interval, "
        "owned_since = owned_since - %s::interval",
        *[interval] * 3,
    )


@pytest.fixture
def patient(flow: Flow) -> Flow:
    """Deletes an hour after the switch."""
    flow.declaration = flow.declaration.model_copy(update={"grace_period": timedelta(hours=1)})
    return flow


def test_objects_wait_for_the_grace_period_whatever_runs_meanwhile(product: Product, patient: Flow) -> None:
    product.seed(*GOOD)
    assert patient.run().states == {"waiting": 3}
    assert patient.red == {}
    for _ in range(2):
        pass_time(product, "25 min")
        account = patient.run()
        assert (account.states, account.copied, account.rows_switched) == ({"waiting": 3}, 0, 0)
    assert set(product.objects("legacy")) == set(GOOD)
    pass_time(product, "25 min")
    assert patient.run().deleted == 3
    assert moved(product, *GOOD)


def test_a_run_that_wakes_after_the_grace_period_deletes(product: Product, patient: Flow) -> None:
    product.seed(*GOOD)
    assert patient.run(before_verify=lambda: pass_time(product, "61 min")).deleted == 3


def test_the_grace_period_counts_from_the_switch(product: Product, patient: Flow) -> None:
    product.seed(*GOOD)
    patient.run(Mode.COPY)
    pass_time(product, "2h")
    assert patient.run().states == {"waiting": 3}
    pass_time(product, "61 min")
    assert patient.run().deleted == 3


def test_a_refused_deletion_waits_for_no_grace_period_again(product: Product, patient: Flow) -> None:
    product.seed(*GOOD)
    patient.run()
    pass_time(product, "61 min")
    with pytest.MonkeyPatch.context() as broken:
        refuse_deletions(broken, GOOD[0])
        patient.attempt()
    assert patient.red != {}
    assert patient.run().deleted == 1


@pytest.mark.parametrize("stage", ["before_switch", "before_verify"])
def test_the_grace_period_starts_anew_where_a_row_named_the_legacy_path_again(
    product: Product, patient: Flow, stage: str
) -> None:
    product.seed(*GOOD)
    patient.run()
    pass_time(product, "2h")
    account = patient.run(**{stage: lambda: product.row(GOOD[0])})
    assert account.states == {"waiting": 1, "moved": 2}
    assert unserved(product) == set()
    pass_time(product, "61 min")
    assert patient.run().deleted == 1


# -- the gate -----------------------------------------------------------------------------------------------------

AGE_THE_PROOF = "UPDATE s3_migration.run SET verified_at = verified_at - interval '2h'"
CLOSERS = {
    "the verification never finished": "UPDATE s3_migration.run SET verified_at = NULL",
    "a copy is damaged": "UPDATE s3_migration.run SET damaged = 1",
    "deletion was stopped by hand": "UPDATE s3_migration.migration SET deletion_stopped = 'audit'",
}


def test_a_log_begins_with_what_the_task_does_and_ends_with_what_it_did(
    product: Product, flow: Flow, caplog: pytest.LogCaptureFixture
) -> None:
    product.seed(*GOOD, BAD)
    product.put("production", COPY, b"another cat")
    with caplog.at_level("INFO"):
        flow.begin()
        assert caplog.messages[0] == f"check: asks for all that run {flow.run_id}, mode move, needs; touches nothing"
        assert "check: all is there; the run may begin" in caplog.messages
        for chunk in flow.chunks:
            caplog.clear()
            flow.work_off([("copy", chunk)])
            assert caplog.messages[0] == f"copy, chunk {chunk}: {DOES['copy']} (run {flow.run_id}, mode move)"
            ended, did = caplog.messages[-1].split(" s: ")
            red = ("copy", chunk) in flow.red
            assert re.fullmatch(rf"copy, chunk {chunk}: {'ended after' if red else 'done in'} \d+\.\d", ended)
            assert did == ("1 conflict, 1 copied" if red else "2 copied")
        caplog.clear()
        flow.work_off([("verify", 0)])
        assert caplog.messages[0].startswith(f"verify: {DOES['verify']} (run ")


def test_the_first_words_say_whether_it_is_open(product: Product, flow: Flow, caplog: pytest.LogCaptureFixture) -> None:
    product.seed(*GOOD, BAD)
    product.put("production", COPY, b"another cat")
    assert flow.attempt().deleted == 3
    said = str(flow.red["gate", 0])
    assert said.startswith(
        "OPEN: what is proven will be deleted; 1 object stays: 1 conflict (migration avatars).\n  conflict: "
    )
    assert said.endswith("or all that failed (docs/runbook.md#conflict).")
    product.remove("production", COPY)
    with caplog.at_level("INFO"):
        flow.run()
    assert "OPEN: what is proven will be deleted" in caplog.messages


@pytest.mark.parametrize("closer", CLOSERS.values(), ids=CLOSERS)
def test_a_closed_gate_deletes_nothing(product: Product, flow: Flow, closer: str) -> None:
    product.seed(*GOOD, BAD)
    flow.attempt(before_gate=lambda: product.sql(closer))
    assert set(flow.red) == {("gate", 0), ("delete", 1), ("delete", 2), ("reconcile", 0)}
    assert isinstance(flow.red["gate", 0], GateClosed)
    assert isinstance(flow.red["delete", 1], GateClosed)
    assert str(flow.red["gate", 0]).startswith("CLOSED: nothing is deleted: migration avatars: ")
    assert str(flow.red["delete", 1]).startswith("CLOSED: nothing more is deleted: migration avatars: ")
    assert set(product.objects("legacy")) == {*GOOD, BAD}
    product.sql("UPDATE s3_migration.migration SET deletion_stopped = NULL")
    assert flow.run().deleted == 4


@pytest.mark.parametrize("closer", CLOSERS.values(), ids=CLOSERS)
def test_the_gate_may_close_between_two_batches(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch, closer: str
) -> None:
    product.seed(*GOOD, BAD)
    monkeypatch.setattr(deletion, "DELETED_TOGETHER", 1)
    original = deletion._delete_batch

    def close_behind_it(*asked: Any) -> Any:
        found = original(*asked)
        product.sql(closer)
        return found

    monkeypatch.setattr(deletion, "_delete_batch", close_behind_it)
    flow.attempt()
    assert isinstance(flow.red["delete", 1], GateClosed)
    assert len(product.objects("legacy")) == 3


@pytest.mark.parametrize("damage", [False, True], ids=["all is well", "a copy is gone"])
def test_of_a_proof_that_is_too_old_for_the_gate_the_rows_are_asked_anew(
    product: Product, flow: Flow, damage: bool
) -> None:
    product.seed(*GOOD, BAD)

    def long_after() -> None:
        product.sql(AGE_THE_PROOF)
        product.remove("production", *[COPY] * damage)

    account = flow.attempt(before_gate=long_after)
    if damage:
        assert ("gate", 0) not in flow.red, "each slice is looked at before it goes"
        assert isinstance(flow.red["delete", 1], GateClosed)
        assert set(product.objects("legacy")) == {*GOOD, BAD}
    else:
        assert (flow.red, account.deleted) == ({}, 4)
        assert moved(product, *GOOD, BAD)


@pytest.mark.parametrize("damage", [False, True], ids=["all is well", "a copy is gone"])
def test_of_a_proof_that_grows_too_old_between_two_batches_the_rows_are_asked_anew(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch, damage: bool
) -> None:
    product.seed(*GOOD, BAD)
    monkeypatch.setattr(deletion, "DELETED_TOGETHER", 1)
    monkeypatch.setattr(deletion, "MAX_SLICE_AGE", 0.0)
    original = deletion._delete_batch

    def take_long(*asked: Any) -> Any:
        found = original(*asked)
        product.sql(AGE_THE_PROOF)
        product.remove("production", *["avatar/good-3.png"] * damage)
        return found

    monkeypatch.setattr(deletion, "_delete_batch", take_long)
    account = flow.attempt()
    if damage:
        assert isinstance(flow.red["delete", 2], GateClosed), "by the look at its own slice"
        assert set(product.objects("legacy")) == set(GOOD[1:])
    else:
        assert (flow.red, account.deleted) == ({}, 4)


def test_a_proof_serves_for_some_times_what_it_took_whatever_is_declared(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else none would ever be fresh where a pass over the rows takes longer than that."""
    settle_rows = proof.settle_rows

    def of_a_large_table(run: Run) -> None:
        time.sleep(0.5)
        settle_rows(run)

    monkeypatch.setattr(proof, "settle_rows", of_a_large_table)
    product.seed(*GOOD, BAD)
    flow.declaration = flow.declaration.model_copy(update={"proof_max_age": timedelta(microseconds=1)})
    assert flow.run().deleted == 4


# -- the guard ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fails", ["list", "check"])
def test_no_later_step_works_on_a_listing_that_was_not_finished(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    """Also where the run had been listed before, and was cleared as a whole."""
    product.seed(*GOOD)
    flow.run()
    product.seed(BAD)

    def broken(*_: Any) -> Any:
        raise PreflightFailed("broken")

    monkeypatch.setattr(*((listing, "_list_into_ledger") if fails == "list" else (checks, "check_store")), broken)
    request = Request(Mode.MOVE, None)
    again = flow.list if fails == "list" else functools.partial(check.check, flow.declaration, flow.run_id, request)
    if fails == "list":
        assert check.check(flow.declaration, flow.run_id, request)
    with pytest.raises(PreflightFailed):
        again()
    flow.work_off(flow.tasks())
    assert set(flow.red) == set(flow.tasks())
    assert all(isinstance(error, ListingUnfinished) for error in flow.red.values())
    assert product.sql("SELECT lease_run_no FROM s3_migration.migration") == [(None,)]


# -- hardly any row names the scope -----------------------------------------------------------------------------------

MANY = [f"image/{number:03}.png" for number in range(120)]
CDN = "https://cdn.example/"
# Not in sixty chunks: these are about what rows name.
few_chunks = pytest.mark.declared(chunk_size=40)


@few_chunks
def test_objects_that_hardly_any_row_names_stay(product: Product, flow: Flow) -> None:
    """Their rows hold full URLs, say, while the declaration has bare keys."""
    product.put_many("legacy", MANY)
    product.row(*(CDN + key for key in MANY), *(f"image/{number:03}.png" for number in range(60, 119)))
    account = flow.attempt()
    assert account.deleted == 0
    assert len(product.objects("legacy")) == len(MANY)
    for step in (("gate", 0), ("delete", 1)):
        closed = flow.red[step]
        assert isinstance(closed, GateClosed)
        assert "no row names 61 of the 120 objects" in str(closed)
        assert "Fix: correct legacy.path_prefix" in str(closed)
    said = str(flow.red["gate", 0])
    assert f"{CDN}image/0" in said
    assert f"The path_prefix that fits: '{CDN}image/'" in said
    fields = flow.declaration.model_dump(mode="json")
    fields["legacy"]["path_prefix"], fields["production"]["path_prefix"] = f"{CDN}image/", f"{CDN}avatar/"
    flow.declaration = Declaration.model_validate(fields)
    product.sql("DELETE FROM avatars WHERE NOT starts_with(path, 'https:')")
    # Rows were switched by the wrong prefix, and are gone: an administrator has the migration forget what it was.
    product.sql("UPDATE s3_migration.migration SET declared = NULL")
    assert flow.run().states == {"moved": len(MANY)}
    assert product.rows() == [f"{CDN}{key.replace('image', 'avatar')}" for key in MANY]


@few_chunks
def test_rows_that_are_spelt_like_nothing_known(product: Product, flow: Flow) -> None:
    product.put_many("legacy", MANY)
    flow.attempt()
    assert "(No row of avatars.path has 'image/' inside.)" in str(flow.red["gate", 0])


@pytest.mark.declared(unreferenced="move", chunk_size=40)
def test_objects_that_nobody_needs_are_moved_where_that_is_declared(product: Product, flow: Flow) -> None:
    product.put_many("legacy", MANY)
    account = flow.run()
    assert (account.states, account.unreferenced) == ({"moved": len(MANY)}, len(MANY))


@few_chunks
def test_half_of_them_named_is_enough_whatever_was_switched_before(product: Product, flow: Flow) -> None:
    product.put_many("legacy", MANY)
    product.row(*MANY[:60])
    flow.run(Mode.SWITCH)
    assert flow.run().states == {"moved": len(MANY)}

"""A copy is made, or judged by what both sides hold; networks and stores that fail."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, replace

import pytest

from s3_migration.model.error_codes import retryable
from s3_migration.model.objects import Version
from s3_migration.s3.copier import MAX_TRIES
from s3_migration.s3.types import Copy
from tests.support import proxy as faults
from tests.support.proxy import Request
from tests.support.stores import ATTEMPTS, KEY, TARGET, Stores

SOURCE = b"the source"


@dataclass(frozen=True)
class Case:
    """What production holds when we come to copy, and what comes of it."""

    there: bytes | None
    replaces: bytes | None  # our earlier copy
    problem: str | None
    holds: bytes
    requested: bool = True


COPIES = {
    "absent": Case(None, None, None, SOURCE),
    "the same content": Case(SOURCE, None, None, SOURCE, requested=False),
    "other content of the same size": Case(b"other text", None, "conflict", b"other text"),
    "other size": Case(b"other", None, "conflict", b"other"),
    "empty": Case(b"", None, "conflict", b""),
    "our earlier copy": Case(b"earlier", b"earlier", None, SOURCE),
    "our earlier copy, replaced already": Case(SOURCE, b"earlier", None, SOURCE, requested=False),
    "written after our copy": Case(b"product's", b"earlier", "superseded", b"product's"),
    "written after our copy, of the source's size": Case(b"other text", b"earlier", "superseded", b"other text"),
}


@pytest.mark.parametrize("case", COPIES.values(), ids=COPIES)
def test_what_becomes_of_a_copy(stores: Stores, case: Case) -> None:
    version = stores.put(SOURCE)
    replaces = stores.put_target(case.replaces).etag if case.replaces else None
    if case.there is not None:
        stores.put_target(case.there)
    before = stores.hook.head(stores.production, TARGET)
    result = stores.copy(version, replaces)
    now = stores.hook.head(stores.production, TARGET)
    assert now is not None
    assert (result.problem, stores.target()) == (case.problem, case.holds)
    if case.problem:
        assert result.target is None
        assert before == now, "nothing that is not ours is written"
        assert f"production holds {len(case.holds)} bytes" in str(result.detail)
    else:
        assert (result.target, result.requested) == (now.version, case.requested)
        assert result.modified is not None


def test_a_source_rewritten_since_it_was_listed_is_copied_as_it_is_now(stores: Stores) -> None:
    listed = stores.put(b"old")
    now = stores.put(b"new and longer")
    result = stores.copy(listed)
    assert (result.problem, result.copy.version, result.target) == (None, now, now)
    assert stores.target() == b"new and longer"


def test_a_copy_that_a_crash_kept_from_the_ledger_is_replaced_when_the_source_is_rewritten(stores: Stores) -> None:
    listed = stores.put(b"old")
    assert stores.copy(listed).problem is None
    now = stores.put(b"new")
    result = stores.copy(listed)
    assert (result.problem, result.copy.version, stores.target()) == (None, now, b"new")


def test_a_copy_of_ours_that_is_gone_is_made_anew(stores: Stores) -> None:
    earlier, version = stores.put_target(b"earlier"), stores.put()
    stores.s3.delete_object(Bucket=stores.production, Key=TARGET)
    assert (stores.copy(version, earlier.etag).problem, stores.target()) == (None, b"body")


def test_a_source_rewritten_between_two_looks_is_copied_as_it_is_now(stores: Stores) -> None:
    stores.put_target(b"12345")
    listed = stores.put(b"abcde")
    stores.proxy.fault("HeadObject", faults.without_checksums)  # so that both are fetched
    stores.proxy.fault("GetObject", faults.before(lambda: stores.put(b"12345")), times=1)
    result = stores.copy(listed)
    assert (result.problem, result.requested, result.copy.version) == (
        None,
        False,
        Version(5, result.copy.version.etag),
    )
    assert result.copy.version != listed


def test_a_source_rewritten_between_a_look_and_its_checksums_is_copied_as_it_is_now(stores: Stores) -> None:
    stores.put_target(b"12345")
    listed = stores.put(b"abcde")

    def of_checksums(request: faults.Request) -> bool:
        return request.method == "HEAD" and "x-amz-checksum-mode" in request.headers

    stores.proxy.fault(of_checksums, faults.before(lambda: stores.put(b"12345")), times=1)
    result = stores.copy(listed)
    assert (result.problem, result.requested) == (None, False)
    assert result.copy.version != listed


def test_a_source_that_is_rewritten_again_and_again_is_left_to_a_person(stores: Stores) -> None:
    listed, times = stores.put(b"0"), iter(range(1, 100))
    stores.proxy.fault("CopyObject", faults.before(lambda: stores.put(b"%d" % next(times))))
    result = stores.copy(listed)
    assert (result.problem, result.code) == ("changed", "ConditionalRequestConflict")
    assert str(result.detail).startswith(f"{MAX_TRIES} tries, last PreconditionFailed: ")
    assert stores.target() is None
    assert stores.hook.take_requests()["CopyObject", "412 PreconditionFailed"] == MAX_TRIES


def test_a_source_that_is_gone_is_withdrawn(stores: Stores) -> None:
    version = stores.put()
    stores.proxy.fault("CopyObject", faults.before(stores.drop))
    result = stores.copy(version)
    assert (result.problem, stores.target()) == ("withdrawn", None)


def test_a_write_to_production_at_the_last_moment_is_left_alone(stores: Stores) -> None:
    version = stores.put()
    stores.proxy.fault("CopyObject", faults.before(lambda: stores.put_target(b"the product's")), times=1)
    assert stores.copy(version).problem == "conflict"
    assert stores.target() == b"the product's"


def test_one_bad_object_does_not_hold_up_the_others(stores: Stores) -> None:
    version = stores.put()
    stores.put_target(b"someone else's", "avatar/5")
    results = stores.copy_all(*(Copy(KEY, f"avatar/{number}", version) for number in range(10)))
    assert Counter(result.problem for result in results) == {None: 9, "conflict": 1}


def test_a_copy_that_may_not_be_made_says_so(stores: Stores) -> None:
    version = stores.put()
    stores = replace(stores, identity="without-put-production")
    result = stores.copy(version)
    assert (result.problem, result.code, retryable(result.code)) == ("failed", "AccessDenied", False)
    assert str(result.detail).startswith("AccessDenied: ")


def test_a_conflict_that_cannot_be_looked_at_is_a_failure(stores: Stores) -> None:
    version = stores.put()
    stores.put_target(b"someone else's")
    stores = replace(stores, identity="without-get-production")
    result = stores.copy(version)
    assert (result.problem, result.code) == ("failed", "403")


def test_a_folder_marker_is_copied_once(stores: Stores) -> None:
    version = stores.put(b"", "image/folder/", ContentType="application/x-directory")
    assert stores.list(stores.legacy)["image/folder/"].version == version
    copy = Copy("image/folder/", "avatar/folder/", version)
    (first,), (again,) = stores.copy_all(copy), stores.copy_all(copy)
    assert (first.problem, first.requested, again.problem, again.requested) == (None, True, None, False)
    assert stores.list(stores.production)["avatar/folder/"].version == version
    shown = stores.s3.head_object(Bucket=stores.production, Key="avatar/folder/")
    assert shown["ContentType"] == "application/x-directory"


def test_a_folder_marker_whose_content_seaweedfs_hides_is_not_taken_for_an_empty_one(stores: Stores) -> None:
    stores.put(b"content", "image/folder/")
    shown = stores.list(stores.legacy)["image/folder/"].version
    assert shown.size == 0
    (result,) = stores.copy_all(Copy("image/folder/", "avatar/folder/", shown))
    assert (result.problem, stores.list(stores.production)) == ("failed", {})
    assert "NoSuchKey" in str(result.detail)


# -- networks and stores that fail ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (faults.slow_down, "503 SlowDown"),
        (faults.answer(500, "InternalError"), "500 InternalError"),
        (faults.lose_request, "ConnectionError"),
        (faults.error_in_200, "500 InternalError"),
    ],
    ids=["slow down", "internal error", "lost request", "error in a 200"],
)
def test_a_passing_fault_is_tried_again_and_counted(stores: Stores, fault: faults.Fault, outcome: str) -> None:
    version = stores.put()
    stores.proxy.fault("CopyObject", fault, times=ATTEMPTS - 1)
    result = stores.copy(version)
    assert (result.problem, result.requested, stores.target()) == (None, True, b"body")
    sent = stores.hook.take_requests()
    assert {each: sent[each] for each in sent if each[0] == "CopyObject"} == {
        ("CopyObject", outcome): ATTEMPTS - 1,
        ("CopyObject", "200"): 1,
    }
    assert stores.hook.take_requests() == {}, "each request is counted once"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (faults.slow_down, "SlowDown"),
        (faults.lose_request, "ConnectionError"),
        (faults.error_in_200, "InternalError"),
        (faults.empty_200, "IncompleteResponse"),
        (faults.garbled_200, "500 IncompleteResponse"),  # as boto3 puts it, and as we do
    ],
    ids=["slow down", "lost request", "error in a 200", "empty 200", "garbled 200"],
)
def test_a_lasting_fault_is_a_failure_that_time_may_mend(stores: Stores, fault: faults.Fault, code: str) -> None:
    version = stores.put()
    stores.proxy.fault("CopyObject", fault)
    result = stores.copy(version)
    assert (result.problem, retryable(result.code), result.target) == ("failed", True, None)
    assert result.code in code.split()
    assert str(result.detail).startswith(f"{result.code}: ")
    assert stores.target() is None


@pytest.mark.parametrize("fault", [faults.lose_answer, faults.cut_midway], ids=["lost", "cut midway"])
def test_a_copy_whose_answer_is_lost_is_there_when_it_is_repeated(stores: Stores, fault: faults.Fault) -> None:
    version = stores.put()
    stores.proxy.fault("CopyObject", fault, times=1)
    result = stores.copy(version)
    assert (result.problem, result.requested, result.target) == (None, False, version)
    assert stores.proxy.forwarded["CopyObject"] == 2


def test_a_replacing_copy_whose_answer_is_lost_is_there_when_it_is_repeated(stores: Stores) -> None:
    replaces, version = stores.put_target(b"earlier"), stores.put()
    stores.proxy.fault("CopyObject", faults.lose_answer, times=1)
    result = stores.copy(version, replaces.etag)
    assert (result.problem, result.requested, result.target) == (None, False, version)


def test_many_slow_downs_at_once_are_waited_out(stores: Stores) -> None:
    """Normal while S3 splits a prefix: every request meets some."""
    version, met = stores.put(), Counter[str]()

    def first_times(request: Request) -> bool:
        met[request.key] += request.operation == "CopyObject"
        return 1 <= met[request.key] < ATTEMPTS

    stores.proxy.fault(first_times, faults.slow_down)
    results = stores.copy_all(*(Copy(KEY, f"avatar/{number}", version) for number in range(100)))
    assert Counter(result.detail for result in results) == {None: 100}


@pytest.mark.parametrize("who", ["the caller", "the hook"])
def test_what_is_queued_is_given_up_and_what_is_in_flight_ends(stores: Stores, who: str) -> None:
    hook, gate = stores.connect(**stores.options, requests_in_flight=4), threading.Event()
    version = stores.put()
    copies = [Copy(KEY, f"avatar/{number}", version) for number in range(100)]
    waits = {f"avatar/{number}" for number in range(1, 100)}
    stores.proxy.fault(lambda request: request.key in waits, faults.before(gate.wait))
    results = hook.copy_objects(stores.legacy, stores.production, copies)
    assert next(iter(results)).copy.target == "avatar/0"
    opens = threading.Timer(0.3, gate.set)
    opens.start()
    if who == "the caller":
        results.close()  # type: ignore[attr-defined]
        opens.join()
    hook.close()
    hook.transport.threads.close(wait=True)
    asked = stores.proxy.seen["CopyObject"]
    assert asked <= 1 + 4
    assert len(stores.list(stores.production)) == asked

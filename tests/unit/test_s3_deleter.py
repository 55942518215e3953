"""A key goes only while it has the ETag that was proven."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from datetime import datetime
from xml.sax.saxutils import escape

import pytest

from s3_migration.model.error_codes import retryable
from s3_migration.s3.types import DeleteResult
from tests.support import proxy as faults
from tests.support.proxy import Answer, Forward, Request
from tests.support.stores import KEY, Stores

# One goes in a DeleteObjects, one cannot stand in its XML.
SPELLINGS = pytest.mark.parametrize("key", ["image/a.png", "image/\x01.png"], ids=["in bulk", "by itself"])


@SPELLINGS
def test_what_is_as_it_was_is_deleted(stores: Stores, key: str) -> None:
    version = stores.put(key=key)
    assert stores.delete((key, version.etag)) == {key: DeleteResult(key)}
    assert stores.list(stores.legacy) == {}


@SPELLINGS
def test_what_is_gone_already_counts_as_deleted(stores: Stores, key: str) -> None:
    assert stores.delete((key, "0" * 32)) == {key: DeleteResult(key)}


@SPELLINGS
def test_what_was_rewritten_stays_and_is_shown(stores: Stores, key: str) -> None:
    proven = stores.put(b"proven", key)
    stores.put(b"rewritten", key)
    result = stores.delete((key, proven.etag))[key]
    assert (result.problem, result.code) == ("changed", "PreconditionFailed")
    assert result.now == stores.hook.head(stores.legacy, key)
    assert set(stores.list(stores.legacy)) == {key}


@SPELLINGS
def test_what_may_not_be_deleted_stays_and_says_why(stores: Stores, key: str) -> None:
    version = stores.put(key=key)
    stores = replace(stores, identity="without-delete-legacy")
    result = stores.delete((key, version.etag))[key]
    assert (result.problem, result.code) == ("failed", "AccessDenied")
    assert set(stores.list(stores.legacy)) == {key}


@SPELLINGS
def test_a_deletion_whose_answer_is_lost_is_done_when_it_is_repeated(stores: Stores, key: str) -> None:
    version = stores.put(key=key)
    stores.proxy.fault(lambda request: request.operation.startswith("DeleteObject"), faults.lose_answer, times=1)
    assert stores.delete((key, version.etag)) == {key: DeleteResult(key)}


@SPELLINGS
def test_a_deletion_that_is_refused_for_now_fails_for_now(stores: Stores, key: str) -> None:
    version = stores.put(key=key)
    stores.proxy.fault(lambda request: request.operation.startswith("DeleteObject"), faults.slow_down)
    result = stores.delete((key, version.etag))[key]
    assert (result.problem, result.code, retryable(result.code)) == ("failed", "SlowDown", True)
    assert set(stores.list(stores.legacy)) == {key}


def test_each_key_of_a_request_has_its_own_answer(stores: Stores) -> None:
    etags = {key: stores.put(key.encode(), key).etag for key in ("image/1", "image/2", "image/3", "image/\n")}
    stores.put(b"rewritten", "image/2")
    stores.drop("image/3")
    deleted = stores.delete(*etags.items())
    assert {key: result.problem for key, result in deleted.items()} == {
        "image/1": None,
        "image/2": "changed",
        "image/3": None,
        "image/\n": None,
    }
    assert (stores.proxy.seen["DeleteObjects"], stores.proxy.seen["DeleteObject"]) == (1, 1)
    assert set(stores.list(stores.legacy)) == {"image/2"}


def inside_a_200(inside: str) -> faults.Fault:
    return lambda request, forward: Answer(200, [], f"<DeleteResult>{inside}</DeleteResult>".encode())


@pytest.mark.parametrize(
    ("inside", "code"),
    [
        ("<Error><Key>image/a.png</Key><Code>InternalError</Code><Message>no</Message></Error>", "InternalError"),
        ("<Error><Key>image/a.png</Key><Code>AccessDenied</Code></Error>", "AccessDenied"),
        ("", "IncompleteResponse"),
        (
            "<Deleted><Key>image/a.png</Key></Deleted><Error><Key>image/a.png</Key><Code>InternalError</Code></Error>",
            "InternalError",
        ),
        ("<Deleted><Key>image/b.png</Key></Deleted>", "IncompleteResponse"),
    ],
    ids=["error", "no message", "nothing", "both", "another key"],
)
def test_only_a_key_that_is_named_as_deleted_is_deleted(stores: Stores, inside: str, code: str) -> None:
    version = stores.put()
    stores.proxy.fault("DeleteObjects", inside_a_200(inside))
    result = stores.delete((KEY, version.etag))[KEY]
    assert (result.problem, result.code) == ("failed", code)
    assert str(result.detail).startswith(f"{code}: ")


@pytest.mark.parametrize(("keys", "requests"), [(0, 0), (1, 1), (1000, 1), (1001, 2)])
def test_a_request_deletes_a_thousand_keys(stores: Stores, keys: int, requests: int) -> None:
    def all_deleted(request: Request, forward: Forward) -> Answer:
        named = request.body.decode().split("<Key>")[1:]
        body = "".join(f"<Deleted><Key>{escape(each.partition('<')[0])}</Key></Deleted>" for each in named)
        return inside_a_200(body)(request, forward)

    stores.proxy.fault("DeleteObjects", all_deleted)
    deleted = stores.delete(*((f"image/{number}", "e") for number in range(keys)))
    assert deleted == {f"image/{number}": DeleteResult(f"image/{number}") for number in range(keys)}
    # Before the first of all a HEAD asks the store what time it is.
    assert stores.proxy.seen - Counter(HeadObject=1) == Counter(DeleteObjects=requests)


# -- the expiry: what is sent cannot take effect later -----------------------------------------------------------------


def is_deletion(request: Request) -> bool:
    return request.operation.startswith("DeleteObject")


@SPELLINGS
def test_each_request_is_signed_to_expire_by_the_time_it_was_given(stores: Stores, key: str) -> None:
    version, seen = stores.put(key=key), []

    def note(request: Request, forward: Forward) -> Answer:
        seen.append((request, time.time()))
        return forward(request)

    stores.proxy.fault(is_deletion, note)
    begun = time.time()
    stores.delete((key, version.etag), seconds=20)
    ((request, _),) = seen
    assert "authorization" not in request.headers
    signed = datetime.strptime(request.query["X-Amz-Date"][0], "%Y%m%dT%H%M%S%z").timestamp()
    expires = signed + int(request.query["X-Amz-Expires"][0])
    assert begun + 15 <= expires <= begun + 20 + (time.time() - begun), "never later than it was given"


@SPELLINGS
def test_the_store_refuses_what_comes_after_its_expiry(stores: Stores, key: str) -> None:
    """A worker that is frozen between signing and sending."""
    version = stores.put(key=key)
    stores.proxy.fault(is_deletion, faults.delay(3.2), times=1)
    result = stores.delete((key, version.etag), seconds=2)[key]
    assert (result.problem, result.code, retryable(result.code)) == ("failed", "RequestExpired", True)
    assert set(stores.list(stores.legacy)) == {key}


@SPELLINGS
def test_nothing_is_sent_once_its_time_is_over(stores: Stores, key: str) -> None:
    version = stores.put(key=key)
    deletions = stores.deletions((key, version.etag), seconds=0)
    assert [(each.problem, each.code) for each in deletions.results] == [("failed", "RequestExpired")]
    assert not deletions.under_way
    assert not any(operation.startswith("DeleteObject") for operation in stores.proxy.seen)


@SPELLINGS
def test_no_retry_is_sent_after_it(stores: Stores, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    version = stores.put(key=key)
    stores.proxy.fault(is_deletion, lambda request, forward: faults.delay(1.1)(request, lambda _: refused))
    refused = faults.slow_down(None, None)  # type: ignore[arg-type]
    result = stores.delete((key, version.etag), seconds=3)[key]
    assert result.code == "RequestExpired"
    assert 1 <= stores.proxy.seen["DeleteObjects"] + stores.proxy.seen["DeleteObject"] <= 2


@SPELLINGS
def test_a_request_without_an_answer_may_be_under_way_whatever_its_retry_says(stores: Stores, key: str) -> None:
    version = stores.put(key=key)
    stores.proxy.fault(is_deletion, faults.lose_answer, times=1)
    deletions = stores.deletions((key, version.etag))
    assert (deletions.results, deletions.under_way) == ([DeleteResult(key)], True)


@SPELLINGS
def test_what_was_answered_is_not_under_way_whatever_the_answer(stores: Stores, key: str) -> None:
    version = stores.put(key=key)
    stores.proxy.fault(is_deletion, faults.slow_down, times=2)
    assert not stores.deletions((key, version.etag)).under_way


@pytest.mark.parametrize("ahead", [-3600, 3600], ids=["behind", "ahead"])
def test_the_time_is_the_stores_however_wrong_ours_is(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, ahead: float
) -> None:
    version, real = stores.put(), time.time
    monkeypatch.setattr(time, "time", lambda: real() + ahead)
    assert stores.delete((KEY, version.etag)) == {KEY: DeleteResult(KEY)}


def test_whether_a_store_refuses_what_is_late_is_seen(stores: Stores) -> None:
    version = stores.put()
    assert stores.hook.refuses_late(stores.legacy, KEY, version.etag)
    assert set(stores.list(stores.legacy)) == {KEY}


def test_a_store_that_carries_out_what_is_late_is_seen(stores: Stores) -> None:
    version = stores.put()
    deleted = Answer(204, [], b"")  # no server of the tests ignores an expiry
    stores.proxy.fault("DeleteObject", lambda request, forward: deleted)
    assert not stores.hook.refuses_late(stores.legacy, KEY, version.etag)

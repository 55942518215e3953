"""A recorded conversation: refusals as real stores give them, replayed to both engines (recorded_answers.yaml)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from s3_migration.model.error_codes import retryable
from s3_migration.s3.errors import STORE_ERRORS, error_code, error_text
from tests.support import proxy as faults
from tests.support.stores import ATTEMPTS, KEY, LARGE, Stores

RECORDED: list[dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("recorded_answers.yaml").read_text(encoding="utf-8")
)


def replay(answer: dict[str, Any]) -> faults.Fault:
    body = answer["body"].encode()
    headers = [("Content-Type", "application/xml"), *answer.get("headers", {}).items()]
    return lambda request, forward: faults.Answer(answer["status"], headers, body)


def of(operation: str) -> Any:
    some = [answer for answer in RECORDED if answer["to"] == operation]
    return pytest.mark.parametrize("answer", some, ids=[f"{each['store']}: {each['code']}" for each in some])


def test_all_are_replayed() -> None:
    assert {answer["to"] for answer in RECORDED} == {"CopyObject", "ListObjectsV2", "HeadObject", "DeleteObjects"}


@of("CopyObject")
def test_a_copy(stores: Stores, answer: dict[str, Any]) -> None:
    version = stores.put()
    stores.proxy.fault("CopyObject", replay(answer), times=None if answer["then"] != "judge" else 1)
    result = stores.copy(version)
    sent = stores.proxy.seen["CopyObject"]
    if answer["then"] == "judge":  # both sides are as they were: it is asked for again
        assert (result.problem, sent, stores.target()) == (None, 2, b"body")
        return
    assert (result.problem, result.code, stores.target()) == ("failed", answer["code"], None)
    # What the Common Runtime cannot settle is asked again by boto3.
    once = {1, 2} if answer["status"] == 400 else {1}
    assert sent in ({ATTEMPTS} if answer["then"] == "retry" else once)
    assert retryable(result.code) == (answer["then"] in {"retry", "task"})
    assert str(result.detail).startswith(f"{answer['code']}: ")
    counted = stores.hook.take_requests()
    outcomes = {outcome for operation, outcome in counted if operation == "CopyObject"}
    assert len(outcomes) == 1
    assert answer["code"] in outcomes.pop(), "the account says why"


@of("CopyObject")
def test_a_copy_of_parts(stores: Stores, answer: dict[str, Any]) -> None:
    """The same, said to what completes it."""
    parts = stores.of_parts()
    version = parts.put(LARGE)
    parts.proxy.fault("CompleteMultipartUpload", replay(answer), times=None if answer["then"] != "judge" else 1)
    result = parts.copy(version)
    if answer["then"] == "judge":
        assert (result.problem, parts.target()) == (None, LARGE)
    else:
        assert (result.problem, result.code, parts.target()) == ("failed", answer["code"], None)
    assert parts.uploads() == []


@of("ListObjectsV2")
def test_a_listing(stores: Stores, answer: dict[str, Any]) -> None:
    stores.put()
    stores.proxy.fault("ListObjectsV2", replay(answer), times=ATTEMPTS - 1 if answer["then"] == "retry" else None)
    if answer["then"] == "retry":
        assert set(stores.list(stores.legacy)) == {KEY}
        stores.proxy.fault("ListObjectsV2", replay(answer))
    stores.proxy.clear()
    with pytest.raises(STORE_ERRORS) as refused:
        stores.list(stores.legacy)
    assert error_code(refused.value) == answer["code"]
    assert error_text(refused.value).startswith(f"{answer['code']}: ")
    assert stores.proxy.seen["ListObjectsV2"] == (ATTEMPTS if answer["then"] == "retry" else 1)


@of("HeadObject")
def test_a_look(stores: Stores, answer: dict[str, Any]) -> None:
    stores.put()
    stores.proxy.fault("HeadObject", replay(answer))
    with pytest.raises(STORE_ERRORS) as refused:
        list(stores.hook.head_objects(stores.legacy, [KEY]))
    assert error_code(refused.value) == answer["code"]
    assert (stores.proxy.seen["HeadObject"] >= ATTEMPTS) == (answer["then"] == "retry")


@of("DeleteObjects")
def test_a_deletion(stores: Stores, answer: dict[str, Any]) -> None:
    version = stores.put()
    stores.proxy.fault("DeleteObjects", replay(answer))
    result = stores.delete((KEY, version.etag))[KEY]
    assert (result.problem, result.code) == ("failed", answer["code"])
    assert retryable(result.code) == (answer["then"] == "task")
    assert stores.proxy.seen["DeleteObjects"] == 1
    assert set(stores.list(stores.legacy)) == {KEY}

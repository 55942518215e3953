"""What stores answer, through the real steps: nothing is concluded from half of it, and errors say what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore import retryhandler

from s3_migration.model.declaration import Engine
from s3_migration.model.modes import Mode
from s3_migration.s3 import crt_client
from s3_migration.steps.run import StoreRefused, StoreRetryable
from tests.support import proxy as faults
from tests.support.flow import Flow, lapse, shared_clients
from tests.support.product import Product
from tests.support.proxy import Answer, Forward, Proxy, Request

KEYS = [f"image/{number}.png" for number in range(20)]
ERRORS = {
    "AccessDenied": (403, StoreRefused),
    "SlowDown": (503, StoreRetryable),
    "TooManyRequests": (429, StoreRetryable),
}


@pytest.fixture(params=list(Engine), ids=[engine.value for engine in Engine])
def engine(request: pytest.FixtureRequest) -> Engine:
    return Engine(request.param)


@pytest.fixture
def proxy(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Proxy:
    """Behind which no retry is waited for."""
    monkeypatch.setattr(retryhandler, "delay_exponential", lambda *args, **kwargs: 0)
    monkeypatch.setattr(crt_client, "pause", lambda tries: 0)
    return proxy


@pytest.fixture
def moving(product: Product, proxy: Proxy, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flow]:
    """With rows and objects, and both engines in turn."""
    product.seed(*KEYS)
    declaration = product.declaration.model_copy(update={"engine": engine})
    with shared_clients(declaration, monkeypatch) as hooks:
        yield Flow(declaration, hooks)


def of(bucket: str, operation: str = "ListObjectsV2") -> Any:
    return lambda request: request.operation == operation and f"/{bucket}" in request.target


def cut_short(request: Request, forward: Forward) -> Answer:
    """Two of the objects, and no way to the others."""
    got = forward(request)
    found = re.findall(rb"<Contents>.*?</Contents>", got.body)
    body = re.sub(rb"<Contents>.*</Contents>", b"".join(found[:2]), got.body)
    return replace(got, body=body.replace(b"<IsTruncated>false", b"<IsTruncated>true"))


@pytest.mark.parametrize("step", ["list", "verify", "reconcile"])
def test_nothing_is_concluded_from_half_a_listing(product: Product, moving: Flow, proxy: Proxy, step: str) -> None:
    legacy = product.bucket("legacy")

    def break_off() -> None:
        proxy.fault(of(legacy), cut_short)

    says = f"the listing of s3://{legacy}/image/ breaks off after"
    if step == "list":
        moving.begin()
        break_off()
        with pytest.raises(StoreRetryable, match=says) as broken:
            moving.list()
        assert "Nothing was concluded from it" in str(broken.value)
        assert "Fix: " in str(broken.value)
        assert product.objects("production") == {}
    else:
        moving.attempt(Mode.SWITCH if step == "verify" else Mode.MOVE, **{f"before_{step}": break_off})
        assert isinstance(moving.red[step, 0], StoreRetryable)
        assert says in str(moving.red[step, 0])
    proxy.heal()
    lapse(product)
    assert moving.run().states == {"moved": len(KEYS)}
    assert product.rows() == [key.replace("image", "avatar") for key in KEYS]


@pytest.mark.parametrize("code", ERRORS)
@pytest.mark.parametrize("side", ["legacy", "production"])
@pytest.mark.parametrize("step", ["list", "verify"])
def test_no_refusal_leaves_a_step_without_a_word_of_what_to_do(
    product: Product, moving: Flow, proxy: Proxy, step: str, side: str, code: str
) -> None:
    status, error = ERRORS[code]
    moving.begin()
    refuse = faults.answer(status, code)
    for operation in ("ListObjectsV2", "HeadObject"):
        proxy.fault(of(product.bucket(side), operation), refuse)
    if step == "verify":
        proxy.heal()
        moving.copy()
        moving.switch()
        for operation in ("ListObjectsV2", "HeadObject"):
            proxy.fault(of(product.bucket(side), operation), refuse)
    with pytest.raises(error, match=f"{code}|{status}") as refused:
        getattr(moving, step)()
    for part in (f"Migration avatars, {step}: ", f"s3://{product.bucket(side)}/", "Fix: ", "docs/runbook.md"):
        assert part in str(refused.value)


@pytest.mark.parametrize("bad", ["%00", "%E9"], ids=["U+0000", "no UTF-8"])
def test_a_key_that_cannot_be_stored_fails_alone_and_stays(
    product: Product, moving: Flow, proxy: Proxy, bad: str
) -> None:
    product.put("legacy", "image/odd.png", b"odd")

    def odd(request: Request, forward: Forward) -> Answer:
        got = forward(request)
        return replace(got, body=re.sub(rb"image(/|%2F)odd", rb"image\1o" + bad.encode() + b"d", got.body))

    proxy.fault(of(product.bucket("legacy")), odd)
    for _ in range(2):  # and every night, until a person knows of it
        account = moving.attempt()
        assert account.problems["failed"] == 1
        (named,) = [str(error) for step, error in moving.red.items() if step == ("copy", 1)]
        assert "KeyNotStorable" in named
        assert f"'image/o{bad}d.png'" in named
        assert set(product.objects("legacy")) == {"image/odd.png"}
    assert product.rows() == [key.replace("image", "avatar") for key in KEYS]
    (failed,) = [key for key, problem in product.problems().items() if problem]
    account = moving.run(acknowledge={failed: "nobody names it"})
    assert account.acknowledged == 1


def test_the_account_counts_what_was_retried_and_why(product: Product, moving: Flow, proxy: Proxy) -> None:
    copies = faults.answer(503, "SlowDown")
    proxy.fault(lambda request: request.operation == "CopyObject" and "canary" not in request.key, copies, times=2)
    proxy.fault(of(product.bucket("legacy")), faults.answer(429, "TooManyRequests"), times=1)
    account = moving.attempt()
    assert account.requests["CopyObject 503 SlowDown"] == 2
    assert "2 CopyObject 503 SlowDown" in account.as_text()
    assert account.states == {"moved": len(KEYS)}

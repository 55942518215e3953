"""verify: checksum: nothing is deleted whose bytes were not proven, and a copy of other bytes is found."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

from s3_migration.model.modes import Mode
from s3_migration.s3.hook import BulkS3Hook
from s3_migration.steps.preflight.errors import PreflightFailed
from tests.support import proxy as faults
from tests.support.flow import Flow, Killed, shared_clients
from tests.support.product import Product
from tests.support.proxy import Answer, Forward, Proxy, Request

MIB = 1024 * 1024
KEYS = tuple(f"image/{number}.png" for number in range(6))
BAD = "image/3.png"


@pytest.fixture
def proving(
    product: Product, proxy: Proxy, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Flow]:
    declared = {"verify": "checksum", **getattr(request, "param", {})}
    declaration = product.declaration.model_copy(update=declared)
    with shared_clients(declaration, monkeypatch) as hooks:
        yield Flow(declaration, hooks)


def corrupts(product: Product, key: str = BAD) -> tuple[Any, faults.Fault]:
    """A store that makes the copy of one object of other bytes, as many of them, and says that all is well."""

    wanted = product.declaration.keys.production_key(key)

    def fault(request: Request, forward: Forward) -> Answer:
        size = product.s3.head_object(Bucket=product.bucket("legacy"), Key=key)["ContentLength"]
        etag = product.put("production", wanted, b"?" * size)
        told = f"<ETag>{etag}</ETag><LastModified>{datetime.now(timezone.utc).isoformat()}</LastModified>"
        return Answer(
            200, [("Content-Type", "application/xml")], f"<CopyObjectResult>{told}</CopyObjectResult>".encode()
        )

    return lambda request: request.operation == "CopyObject" and request.key == wanted, fault


def corrupt(product: Product, key: str = BAD) -> None:
    """The copy has other bytes, as many of them, under the ETag and time that the ledger knows: bit rot, say."""
    size = product.s3.head_object(Bucket=product.bucket("legacy"), Key=key)["ContentLength"]
    copy = product.declaration.keys.production_key(key)
    etag = product.put("production", copy, b"?" * size)
    product.sql(
        "UPDATE s3_migration.ledger SET production_etag = %s, production_modified = now() WHERE legacy_key = %s",
        etag,
        key,
    )


def test_all_are_proven_by_checksum_and_the_account_says_so(product: Product, proving: Flow) -> None:
    product.seed(*KEYS)
    account = proving.run()
    assert (account.proven, account.deleted) == ({"checksum": 6}, 6)
    assert "bytes proven   6 by checksum" in account.as_text()
    assert proving.run().proven == {}, "once is enough"


@pytest.mark.parametrize("how", ["by the copy", "after it"])
def test_a_corrupted_copy_of_equal_size_is_found_and_nothing_is_deleted(
    product: Product, proxy: Proxy, proving: Flow, how: str
) -> None:
    product.seed(*KEYS)
    if how == "by the copy":
        proxy.fault(*corrupts(product))
        proving.attempt()
    else:
        proving.attempt(before_verify=lambda: corrupt(product))
    assert set(product.objects("legacy")) == set(KEYS)
    assert product.problems()[BAD] == "damaged"
    said = str(proving.red[("verify", 0)])
    assert f"damaged: '{BAD}': CRC" in said
    assert " of legacy is " in said
    # Whoever clears it, and the next night, copies it anew; while the cause lasts it is found again.
    if how == "by the copy":
        proving.attempt()
        assert product.problems()[BAD] == "damaged"
        assert BAD in product.objects("legacy")
        proxy.heal()
    proving.clear_failed()
    assert product.objects("legacy") == {}
    assert set(product.problems().values()) == {None}
    assert product.body("production", "avatar/3.png") == f"body of {BAD}".encode()


def test_a_person_may_repair_it_in_place(product: Product, proxy: Proxy, proving: Flow) -> None:
    product.seed(*KEYS)
    proving.attempt(before_verify=lambda: corrupt(product))
    product.put("production", "avatar/3.png", f"body of {BAD}".encode())
    proving.clear_failed()
    assert product.objects("legacy") == {}
    assert product.sql("SELECT count(*) FROM s3_migration.ledger WHERE bytes_proven") == [(6,)]


def test_no_look_at_the_listings_makes_it_well(product: Product, proxy: Proxy, proving: Flow) -> None:
    """Written again as it is, for the sake of a header say: the ETag is the one that is known, the time a later one."""
    product.seed(*KEYS)

    def again() -> None:
        time.sleep(1.1)
        product.put("production", "avatar/3.png", b"?" * len(f"body of {BAD}"))

    account = proving.attempt(before_verify=lambda: corrupt(product), before_reconcile=again)
    assert account.problems["damaged"] == 1
    assert product.problems()[BAD] == "damaged"
    # Nor does it go once nobody asks for checksums any more: it is copied anew.
    flow = Flow(proving.declaration.model_copy(update={"verify": "list"}), proving.hooks)
    account = flow.run()
    assert (account.copied, product.objects("legacy")) == (1, {})
    assert product.body("production", "avatar/3.png") == f"body of {BAD}".encode()


def test_one_that_nobody_may_look_at_holds_up_no_other(product: Product, proxy: Proxy, proving: Flow) -> None:
    product.seed(*KEYS)

    def of_bad(request: Request) -> bool:
        return request.key == BAD and "x-amz-checksum-mode" in request.headers

    proxy.fault(of_bad, faults.answer(403, "AccessDenied"))
    account = proving.attempt()
    assert (account.proven, account.deleted, set(product.objects("legacy"))) == ({"checksum": 5}, 5, {BAD})
    assert f"copied: '{BAD}': its bytes are not proven: " in str(proving.red[("delete", 1)])
    assert "403" in str(proving.red[("delete", 1)])
    proxy.heal()
    proving.clear_failed()
    assert product.objects("legacy") == {}


def test_what_is_fetched_is_written_down_as_it_comes(
    product: Product, proxy: Proxy, proving: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s3_migration.steps.checksums.FETCHED_TOGETHER", 1)
    for key in KEYS:
        product.put("legacy", key, b"x" * (MIB + 1))
    product.row(*KEYS)
    for hook in proving.hooks:
        hook.copy_limit, hook.part_size = MIB, 5 * MIB
    proxy.fault("HeadObject", faults.without_checksums)
    proxy.fault(lambda request: request.method == "GET" and request.key == BAD, faults.cut_midway, times=2)
    proxy.fault(
        lambda request: request.method == "GET" and request.key == KEYS[4], faults.answer(403, "InvalidObjectState")
    )
    account = proving.attempt()
    assert (account.proven, set(product.objects("legacy"))) == ({"bytes": 5}, {KEYS[4]})
    assert "InvalidObjectState" in str(proving.red[("delete", 1)])


def test_without_it_such_a_copy_passes(product: Product, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the option is for: neither size nor ETag nor time tell."""
    product.seed(*KEYS)
    proxy.fault(*corrupts(product))
    with shared_clients(product.declaration, monkeypatch) as hooks:
        account = Flow(product.declaration, hooks).run()
    assert (account.deleted, account.proven) == (6, {})


@pytest.mark.parametrize("proving", [{"checksum_share": 0.5}], indirect=True)
def test_of_a_share_always_the_same_objects_are_asked(product: Product, proxy: Proxy, proving: Flow) -> None:
    keys = [f"image/{number:03}.png" for number in range(60)]
    product.seed(*keys)
    account = proving.run()
    assert account.deleted == 60
    assert 15 < account.proven["checksum"] < 45
    again = product.sql(
        "SELECT count(*) FROM s3_migration.ledger WHERE bytes_proven"
        " AND (hashtextextended(legacy_key, 0) & 65535) < 32768"
    )
    assert again == [(account.proven["checksum"],)]


def test_where_a_side_has_none_equal_etags_do_or_else_all_bytes(product: Product, proxy: Proxy, proving: Flow) -> None:
    """The copy of the larger one is made of parts, so that its ETag is another."""
    product.seed(*KEYS[:2])
    product.put("legacy", "image/large", b"x" * (MIB + 1))
    product.row("image/large")
    for hook in proving.hooks:
        hook.copy_limit, hook.part_size = MIB, 5 * MIB
    proxy.fault("HeadObject", faults.without_checksums)
    account = proving.run()
    assert (account.proven, account.deleted) == ({"ETag": 2, "bytes": 1}, 3)


def test_other_bytes_are_found_without_checksums_too(product: Product, proxy: Proxy, proving: Flow) -> None:
    product.seed(*KEYS)
    proxy.fault("HeadObject", faults.without_checksums)
    proving.attempt(before_verify=lambda: corrupt(product))
    assert product.problems()[BAD] == "damaged"
    assert "all bytes of both were fetched, and differ" in str(proving.red[("verify", 0)])
    assert set(product.objects("legacy")) == set(KEYS)


def test_where_checksums_agree_no_bytes_are_fetched(product: Product, proxy: Proxy, proving: Flow) -> None:
    """Production holds the content before the run, in parts: size and checksum agree, and the ETags do not."""
    body = b"y" * (MIB + 1)
    product.put("legacy", "image/large", body, ChecksumAlgorithm="CRC64NVME")
    product.row("image/large")
    bucket = product.bucket("production")
    product.s3.put_object(Bucket=bucket, Key="avatar/large", Body=body, ChecksumAlgorithm="CRC64NVME")
    etags = {"avatar/large": '"0123456789abcdef0123456789abcdef-2"'}

    def in_parts(request: Request, forward: Forward) -> Answer:
        """As if it had been uploaded in parts; the store's own ETag is asked for in its place."""
        got = forward(request)
        shown = product.objects("production")["avatar/large"]
        headers = [(name, etags["avatar/large"] if name.lower() == "etag" else value) for name, value in got.headers]
        return replace(
            got, headers=headers, body=got.body.replace(shown.encode(), etags["avatar/large"].strip('"').encode())
        )

    at_large = lambda request: request.key == "avatar/large" and request.method == "HEAD"  # noqa: E731
    proxy.fault(at_large, in_parts)
    proxy.fault(lambda request: request.operation == "ListObjectsV2" and bucket in request.target, in_parts)
    account = proving.attempt()
    assert (account.already_there, proxy.seen["GetObject"]) == (1, 0)
    assert account.proven == {"checksum": 1}


def test_a_plan_says_how_many_have_no_checksum(
    product: Product, proxy: Proxy, proving: Flow, caplog: pytest.LogCaptureFixture
) -> None:
    product.seed(*KEYS)
    proxy.fault("HeadObject", faults.without_checksums)
    account = proving.run(Mode.PLAN)
    assert account.sample == {"no checksum": 6}
    assert account.forecast["requests"]["HEAD"] == 12
    assert "6 of 6 objects looked at have no checksum over the whole object: in its place" in caplog.text


def test_killed_in_the_middle_it_goes_on(product: Product, proving: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s3_migration.steps.checksums.BATCH", 2)
    product.seed(*KEYS)
    proving.begin()
    proving.copy()
    proving.switch()
    look, asked = BulkS3Hook.look, []

    def dies(hook: BulkS3Hook, bucket: str, keys: Any) -> Any:
        asked.append(list(keys))
        if len(asked) == 4:
            raise Killed
        return look(hook, bucket, keys)

    monkeypatch.setattr(BulkS3Hook, "look", dies)
    with pytest.raises(Killed):
        proving.verify()
    assert product.sql("SELECT count(*) FROM s3_migration.ledger WHERE bytes_proven") == [(2,)]
    asked.clear()
    monkeypatch.setattr(BulkS3Hook, "look", look)
    proving.verify()
    proving.gate()
    proving.delete()
    assert product.objects("legacy") == {}


@pytest.mark.parametrize("side", ["legacy", "production"])
def test_what_is_rewritten_under_the_look_is_left_to_the_next_proof(
    product: Product, proxy: Proxy, proving: Flow, side: str
) -> None:
    product.seed(*KEYS)
    key = BAD if side == "legacy" else "avatar/3.png"

    def rewrite() -> None:
        product.put(side, key, f"newer of {BAD}".encode())

    def of_key(request: Request) -> bool:
        return request.method == "HEAD" and request.key == key and "x-amz-checksum-mode" in request.headers

    proxy.fault(of_key, faults.before(rewrite), times=1)
    proving.attempt()
    proving.attempt()
    if side == "legacy":
        assert product.objects("legacy") == {}
        assert product.body("production", "avatar/3.png") == f"newer of {BAD}".encode()
    else:
        assert product.problems()[BAD] == "superseded"
        assert set(product.objects("legacy")) == {BAD}


def test_a_busy_store_is_asked_again(product: Product, proxy: Proxy, proving: Flow) -> None:
    product.seed(*KEYS)
    checksums = lambda request: "x-amz-checksum-mode" in request.headers  # noqa: E731
    proxy.fault(checksums, faults.slow_down, times=3)
    assert proving.run().proven == {"checksum": 6}


def test_a_right_that_checksums_need_is_asked_for_at_once(product: Product, proxy: Proxy, proving: Flow) -> None:
    """Of objects that are encrypted with a KMS key: kms:Decrypt."""
    product.seed(*KEYS)
    checksums = lambda request: "x-amz-checksum-mode" in request.headers  # noqa: E731
    proxy.fault(checksums, faults.answer(403, "AccessDenied"))
    with pytest.raises(PreflightFailed, match="allow s3:GetObject, kms:Decrypt of the bucket's key"):
        proving.begin()

"""The same content, written again with other properties after it was copied: they arrive in production, or are kept."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest

from tests.support.connections import connect_s3
from tests.support.flow import Flow
from tests.support.product import Product

KEY, COPY = "image/a.png", "avatar/a.png"


def copy_onto_itself(product: Product) -> None:
    """As an application that corrects a Content-Type does: neither content nor ETag change."""
    time.sleep(1.1)  # a store that tells whole seconds shows another time
    bucket = product.bucket("legacy")
    product.s3.copy_object(
        Bucket=bucket,
        Key=KEY,
        CopySource={"Bucket": bucket, "Key": KEY},
        MetadataDirective="REPLACE",
        ContentType="image/png",
        CacheControl="max-age=60",
        Metadata={"owner": "ava"},
    )


def properties(product: Product, side: str, key: str) -> tuple[Any, ...]:
    head = product.s3.head_object(Bucket=product.bucket(side), Key=key)
    return head.get("ContentType"), head.get("CacheControl"), head["Metadata"]


RIGHT = ("image/png", "max-age=60", {"owner": "ava"})


@pytest.mark.parametrize("moment", ["switch", "verify", "gate", "delete"])
def test_new_properties_of_the_same_content_arrive(product: Product, flow: Flow, moment: str) -> None:
    product.seed(KEY, "image/other.png")
    flow.run(**{f"before_{moment}": lambda: copy_onto_itself(product)})
    assert properties(product, "production", COPY) == RIGHT
    if moment in {"gate", "delete"}:  # copied anew after its proof: its rows are asked about again first
        assert set(product.objects("legacy")) == {KEY}
        flow.run()
    assert product.objects("legacy") == {}
    assert properties(product, "production", COPY) == RIGHT


def test_between_two_nights_too(product: Product, flow: Flow) -> None:
    product.seed(KEY)
    flow.run(grace_period=timedelta(hours=1))
    copy_onto_itself(product)
    account = flow.run(grace_period=timedelta(hours=1))
    assert (account.copied, account.states) == (1, {"waiting": 1})
    assert properties(product, "production", COPY) == RIGHT
    account = flow.run(grace_period=timedelta(hours=1))
    assert account.copied == 0, "once is enough"


def tag(product: Product, side: str, key: str, **tags: str) -> None:
    product.s3.put_object_tagging(
        Bucket=product.bucket(side),
        Key=key,
        Tagging={"TagSet": [{"Key": name, "Value": value} for name, value in tags.items()]},
    )


@pytest.mark.declared(compare="head")
def test_tags_that_came_after_the_copy_are_noticed_on_request(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect_s3(monkeypatch, product.endpoint_url, "comparing")
    product.seed(KEY, "image/other.png")
    account = flow.run(before_delete=lambda: tag(product, "legacy", KEY, owner="ava"))
    assert account.states == {"moved": 1, "waiting": 1}
    found = product.s3.get_object_tagging(Bucket=product.bucket("production"), Key=COPY)["TagSet"]
    assert found == [{"Key": "owner", "Value": "ava"}]
    flow.run()
    assert product.objects("legacy") == {}


@pytest.mark.declared(compare="head")
def test_tags_that_may_not_be_seen_are_not_taken_for_none(product: Product, flow: Flow) -> None:
    """The rights are those for compare: list, with which AWS shows no number of production's tags."""
    product.seed(KEY)
    flow.attempt(before_delete=lambda: tag(product, "legacy", KEY, owner="ava"))
    assert "GetObjectTagging: AccessDenied" in str(flow.red["delete", 1])
    assert set(product.objects("legacy")) == {KEY}


@pytest.mark.declared(compare="head")
def test_what_never_becomes_the_same_keeps_its_object_and_is_named(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store whose copies lose a header. A fake: no server here loses one."""
    product.seed("image/other.png")
    product.put("legacy", KEY, ContentType="image/png")
    product.row(KEY)
    hook = flow.hooks[0]
    shown = type(hook).shown_properties

    def lossy(self: Any, bucket: str, keys: list[str]) -> list[dict[str, str] | None]:
        found = shown(self, bucket, keys)
        if bucket == product.bucket("production"):
            for each in found:
                if each is not None:
                    each.pop("content-type", None)
        return found

    monkeypatch.setattr(type(hook), "shown_properties", lossy)
    account = flow.attempt()
    assert account.states == {"changed": 2}
    assert "content-type: legacy has 'image/png', the copy None" in str(flow.red["delete", 1])
    assert KEY in product.objects("legacy")

"""Copies as declared, through all steps; what check refuses of them; what a plan says of legacy before one is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from devstack.postgres import Postgres
from s3_migration.model.modes import Mode
from s3_migration.s3 import properties
from s3_migration.steps.preflight.errors import PreflightFailed
from tests.support import proxy as faults
from tests.support.connections import connect_s3
from tests.support.flow import Flow, shared_clients
from tests.support.moto_server import made_moto
from tests.support.product import Product, made_product
from tests.support.proxy import Answer, Forward, Proxy, Request

KEYS = ("image/a.png", "image/b.PNG", "image/c.gif")
KMS_KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@contextmanager
def declared(product: Product, monkeypatch: pytest.MonkeyPatch, **fields: Any) -> Iterator[Flow]:
    """Runs whose copies are declared so."""
    production = {**product.declaration.production.model_dump(), **fields.pop("production", {})}
    whole = {**product.declaration.model_dump(mode="json"), "production": production, **fields}
    declaration = type(product.declaration).model_validate(whole)
    with shared_clients(declaration, monkeypatch) as hooks:
        yield Flow(declaration, hooks)


def shown(product: Product, key: str) -> tuple[Any, ...]:
    head = product.s3.head_object(Bucket=product.bucket("production"), Key=key)
    return head.get("StorageClass"), head.get("CacheControl"), head.get("ContentType"), head["Metadata"]


@pytest.mark.parametrize("compare", ["list", "head"])
def test_copies_have_what_is_declared_and_the_second_run_finds_nothing_to_do(
    product: Product, monkeypatch: pytest.MonkeyPatch, compare: str
) -> None:
    for key in KEYS:
        product.put("legacy", key, key.encode(), CacheControl="old", ContentType="binary/x", Metadata={"owner": "Ava"})
    product.row(*KEYS)
    settings = {"storage_class": "STANDARD_IA", "cache_control": "max-age=60", "content_type": {".png": "image/png"}}
    with declared(product, monkeypatch, production=settings, compare=compare) as flow:
        account = flow.run()
        assert (account.copied, account.deleted, account.states) == (3, 3, {"moved": 3})
        owned = {"owner": "Ava"}
        assert shown(product, "avatar/a.png") == ("STANDARD_IA", "max-age=60", "image/png", owned)
        assert shown(product, "avatar/b.PNG") == ("STANDARD_IA", "max-age=60", "image/png", owned)
        assert shown(product, "avatar/c.gif") == ("STANDARD_IA", "max-age=60", "binary/x", owned)
        account = flow.run()
    assert (account.copied, account.deleted) == (0, 0)


def test_what_differs_beside_what_is_declared_is_found_all_the_same(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.seed("image/a.png")

    def tag() -> None:
        product.s3.put_object_tagging(
            Bucket=product.bucket("legacy"), Key="image/a.png", Tagging={"TagSet": [{"Key": "team", "Value": "a"}]}
        )

    connect_s3(monkeypatch, product.endpoint_url, "comparing")
    with declared(product, monkeypatch, production={"cache_control": "max-age=60"}, compare="head") as flow:
        flow.run(before_delete=tag)
        assert set(product.objects("legacy")) == {"image/a.png"}
        flow.run()
    assert product.objects("legacy") == {}
    got = product.s3.get_object_tagging(Bucket=product.bucket("production"), Key="avatar/a.png")
    assert got["TagSet"] == [{"Key": "team", "Value": "a"}]


# -- what check refuses -------------------------------------------------------------------------------------------


def refusal(code: str, status: int = 400) -> faults.Fault:
    """As S3 answers the canary's copy. No server here refuses these by itself."""
    return faults.answer(status, code)


@pytest.mark.parametrize(
    ("production", "fault", "says"),
    [
        (
            {"acl": "public-read"},
            refusal("AccessControlListNotSupported"),
            ["AccessControlListNotSupported", "remove production.acl from the declaration", "Object Ownership"],
        ),
        (
            {"acl": "public-read"},
            refusal("AccessDenied", 403),
            ["allow s3:GetObject on", "s3:PutObjectAcl", "Block Public"],
        ),
        (
            {"storage_class": "NO_SUCH_CLASS"},
            refusal("InvalidStorageClass"),
            ["correct production.storage_class", "'NO_SUCH_CLASS'"],
        ),
        ({"kms_key_id": KMS_KEY}, refusal("KMS.NotFoundException"), ["correct production.kms_key_id", KMS_KEY]),
        ({"kms_key_id": KMS_KEY}, refusal("KMS.DisabledException"), ["an enabled key of the bucket's region"]),
        ({"kms_key_id": KMS_KEY}, refusal("AccessDenied", 403), ["kms:GenerateDataKey and kms:Decrypt of " + KMS_KEY]),
    ],
    ids=["ACLs disabled", "no right to an ACL", "no such class", "no such key", "disabled key", "no right to the key"],
)
def test_what_the_store_refuses_is_said_before_anything_is_touched(
    product: Product,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
    production: dict[str, str],
    fault: faults.Fault,
    says: list[str],
) -> None:
    product.seed(*KEYS)
    before = product.objects("legacy")
    proxy.fault("CopyObject", fault)
    with declared(product, monkeypatch, production=production) as flow, pytest.raises(PreflightFailed) as refused:
        flow.begin()
    for part in ["Migration avatars: cannot copy s3://", "No object was touched. Fix: ", *says]:
        assert part in str(refused.value)
    assert (product.objects("legacy"), product.objects("production")) == (before, {})


def test_a_key_of_another_region(product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    key = KMS_KEY.replace("us-east-1", "eu-central-1")
    with (
        declared(product, monkeypatch, production={"kms_key_id": key}) as flow,
        pytest.raises(PreflightFailed) as refused,
    ):
        flow.begin()
    assert "production.kms_key_id is a key of region eu-central-1" in str(refused.value)
    assert "is in us-east-1" in str(refused.value)
    assert "Fix: declare a key of us-east-1." in str(refused.value)


@pytest.mark.parametrize(
    ("production", "header", "says"),
    [
        # SeaweedFS takes it, and the copy is private: the product would show nothing to anybody.
        ({"acl": "public-read"}, "", "none of them public"),
        ({"storage_class": "STANDARD_IA"}, "x-amz-storage-class", "x-amz-storage-class: STANDARD"),
        ({"kms_key_id": KMS_KEY}, "x-amz-server-side-encryption", "x-amz-server-side-encryption: None"),
        ({"cache_control": "no-cache"}, "cache-control", "cache-control: None"),
    ],
    ids=["ACL", "class", "key", "cache"],
)
def test_a_store_that_ignores_it_is_refused(
    product: Product,
    proxy: Proxy,
    monkeypatch: pytest.MonkeyPatch,
    production: dict[str, str],
    header: str,
    says: str,
) -> None:
    product.seed(*KEYS)
    connect_s3(monkeypatch, proxy.endpoint_url, "admin")  # who may see the ACL of the canary
    if header:
        proxy.fault("CopyObject", faults.without(header, f"{header}-aws-kms-key-id"))
    with declared(product, monkeypatch, production=production) as flow, pytest.raises(PreflightFailed) as refused:
        flow.begin()
    (field,) = production
    for part in (f"ignores production.{field}", says, f"Fix: remove production.{field}"):
        assert part in str(refused.value)
    assert product.objects("production") == {}


# -- what a plan says ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def moto_url() -> Iterator[str]:
    with made_moto() as url:
        yield url


@pytest.fixture
def on_moto(postgres: Postgres, moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Product]:
    """moto shows classes, ACLs and encryption, which SeaweedFS hides or keeps otherwise than S3."""
    store: Any = SimpleNamespace(endpoint_url=moto_url)
    with made_product(postgres, store, monkeypatch) as made:
        yield made


ANNOTATED = b"""<?xml version="1.0" encoding="UTF-8"?>
<ListObjectAnnotationsOutput><Annotations><AnnotationEntry><AnnotationName>caption</AnnotationName><Size>3</Size>
</AnnotationEntry></Annotations></ListObjectAnnotationsOutput>"""


def annotations_of(key: str) -> faults.Fault:
    """As AWS's model of the request says; no server here knows them, so the proxy answers for all."""

    def fault(request: Request, forward: Forward) -> Answer:
        body = ANNOTATED if request.key == key else b"<ListObjectAnnotationsOutput></ListObjectAnnotationsOutput>"
        return Answer(200, [("Content-Type", "application/xml")], body)

    return fault


def mixed(product: Product) -> None:
    put: Callable[..., object] = product.put
    put("legacy", "image/plain.png")
    put("legacy", "image/public.png", ACL="public-read")
    put("legacy", "image/tagged.png", Tagging="team=a")
    put("legacy", "image/kms.png", ServerSideEncryption="aws:kms", SSEKMSKeyId=KMS_KEY)
    put("legacy", "image/rare.png", StorageClass="STANDARD_IA")
    put("legacy", "image/annotated.png")
    put("legacy", "image/redirected.png", WebsiteRedirectLocation="/elsewhere.png")
    put("legacy", "image/cold.png", StorageClass="GLACIER")
    put("legacy", "image/colder.png", StorageClass="DEEP_ARCHIVE")


def test_a_plan_names_every_class_acl_tag_and_archived_object_before_anything_is_copied(
    on_moto: Product, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    mixed(on_moto)
    monkeypatch.setattr(properties, "_WITH_ANNOTATIONS", properties.re.compile("http"))
    with Proxy(on_moto.endpoint_url) as proxy:
        connect_s3(monkeypatch, proxy.endpoint_url)
        proxy.fault("ListObjectAnnotations", annotations_of("image/annotated.png"))

        def tiered(request: Request, forward: Forward) -> Answer:
            got = forward(request)
            return replace(got, headers=[*got.headers, ("x-amz-archive-status", "ARCHIVE_ACCESS")])

        proxy.fault(lambda request: request.operation == "HeadObject" and request.key == "image/rare.png", tiered)
        with declared(on_moto, monkeypatch) as flow:
            account = flow.run(Mode.PLAN)
        assert proxy.seen["CopyObject"] == 0
    assert account.classes == {"STANDARD": 6, "STANDARD_IA": 1, "GLACIER": 1, "DEEP_ARCHIVE": 1}
    assert account.sampled == 9
    assert account.sample == {
        "ACL": 1,
        "storage class": 3,
        "encryption": 1,
        "archived: cannot be copied before it is restored": 3,
        "tags": 1,
        "annotations": 1,
        "website redirect": 1,
    }
    for said in (
        "2 objects are archived (1 GLACIER, 1 DEEP_ARCHIVE): S3 refuses to copy them until they are restored, "
        "e.g. 'image/cold.png', 'image/colder.png'",
        "1 of 9 objects looked at have what their copies will not have: ACL (copies: private, or as declared)",
        "3 of 9 objects looked at have what their copies will not have: storage class (copies: STANDARD",
        "1 of 9 objects looked at have what copies keep: annotations (copies need s3:GetObjectAnnotation",
    ):
        assert said in caplog.text
    assert "1 DEEP_ARCHIVE, 1 GLACIER, 6 STANDARD, 1 STANDARD_IA" in account.as_text()


def test_a_plan_counts_against_what_is_declared(on_moto: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    mixed(on_moto)
    settings = {"acl": "public-read", "storage_class": "STANDARD_IA", "kms_key_id": KMS_KEY, "cache_control": "x"}
    with declared(on_moto, monkeypatch, production=settings) as flow:
        account = flow.run(Mode.PLAN)
    counted = {name: account.sample[name] for name in ("ACL", "storage class", "encryption", "cache-control")}
    # moto tells no ACL of the two that are archived.
    assert account.forecast["requests"]["HEAD"] == 9
    assert counted == {"ACL": 6, "storage class": 8, "encryption": 8, "cache-control": 9}


def test_a_plan_says_what_it_may_not_see(
    product: Product, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    product.seed(*KEYS)
    proxy.fault("GetObjectAcl", faults.answer(403, "AccessDenied"))
    with declared(product, monkeypatch) as flow:
        account = flow.run(Mode.PLAN)
    assert account.sample == {}
    assert "of 3 of 3 objects nobody may see the ACL (s3:GetObjectAcl: AccessDenied)" in caplog.text


def test_what_was_restored_from_an_archive_can_be_copied(
    product: Product, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.seed("image/a.png")

    def restored(request: Request, forward: Forward) -> Answer:
        got = forward(request)
        shown = [("x-amz-storage-class", "GLACIER"), ("x-amz-restore", 'ongoing-request="false", expiry-date="x"')]
        return replace(got, headers=[*got.headers, *shown])

    proxy.fault("HeadObject", restored)
    with declared(product, monkeypatch) as flow:
        account = flow.run(Mode.PLAN)
    assert account.sample == {"storage class": 1}

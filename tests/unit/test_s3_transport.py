"""What sends the bulk of the requests: as boto3 would, to where boto3 would, and no more than the store takes."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import time
from collections import Counter
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.credentials import Credentials, ReadOnlyCredentials
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from devstack.s3 import SeaweedFS
from s3_migration.model.declaration import Engine
from s3_migration.model.objects import Version
from s3_migration.s3 import crt_client as crt
from s3_migration.s3.crt_connection import Endpoints, Signer, unfit
from s3_migration.s3.hook import BulkS3Hook
from s3_migration.s3.transport import Boto3Transport, CrtTransport
from s3_migration.s3.types import Copy
from tests.support import proxy as faults
from tests.support.connections import connect_s3
from tests.support.proxy import Proxy
from tests.support.stores import ATTEMPTS, KEY, TARGET, Stores, made_stores

CREDENTIALS = Credentials("key", "secret")


def aws(region: str = "eu-central-1", **config: Any) -> Any:
    return boto3.client(
        "s3", region_name=region, aws_access_key_id="key", aws_secret_access_key="secret", config=Config(**config)
    )


# -- which one ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({}, None),
        ({"signature_version": "s3v4"}, None),
        ({"proxies": {"https": "http://127.0.0.1:3128"}}, "proxy"),
        ({"client_cert": "/a/certificate.pem"}, "client certificate"),
        ({"signature_version": "s3"}, "signed by s3"),
    ],
)
def test_where_the_common_runtime_cannot_serve(config: dict[str, Any], says: str | None) -> None:
    why = unfit(aws(**config), CREDENTIALS)
    assert why == says or says in str(why)


def test_it_serves_nobody_without_credentials() -> None:
    assert "no credentials" in str(unfit(aws(), None))


def test_a_proxy_of_the_environment_is_left_to_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:3128")
    assert "proxy" in str(unfit(aws(), CREDENTIALS))


def test_the_engine_can_be_declared(stores: Stores) -> None:
    expected = Boto3Transport if stores.hook.engine is Engine.THREADS else CrtTransport
    assert type(stores.hook.transport) is expected


# -- as boto3 would -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("client", "endpoint"),
    [
        (aws(), ("a-bucket.s3.eu-central-1.amazonaws.com", "")),
        (aws(s3={"addressing_style": "path"}), ("s3.eu-central-1.amazonaws.com", "/a-bucket")),
        (aws(s3={"use_dualstack_endpoint": True}), ("a-bucket.s3.dualstack.eu-central-1.amazonaws.com", "")),
        (aws("cn-north-1"), ("a-bucket.s3.cn-north-1.amazonaws.com.cn", "")),
    ],
)
def test_a_bucket_is_asked_where_boto3_asks_it(client: Any, endpoint: tuple[str, str]) -> None:
    url = Endpoints(client).of("a-bucket")
    assert (url.netloc, url.path) == endpoint


class Expiring:
    """Credentials that are others whenever they are asked for, as those of an assumed role in the end."""

    def __init__(self, *given: ReadOnlyCredentials) -> None:
        self.given = list(given)

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        return self.given.pop(0) if len(self.given) > 1 else self.given[0]


def signer(stores: Stores) -> Signer:
    transport = stores.hook.transport
    assert isinstance(transport, CrtTransport)
    return transport.client._signer


def test_credentials_are_asked_for_whenever_a_request_is_signed(
    runtime: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = runtime.put()
    runtime.copy(version, target="avatar/first")  # which asks for more than the copy
    runtime.proxy.clear()
    expiring = Expiring(
        ReadOnlyCredentials("migrator", "secret", None),
        ReadOnlyCredentials("admin", "wrong", None),
        ReadOnlyCredentials("admin", "secret", None),
    )
    monkeypatch.setattr(signer(runtime), "_credentials", expiring)
    results = [runtime.copy(version, target=f"avatar/{number}") for number in range(3)]
    assert [result.code for result in results] == ["", "SignatureDoesNotMatch", ""]
    copies = [request for request in runtime.proxy.requests if request.operation == "CopyObject"]
    signed_by = [request.headers["authorization"] for request in copies]
    assert ["migrator" in signed_by[0], "admin" in signed_by[1], "admin" in signed_by[2]] == [True] * 3


def test_a_session_token_is_sent(runtime: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    token = Expiring(ReadOnlyCredentials("migrator", "secret", "the token"))
    monkeypatch.setattr(signer(runtime), "_credentials", token)
    runtime.copy(Version(1, "e"))
    (request,) = [each for each in runtime.proxy.requests if each.operation == "CopyObject"]
    assert request.headers["x-amz-security-token"] == "the token"
    assert "x-amz-security-token" in request.headers["authorization"]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Of 127.0.0.1, signed by itself; its key lies beside it."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(key.private_bytes(pem, *plain))
    (tmp_path / "certificate.pem").write_bytes(made.public_bytes(pem))
    return tmp_path / "certificate.pem"


@pytest.mark.parametrize("engine_", list(Engine))
@pytest.mark.parametrize(("verify", "code"), [("trusted", ""), (False, ""), (None, "ConnectionError")])
def test_tls_as_the_connection_says(
    s3: SeaweedFS, certificate: Path, monkeypatch: pytest.MonkeyPatch, verify: Any, code: str, engine_: Engine
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    with made_stores(s3.endpoint_url, Engine.CRT) as stores, Proxy(s3.endpoint_url, context) as secure:
        connect_s3(monkeypatch, secure.endpoint_url.replace("http:", "https:"))
        trusted = str(certificate) if verify == "trusted" else verify
        hook = BulkS3Hook("legacy_s3", attempts=1, verify=trusted, engine=engine_)
        (result,) = hook.copy_objects(stores.legacy, stores.production, [Copy(KEY, TARGET, stores.put())])
        assert (result.code, stores.target()) == (code, None if code else b"body")
        hook.close()


# -- no more than the store takes ---------------------------------------------------------------------------------


def test_slow_down_narrows_the_window_and_answers_widen_it(stores: Stores) -> None:
    version, hook = stores.put(), stores.hook
    hook.window._limit, hook.window._cuts = 64.0, 0
    stores.proxy.fault("CopyObject", faults.slow_down, times=1)
    stores.copy(version)
    assert hook.window.limit == 32
    results = stores.copy_all(*(Copy(KEY, f"avatar/{number}", version) for number in range(200)))
    assert Counter(result.problem for result in results) == {None: 200}
    assert 33 <= hook.window.limit < 64
    assert hook.window.in_flight == 0


def test_what_gets_no_answer_is_given_up_and_sent_again(runtime: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    version = runtime.put()
    monkeypatch.setattr(crt, "TIMEOUT", 0.5)
    runtime.proxy.fault("CopyObject", faults.before(lambda: time.sleep(3)), times=1)
    assert runtime.copy(version).problem is None
    assert runtime.hook.take_requests()["CopyObject", "ConnectionError"] == 1


def test_no_more_than_the_declared_number_is_in_flight(stores: Stores) -> None:
    hook, version = stores.connect(**stores.options, requests_in_flight=4), stores.put()
    most, now = 0, 0

    def around(request: Any, forward: Any) -> Any:
        nonlocal most, now
        now += 1
        most = max(most, now)
        time.sleep(0.01)
        now -= 1
        return forward(request)

    stores.proxy.fault("CopyObject", around)
    copies = [Copy(KEY, f"avatar/{number}", version) for number in range(100)]
    assert len(list(hook.copy_objects(stores.legacy, stores.production, copies))) == 100
    assert 2 <= most <= 4
    hook.close()


def test_requests_are_sent_as_often_as_the_hook_is_told(runtime: Stores) -> None:
    runtime.proxy.fault("CopyObject", faults.slow_down)
    runtime.copy(Version(1, "e"))
    assert runtime.proxy.seen["CopyObject"] == ATTEMPTS

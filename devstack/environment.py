"""The environment of everything that the stack starts."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

# A person's own settings must not reach the stack: another Airflow's, an administrator's keys, a database's address.
# Without bytecode (PYTHONDONTWRITEBYTECODE) Airflow takes twice as long to start.
_NOT_OURS = ("AIRFLOW", "_AIRFLOW", "AWS_", "PG", "PYTHON", "WEED_")


def environment() -> dict[str, str]:
    """The person's environment, without what would change the stack."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_OURS)}
    kept |= _no_proxy()
    if sys.platform == "darwin":
        # Looking up the system's proxies kills a forked task on macOS.
        kept |= {"NO_PROXY": "*", "no_proxy": "*", "OBJC_DISABLE_INITIALIZE_FORK_SAFETY": "YES"}
        # So does PostgreSQL's client where it asks for Kerberos.
        kept["PGGSSENCMODE"] = "disable"
    return kept


def reach_loopback_directly() -> None:
    """Keep this process's HTTP clients off the person's proxy on the way to the stack."""
    os.environ.update(_no_proxy())


def _no_proxy() -> dict[str, str]:
    given = os.environ.get("NO_PROXY") or os.environ.get("no_proxy")
    value = ",".join(filter(None, [given, "127.0.0.1", "localhost"]))
    return {"NO_PROXY": value, "no_proxy": value}

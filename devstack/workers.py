"""Celery workers, each as on a machine of its own: nothing that one writes is there for another."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devstack.environment import ROOT
from devstack.processes import Process

_PROJECT = ("dags", "docs", "include", "plugins")
_NAME = "LOCAL_WORKER_NAME"


@dataclass(frozen=True)
class Worker:
    """One worker in `directory`: its copy of the project, its home, its logs and its temporary files."""

    name: str
    directory: Path

    @property
    def process(self) -> Process:
        return Process(self.name, self.directory)

    def start(self, environment: Mapping[str, str]) -> None:
        """Set its machine up again and start it, unless it runs."""
        if self.process.running():
            return
        self.process.stop(patience=0)
        shutil.rmtree(self.directory, ignore_errors=True)
        project, declarations, home, temporary = (
            self.directory / name for name in ("project", "declarations", "home", "tmp")
        )
        for part in _PROJECT:
            shutil.copytree(ROOT / part, project / part)
        shutil.copytree(environment.get("S3_MIGRATION_DECLARATIONS") or ROOT / "include" / "migrations", declarations)
        for folder in (home, temporary):
            folder.mkdir()
        (home / "airflow.cfg").touch()
        own = {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(project / "dags"),
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": f"{__name__}.hostname",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(project / "plugins"),
            "HOME": str(home),
            # ROOT: for the hostname below.
            "PYTHONPATH": ":".join(map(str, [project / "include", ROOT, *_more_paths(environment)])),
            "S3_MIGRATION_DECLARATIONS": str(declarations),
            "TMPDIR": str(temporary),
            _NAME: self.name,
        }
        # --skip-serve-logs: else a log server listens on all interfaces.
        command = [sys.executable, "-m", "airflow", "celery", "worker", "--skip-serve-logs"]
        self.process.start([*command, "--celery-hostname", self.name], {**environment, **own})


def _more_paths(environment: Mapping[str, str]) -> list[str]:
    """Where else than in the project it is to find modules."""
    return [path for path in environment.get("PYTHONPATH", "").split(":") if path not in {"", str(ROOT / "include")}]


def hostname() -> str:
    """What a worker's Airflow takes for the name of its machine."""
    return os.environ[_NAME]

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
        for part in _PROJECT:
            shutil.copytree(ROOT / part, self._project / part)
        given = environment.get("S3_MIGRATION_DECLARATIONS") or ROOT / "include" / "migrations"
        shutil.copytree(given, self._declarations)
        for folder in (self._home, self._temporary):
            folder.mkdir()
        (self._home / "airflow.cfg").touch()
        # --skip-serve-logs: else a log server listens on all interfaces.
        command = [sys.executable, "-m", "airflow", "celery", "worker", "--skip-serve-logs"]
        self.process.start([*command, "--celery-hostname", self.name], {**environment, **self._own()})

    @property
    def _project(self) -> Path:
        return self.directory / "project"

    @property
    def _declarations(self) -> Path:
        return self.directory / "declarations"

    @property
    def _home(self) -> Path:
        return self.directory / "home"

    @property
    def _temporary(self) -> Path:
        return self.directory / "tmp"

    def _own(self) -> dict[str, str]:
        return {
            "AIRFLOW_HOME": str(self._home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self._project / "dags"),
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": f"{__name__}.hostname",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(self._project / "plugins"),
            "HOME": str(self._home),
            "PYTHONPATH": f"{self._project / 'include'}:{ROOT}",  # ROOT: for the hostname below
            "S3_MIGRATION_DECLARATIONS": str(self._declarations),
            "TMPDIR": str(self._temporary),
            _NAME: self.name,
        }


def hostname() -> str:
    """What a worker's Airflow takes for the name of its machine."""
    return os.environ[_NAME]

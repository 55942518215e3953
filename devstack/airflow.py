"""Airflow on loopback: its four components, this project's DAGs and a login of its own.

Tasks run in the scheduler's own processes (LocalExecutor), or on Celery workers where there is a queue.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
from celery import Celery

from devstack.api import AirflowApi, moment
from devstack.environment import ROOT, environment
from devstack.files import write_private
from devstack.ports import HOST
from devstack.processes import Process
from devstack.workers import Worker

ADMIN, VIEWER = "admin", "viewer"
# --skip-serve-logs: else a log server listens on all interfaces.
_COMPONENTS = {
    "api-server": ["api-server"],
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}


@dataclass(frozen=True)
class Airflow:
    """Airflow at home in `directory`.

    :param database: SQLAlchemy's URI of its own database.
    :param passwords: of the users `admin` and `viewer`.
    :param secret: kept by whoever keeps the database, else logins end and stored secrets are lost.
    :param settings: more environment: connections, AIRFLOW__… settings.
    :param workers: how many Celery workers run the tasks, with `queue`, a Redis' URL, between them and the scheduler.
    """

    directory: Path
    port: int
    database: str
    passwords: Mapping[str, str]
    secret: str
    settings: Mapping[str, str] = field(default_factory=dict)
    workers: int = 0
    queue: str = ""

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def processes(self) -> list[Process]:
        return [Process(name, self._run_directory) for name in _COMPONENTS]

    def worker(self, number: int) -> Worker:
        """One of the workers, from 1."""
        return Worker(f"worker-{number}", self.directory / f"worker-{number}")

    @property
    def _workers(self) -> list[Worker]:
        return [self.worker(number) for number in range(1, self.workers + 1)]

    @property
    def _worker_processes(self) -> list[Process]:
        """Those of a time when there were more of them, too."""
        return [Worker(path.name, path).process for path in self.directory.glob("worker-*")]

    @property
    def _migration(self) -> Process:
        return Process("migration", self._run_directory)

    @property
    def _run_directory(self) -> Path:
        return self.directory / "run"

    def running(self) -> bool:
        return all(process.running() for process in [*self.processes, *(worker.process for worker in self._workers)])

    def start(self) -> None:
        """Start what does not run, without waiting, and stop surplus workers. The database must be ready."""
        for process in self.processes:
            command = [sys.executable, "-m", "airflow", *_COMPONENTS[process.name]]
            process.start(command, self.environment())
        names = {worker.name for worker in self._workers}
        self._stop([process for process in self._worker_processes if process.name not in names])
        for worker in self._workers:
            worker.start(self.environment())

    def migrate(self) -> None:
        """Bring the database to this Airflow's version, alone: the components start on a whole one only."""
        wanted, marker = version("apache-airflow-core"), self._run_directory / "migrated"
        self._run_directory.mkdir(parents=True, exist_ok=True)
        write_private(self.directory / "passwords.json", json.dumps(dict(self.passwords)))
        # All settings come from the environment: no file is generated that a kill could leave half written.
        (self.directory / "airflow.cfg").touch()
        if marker.exists() and marker.read_text() == wanted:
            return
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        self._migration.run(command, self.environment(), and_then=f"printf {wanted} > migrated")
        if not marker.exists() or marker.read_text() != wanted:
            self._migration.fail("of Airflow's database failed")

    def wait(self) -> None:
        """Wait until every component is healthy and the DAGs are there.

        :raises LocalError: one ended, or takes too long.
        """
        api_server, *others = self.processes
        api_server.wait(lambda: bool(self._health()), seconds=120)
        for process in others:
            process.wait(partial(self._beats, process), seconds=120)
        dag_processor = others[1]
        dag_processor.wait(self._has_dags, seconds=120)
        for worker in self._workers:
            worker.process.wait(partial(self._answers, worker), seconds=120)

    def stop(self) -> None:
        """End all at once. The scheduler would wait for its tasks, however long they take; so would a worker."""
        self._stop([*self.processes, *self._worker_processes, self._migration])

    @staticmethod
    def _stop(processes: Sequence[Process]) -> None:
        # The triggerer keeps nothing (who sleeps is in the database), and would wait for its triggers for long.
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda process: process.stop(patience=1 if process.name == "triggerer" else 6), processes))

    def api(self) -> AirflowApi:
        return AirflowApi(self.url, ADMIN, self.passwords[ADMIN])

    def environment(self) -> dict[str, str]:
        """What every process of Airflow needs, the command line included."""
        fernet_key = base64.urlsafe_b64encode(hashlib.sha256(self.secret.encode()).digest()).decode()
        own = {
            "AIRFLOW_HOME": str(self.directory),
            "PYTHONPATH": str(ROOT / "include"),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__HOST": HOST,
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__SECRET_KEY": self.secret,
            "AIRFLOW__API_AUTH__JWT_SECRET": self.secret,
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor" if self.workers else "LocalExecutor",
            "AIRFLOW__CORE__FERNET_KEY": fernet_key,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            # The slots of the workers are what bounds it, however many there will be.
            "AIRFLOW__CORE__PARALLELISM": "32" if self.workers else "8",
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.directory / "passwords.json"),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin,{VIEWER}:viewer",
            # What a task's log is as well without: the UI has values and states anyway.
            "AIRFLOW__LOGGING__NAMESPACE_LEVELS": (
                "airflow.providers.amazon.aws.utils.connection_wrapper=WARNING "
                "airflow.task.operators.airflow.providers.standard=WARNING"
            ),
            # A changed declaration shows within seconds.
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "15",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "15",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": self.database,
            # What a stop or a kill left running is taken up soon after the next start.
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
            # The default of 5 is what a tiny task takes at least: its supervisor sits the interval out.
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        }
        celery = {
            "AIRFLOW__CELERY__BROKER_URL": self.queue,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{self.database}",
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": "4",
        }
        return {**environment(), **own, **(celery if self.workers else {}), **self.settings}

    def _health(self) -> Any:
        try:
            return httpx.get(f"{self.url}/api/v2/monitor/health", timeout=5).raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            return {}

    def _beats(self, process: Process) -> bool:
        """Whether the component has been heard of since it was started: the one before it may be remembered still."""
        name = process.name.replace("-", "_")
        health = self._health().get(name) or {}
        if health.get("status") != "healthy":
            return False
        return moment(str(health[f"latest_{name}_heartbeat"])) > process.started()

    def _answers(self, worker: Worker) -> bool:
        """Whether the worker takes tasks."""
        with Celery(broker=self.queue) as asking:
            return bool(asking.control.ping(destination=[f"celery@{worker.name}"], timeout=2))

    def _has_dags(self) -> bool:
        """Whether the DAG files were read, well or not."""
        if not any((ROOT / "dags").glob("*.py")):
            return True
        api = self.api()
        return any(api.ask("GET", path, params={"limit": 1})["total_entries"] for path in ("/dags", "/importErrors"))

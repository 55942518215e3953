"""Real servers once a session; a product of its own (database, buckets) for each test."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from devstack.ports import free_port
from devstack.postgres import Postgres
from devstack.s3 import SeaweedFS

from .support.command_line import Run, run_here
from .support.connections import connect_s3
from .support.flow import Flow, shared_clients
from .support.identities import identities
from .support.preloaded.light_clients import make_light
from .support.product import Product, made_product
from .support.proxy import Proxy
from .support.servers import made_postgres

# Most of what is loaded and collected stays: a quarter of a small test's time was looking for what does not.
gc.set_threshold(50_000, 20, 100)

# Those that last longest first, and small ones last, so that all processes of xdist end together.
FOLDERS = ("stack", "docs", "flow", "sql", "unit")
# The files that need the live stack, which mostly waits: they go to two processes, with a stack each. Last comes one
# whose tests are short: before the last test but one a process is given its next file, which waits until both are done.
STACKS = (
    ("test_scheduler", "test_scheduler_approval", "test_scheduler_references", "test_scheduler_alerts"),
    (
        "test_browser",
        "test_nights",
        "test_scheduler_declarations",
        "test_scheduler_late",
        "test_scheduler_pages",
        "test_scheduler_docs",
    ),
)
_LIVE = [stem for stems in STACKS for stem in stems]


class TwoStacks(LoadScopeScheduling):  # type: ignore[misc]
    """A file at a time to each process, and the files of a stack at once."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((" ".join(stems) for stems in STACKS if Path(file).stem in stems), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> TwoStacks:
    return TwoStacks(config, log)


def pytest_configure(config: pytest.Config) -> None:
    for folder in FOLDERS:
        config.addinivalue_line("markers", f"{folder}: the tests in tests/{folder}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its folder."""
    for item in items:
        item.add_marker(item.path.parent.name)
    items.sort(key=_turn)


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()


def _turn(item: pytest.Item) -> tuple[int, int]:
    name = item.path.stem
    return FOLDERS.index(item.path.parent.name), _LIVE.index(name) if name in _LIVE else len(_LIVE)


@pytest.fixture(autouse=True, scope="session")
def _airflow_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or writes the Airflow of the person who runs it."""
    os.environ["AIRFLOW_HOME"] = str(tmp_path_factory.mktemp("airflow"))


@pytest.fixture(autouse=True, scope="session")
def _light_clients() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        make_light(patch.setattr)
        yield


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with made_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    server = SeaweedFS(tmp_path_factory.mktemp("s3"), free_port(), identities())
    server.start()
    yield server
    server.stop()


@pytest.fixture
def product(postgres: Postgres, s3: SeaweedFS, monkeypatch: pytest.MonkeyPatch) -> Iterator[Product]:
    """An empty product; Airflow's connections (by environment) are the migrator's, with the shipped rights."""
    with made_product(postgres, s3, monkeypatch) as made:
        yield made


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """`python -m s3_migration` in this process."""
    return partial(run_here, capsys)


@pytest.fixture
def proxy(product: Product, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """Both connections of the product go through it."""
    with Proxy(product.endpoint_url) as made:
        connect_s3(monkeypatch, made.endpoint_url)
        yield made


@pytest.fixture
def flow(product: Product, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flow]:
    """Runs of the product's migration; `@pytest.mark.declared(chunk_size=2)` is what it declares besides."""
    # The mark of a test comes first, and counts more than that of its file.
    marks = reversed(list(request.node.iter_markers("declared")))
    fields = {name: value for mark in marks for name, value in mark.kwargs.items()}
    declaration = product.declaration.model_copy(update=fields)
    with shared_clients(declaration, monkeypatch) as hooks:
        yield Flow(declaration, hooks)

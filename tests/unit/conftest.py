"""The hook against real SeaweedFS through a proxy that breaks things, and against moto's server for the keys that
SeaweedFS folds or refuses; by both engines.

moto knows no condition of a copy and no ETag in a DeleteObjects: what rests on those is tested on SeaweedFS alone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer

from devstack.s3 import SeaweedFS
from s3_migration.model.declaration import Engine
from s3_migration.s3 import crt_client as crt
from tests.support.stores import Stores, made_stores


@pytest.fixture(scope="module", params=list(Engine), ids=[engine.value for engine in Engine])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """All is tested with both, which waits for no retry."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crt, "pause", lambda tries: 0)
        yield request.param


@pytest.fixture(scope="module")
def seaweedfs(s3: SeaweedFS, engine: Engine) -> Iterator[Stores]:
    with made_stores(s3.endpoint_url, engine) as made:
        yield made


@pytest.fixture
def stores(seaweedfs: Stores) -> Iterator[Stores]:
    """On SeaweedFS, as the identity with the shipped rights."""
    yield seaweedfs
    seaweedfs.empty()


@pytest.fixture(scope="module")
def moto(engine: Engine) -> Iterator[Stores]:
    """On moto's server."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with made_stores(f"http://{host}:{port}", engine) as made:
        yield made
    server.stop()


@pytest.fixture(scope="module")
def quick(s3: SeaweedFS) -> Iterator[Stores]:
    """By the Common Runtime."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crt, "pause", lambda tries: 0)
        with made_stores(s3.endpoint_url, Engine.CRT) as made:
            yield made


@pytest.fixture
def runtime(quick: Stores) -> Iterator[Stores]:
    yield quick
    quick.empty()

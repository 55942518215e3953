"""The hook against real SeaweedFS through a proxy that breaks things, and against moto's server for the keys that
SeaweedFS folds or refuses; by both engines.

moto knows no condition of a copy and no ETag in a DeleteObjects: what rests on those is tested on SeaweedFS alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devstack.s3 import SeaweedFS
from s3_migration.model.declaration import Engine
from s3_migration.s3 import crt_client as crt
from tests.support.moto_server import made_moto
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
    with made_moto() as url, made_stores(url, engine) as made:
        yield made


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

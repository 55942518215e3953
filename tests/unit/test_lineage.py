"""What OpenLineage is told of a run."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest

from s3_migration.ui import lineage
from s3_migration.ui.sensors import ReconciliationSensor
from tests.support.product import declare

USERS = {"table": "shop.users", "column": "picture"}


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setenv("AIRFLOW_CONN_PRODDATABASE", "postgres://migrator:secret@db.example/product")
    references = [{"table": "avatars", "column": "path"}, {"table": "avatars", "column": "old"}, USERS]
    return declare(database={"conn_id": "proddatabase", "references": references})


def test_buckets_and_tables_are_named_as_openlineage_names_them(declared: object) -> None:
    read, written = lineage.places(declared)  # type: ignore[arg-type]
    tables = ["postgres://db.example:5432 product.public.avatars", "postgres://db.example:5432 product.shop.users"]
    assert [f"{each.namespace} {each.name}" for each in read] == ["s3://legacy-s3 image", *tables]
    assert [f"{each.namespace} {each.name}" for each in written] == ["s3://production-s3 avatar", *tables]


@pytest.mark.parametrize("changes", [True, False])
def test_the_last_step_tells_what_was_read_and_written(
    declared: object, monkeypatch: pytest.MonkeyPatch, changes: bool
) -> None:
    """The provider is not among what is installed here: these classes stand for its own, which take the same."""
    monkeypatch.setattr("airflow.providers.common.compat.openlineage.facet.Dataset", SimpleNamespace)
    stand_in = ModuleType("airflow.providers.openlineage.extractors")
    stand_in.OperatorLineage = SimpleNamespace  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "airflow.providers.openlineage", ModuleType("airflow.providers.openlineage"))
    monkeypatch.setitem(sys.modules, stand_in.__name__, stand_in)
    outlets = ["production"] if changes else []
    sensor = SimpleNamespace(declaration=declared, outlets=outlets)
    told = ReconciliationSensor.get_openlineage_facets_on_complete(sensor, None)  # type: ignore[arg-type]
    assert len(told.inputs) == 3
    assert len(told.outputs) == (3 if changes else 0)

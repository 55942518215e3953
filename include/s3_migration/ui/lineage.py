"""Legacy, production and the tables as OpenLineage's datasets. Asked for only where its provider is installed."""

from __future__ import annotations

from typing import Any, NamedTuple

from airflow.sdk import BaseHook

from s3_migration.model.declaration import Declaration

# As PostgreSQL's own.
_PORT = 5432


class Place(NamedTuple):
    """A dataset, named as OpenLineage's naming has it."""

    namespace: str
    name: str


def places(declared: Declaration) -> tuple[list[Place], list[Place]]:
    """What a run that changes anything reads, and what it writes."""
    legacy, production = (
        Place(f"s3://{side.bucket}", side.prefix.rstrip("/") or "/") for side in (declared.legacy, declared.production)
    )
    connection = BaseHook.get_connection(declared.database.conn_id)
    server = f"postgres://{connection.host}:{connection.port or _PORT}"
    names = dict.fromkeys(f"{connection.schema}.{each.schema}.{each.table}" for each in declared.references)
    tables = [Place(server, name) for name in names]
    return [legacy, *tables], [production, *tables]


def of_run(declared: Declaration, *, changes: bool) -> Any:
    """An `OperatorLineage`: what OpenLineage is told of a run that is over."""
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.providers.openlineage.extractors import OperatorLineage

    read, written = ([Dataset(namespace=each.namespace, name=each.name) for each in side] for side in places(declared))
    return OperatorLineage(inputs=read, outputs=written if changes else [])

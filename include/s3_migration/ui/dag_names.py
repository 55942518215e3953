"""How the DAGs of migrations are told from others. Imports nothing: the plugins that every task loads are light."""

from __future__ import annotations

PREFIX, TAG = "migrate_", "s3-migration"


def dag_id_of(migration: str) -> str:
    """The DAG of the migration of this name."""
    return f"{PREFIX}{migration}"


def migration_of(dag_id: str) -> str:
    """The name of the migration that a DAG is of."""
    return dag_id.removeprefix(PREFIX)

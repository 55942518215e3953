"""How all that was made for a migration goes: SQL for a database administrator, and a list of the rest. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from psycopg import sql

from s3_migration.commands.archive import Manifest
from s3_migration.ledger import schema
from s3_migration.ledger import statements as files
from s3_migration.model.declaration import Declaration


def statements(declaration: Declaration, manifest: Manifest, role: str | None, keep: set[str]) -> list[str]:
    """The SQL that forgets the migration, all of it or, at the first error, none.

    :param role: loses what the set-up gave it; None: nobody does.
    :param keep: files of `sql/retirement` that are left out.
    """
    began = manifest.newest_run
    parts = {
        **schema.names(declaration, role or ""),
        "lease_token": sql.Literal(int(manifest.lease_token)),
        # Read as a time first: it goes into the body of a DO, as text.
        "newest_run": sql.Literal(began and datetime.fromisoformat(began).isoformat()),
    }
    wanted = [
        file for file in files.of("retirement") if file not in keep and (role is not None or "_revoke_" not in file)
    ]
    return [files.statement(file, **parts).as_string() for file in wanted]


def still_needed(declaration: Declaration, others: Sequence[Declaration]) -> dict[str, list[str]]:
    """Rights of the role that must stay (files of `sql/retirement`), each with the migrations that need it."""
    sharing = [other for other in others if other.database.conn_id == declaration.database.conn_id]
    schema, table = ("public", *declaration.table)[-2:]
    of_schema = [other for other in sharing if ("public", *other.table)[-2] == schema]
    of_table = [other for other in of_schema if other.table[-1] == table]
    of_column = [other for other in of_table if other.database.column == declaration.database.column]
    needs = {
        "30_revoke_ledger": sharing,
        "31_revoke_schema": sharing,
        "32_revoke_connect": sharing,
        "33_revoke_table_schema": of_schema,
        "34_revoke_update": of_column,
        "35_revoke_select": of_table,
    }
    return {file: [other.name for other in found] for file, found in needs.items() if found}


def script(declaration: Declaration, others: Sequence[Declaration], manifest: Manifest, role: str | None) -> str:
    """For psql."""
    needed = still_needed(declaration, others)
    text = schema.script(statements(declaration, manifest, role, set(needed)))
    head = f"-- Forgets migration {declaration.name}, archived {manifest.made_at}.\n"
    if role is None:
        return f"{head}-- Without --role nobody loses a right.\n{text}"
    if needed:
        names = sorted({name for found in needed.values() for name in found})
        return f"{head}-- The role keeps what others of the same connection need: {', '.join(names)}.\n{text}"
    if not role.isprintable():
        return head + text
    return f"{head}{text}-- If it was made for this alone: DROP ROLE {sql.Identifier(role).as_string()};\n"


def checklist(declaration: Declaration, others: Sequence[Declaration]) -> list[str]:
    """All that was made for the migration, and what removes each."""
    name, legacy, production = declaration.name, declaration.legacy, declaration.production
    used = {conn_id for other in others for conn_id in _connections(other)}
    mine = _connections(declaration)
    uploads = f"--bucket {production.bucket} --prefix '{production.prefix}'"
    listed = [
        ("the ledger, the role's rights", f"python -m s3_migration retire {name} archive …, then drop … | psql"),
        (
            "the DAG",
            f"airflow dags pause migrate_{name}; remove its file in include/migrations; when it is gone from the "
            f"UI: airflow dags delete migrate_{name} (its runs; the asset, where no other DAG names it, goes inactive)",
        ),
        ("its logs", f"the folder dag_id=migrate_{name}, wherever Airflow keeps its logs"),
        (
            "connections",
            "; ".join(f"airflow connections delete {conn_id}" for conn_id in mine if conn_id not in used)
            or "none of its own",
        ),
        ("connections that others use", ", ".join(conn_id for conn_id in mine if conn_id in used)),
        (
            "the pool",
            ""
            if declaration.pool in {"default_pool", *(other.pool for other in others)}
            else f"airflow pools delete {declaration.pool}",
        ),
        (
            "canaries",
            f"archive removes what a killed check left: s3://{legacy.bucket}/{declaration.keys.legacy_canary}, "
            f"s3://{production.bucket}/{declaration.keys.production_canary}",
        ),
        (
            "unfinished uploads",
            f"aws s3api list-multipart-uploads {uploads} shows what a killed copy of an object above "
            f"5 GiB left; aws s3api abort-multipart-upload --bucket … --key … --upload-id …",
        ),
        ("the S3 identity", f"its policy (python -m s3_migration setup {name} --iam), its access keys, the identity"),
    ]
    if not others:
        listed.append(
            (
                "the project, with its last migration",
                "its folder or image and its docs page in the UI; of the embedded "
                "stack make down && make clean; of compose docker compose down --volumes --rmi local",
            )
        )
    return [f"  {what}: {how}" for what, how in listed if how]


def _connections(declaration: Declaration) -> list[str]:
    told = [declaration.alerts.smtp_conn_id] if declaration.alerts.emails else []
    return [declaration.legacy.conn_id, declaration.production.conn_id, declaration.database.conn_id, *told]

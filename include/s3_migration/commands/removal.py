"""How to remove all that was made for a migration: SQL for a database administrator, and a checklist of the rest."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from psycopg import sql

from s3_migration.commands.archive_files import Manifest
from s3_migration.ledger import schema
from s3_migration.ledger import statements as files
from s3_migration.model.declaration import Declaration
from s3_migration.model.key_mapping import canaries
from s3_migration.model.reference import Reference


def script(declaration: Declaration, others: Sequence[Declaration], manifest: Manifest, role: str | None) -> str:
    """The SQL that removes the migration, for psql.

    :param role: loses what the set-up gave it, but for what `others` need; None: nobody loses anything.
    """
    needed = rights_still_needed(declaration, others)
    text = schema.script(_statements(declaration, manifest, role, keep=needed))
    head = f"-- Forgets migration {declaration.name}, archived {manifest.made_at}.\n"
    if role is None:
        return f"{head}-- Without --role nobody loses a right.\n{text}"
    if needed:
        names = sorted({name for rights in needed.values() for users in rights.values() for name in users})
        return f"{head}-- The role keeps what others of the same connection need: {', '.join(names)}.\n{text}"
    if not role.isprintable():
        return head + text
    return f"{head}{text}-- If it was made for this alone: DROP ROLE {sql.Identifier(role).as_string()};\n"


def _statements(
    declaration: Declaration, manifest: Manifest, role: str | None, keep: Mapping[str, Collection[Reference]]
) -> list[str]:
    """:param keep: files of `ledger/sql/retirement`, each with the references of which its right is still needed."""
    newest_run = manifest.newest_run
    parts = {
        "lease_token": sql.Literal(int(manifest.lease_token)),
        # Read as a time first: it goes into the body of a DO, as text.
        "newest_run": sql.Literal(newest_run and datetime.fromisoformat(newest_run).isoformat()),
    }
    texts = [
        files.statement(file, **schema.names(declaration, reference, role or ""), **parts).as_string()
        for file in files.of("retirement")
        for reference in declaration.references
        if reference not in keep.get(file, ()) and (role is not None or "_revoke_" not in file)
    ]
    return list(dict.fromkeys(texts))


def rights_still_needed(
    declaration: Declaration, others: Sequence[Declaration]
) -> dict[str, dict[Reference, list[str]]]:
    """Rights of the role that must stay (files of `ledger/sql/retirement`), each with the migrations that need it."""
    same_role = [other for other in others if other.database.conn_id == declaration.database.conn_id]
    needed: dict[str, dict[Reference, list[str]]] = {}
    for ours in declaration.references:
        used = [(other.name, theirs) for other in same_role for theirs in other.references]
        same_schema = [(name, theirs) for name, theirs in used if theirs.schema == ours.schema]
        same_table = [(name, theirs) for name, theirs in same_schema if theirs.table == ours.table]
        same_column = [(name, theirs) for name, theirs in same_table if theirs.column == ours.column]
        for file, users in {
            "30_revoke_ledger": used,
            "31_revoke_schema": used,
            "32_revoke_connect": used,
            "33_revoke_table_schema": same_schema,
            "34_revoke_update": same_column,
            "35_revoke_select": same_table,
        }.items():
            if users:
                needed.setdefault(file, {})[ours] = sorted({name for name, _ in users})
    return needed


def checklist(declaration: Declaration, others: Sequence[Declaration], uploads: str = "") -> dict[str, str]:
    """All that was made for the migration, and what removes each.

    :param uploads: what there is of unfinished ones, in a sentence.
    """
    name, production = declaration.name, declaration.production
    connections = _connections(declaration)
    used = {conn_id for other in others for conn_id in _connections(other)}
    own = [f"airflow connections delete {conn_id}" for conn_id in connections if conn_id not in used]
    pool_is_own = declaration.pool not in {"default_pool", *(other.pool for other in others)}
    items = {
        "the ledger, the role's rights": f"python -m s3_migration retire {name} archive …, then drop … | psql",
        "the DAG": f"airflow dags pause migrate_{name}; remove its file in include/migrations; when it is gone from "
        f"the UI: airflow dags delete migrate_{name} (its runs; the asset, where no other DAG names it, goes inactive)",
        "its logs": f"the folder dag_id=migrate_{name}, wherever Airflow keeps its logs",
        "connections": "; ".join(own) or "none of its own",
        "connections that others use": ", ".join(conn_id for conn_id in connections if conn_id in used),
        "the pool": f"airflow pools delete {declaration.pool}" if pool_is_own else "",
        "canaries": f"archive removes what a killed check left: "
        f"s3://{declaration.legacy.bucket}/{canaries(declaration.keys.legacy_prefix, name)}…, "
        f"s3://{production.bucket}/{canaries(declaration.keys.production_prefix, name)}…",
        "unfinished uploads": f"aws s3api list-multipart-uploads --bucket {production.bucket} --prefix "
        f"'{production.prefix}' shows what a killed copy of an object above 5 GiB left; "
        f"aws s3api abort-multipart-upload --bucket … --key … --upload-id …; now: {uploads or 'none'}",
        "the S3 identity": f"its policy (python -m s3_migration setup {name} --iam), its access keys, the identity",
    }
    if not others:
        items["the project, with its last migration"] = (
            "its folder or image and its docs page in the UI; of the embedded stack make down && make clean; "
            "of compose docker compose down --volumes --rmi local"
        )
    return {thing: how for thing, how in items.items() if how}


def _connections(declaration: Declaration) -> list[str]:
    mail = [declaration.alerts.smtp_conn_id] if declaration.alerts.emails else []
    return [declaration.legacy.conn_id, declaration.production.conn_id, declaration.database.conn_id, *mail]

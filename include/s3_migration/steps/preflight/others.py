"""The other declarations: none may move the same objects."""

from __future__ import annotations

from airflow.sdk.exceptions import AirflowNotFoundException

from s3_migration.model import declaration as declarations
from s3_migration.model.declaration import Declaration
from s3_migration.model.identity import identity
from s3_migration.s3.hook import BulkS3Hook
from s3_migration.steps.hooks import opened_hooks
from s3_migration.steps.preflight.errors import PreflightFailed


def check_others(declaration: Declaration, legacy: BulkS3Hook) -> None:
    """Rows that only another declaration names would be broken by what this one deletes.

    :raises PreflightFailed: another one takes some of the same objects.
    """
    ours = declaration.legacy
    for other in declarations.sound():
        theirs = other.legacy
        nested = ours.prefix.startswith(theirs.prefix) or theirs.prefix.startswith(ours.prefix)
        if other.name == declaration.name or ours.bucket != theirs.bucket or not nested:
            continue
        # The same migration under another name deletes nothing that it does not know the rows of.
        if identity(other) == identity(declaration) or _is_elsewhere(other, legacy):
            continue
        raise PreflightFailed(
            f"Migration {declaration.name}: migration {other.name} takes objects of "
            f"{theirs.address} too, and each would delete what only the "
            f"other's rows name. Nothing was touched. Fix: declare them as "
            f"one, with the columns of both below database.references; or give them prefixes of which none contains "
            f"the other."
        )


def _is_elsewhere(other: Declaration, legacy: BulkS3Hook) -> bool:
    """Whether its bucket of the same name is another store's."""
    try:
        with opened_hooks(other) as (theirs, _):
            return theirs.client.meta.endpoint_url != legacy.client.meta.endpoint_url
    except AirflowNotFoundException:
        return False

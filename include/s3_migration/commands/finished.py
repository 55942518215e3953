"""Whether a migration is finished: what its ledger, its rows and a new listing of legacy say. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airflow.sdk.exceptions import AirflowNotFoundException

from s3_migration.commands.answer import CommandError
from s3_migration.ledger.connection import MigrationLedger
from s3_migration.ledger.retirement import count_all_states, count_unexplained_rows, find_last_run, find_unexplained
from s3_migration.model.completion import LEGACY_TOLD, ROWS_TOLD, find_unfinished
from s3_migration.s3.errors import STORE_ERRORS, error_text
from s3_migration.steps.hooks import opened_hooks


@dataclass(frozen=True)
class Finding:
    """What is left to do (nothing: it is finished), the same in words, and how many objects the ledger knows."""

    left: list[str]
    text: str
    objects: int


def judge(ledger: MigrationLedger, unexplained_keys: Sequence[str]) -> Finding:
    """Whether the ledger's migration is finished.

    :param unexplained_keys: what `find_unexplained_keys` found.
    """
    counts = count_all_states(ledger)
    left = find_unfinished(
        find_last_run(ledger),
        {count.state: count.objects - count.acknowledged for count in counts},
        count_unexplained_rows(ledger, ROWS_TOLD),
        unexplained_keys,
    )
    states = ", ".join(f"{count.objects} {count.state}" for count in counts) or "no objects"
    text = f"Migration {ledger.declaration.name} is {'not finished' if left else 'finished'}: {states}."
    return Finding(left, "\n".join([text, *(f"  - {item}" for item in left)]), sum(count.objects for count in counts))


def find_unexplained_keys(ledger: MigrationLedger) -> list[str]:
    """The first keys that legacy holds and the ledger does not account for. Where all is moved, that takes one page.

    :raises CommandError: legacy cannot be listed.
    """
    legacy, is_canary = ledger.declaration.legacy, ledger.declaration.keys.is_canary
    try:
        with opened_hooks(ledger.declaration, attempts=3) as (hook, _):
            for page in hook.list_objects(legacy.bucket, legacy.prefix):
                keys = [entry.key for entry in page if not is_canary(entry.key)]
                if found := find_unexplained(ledger, keys, LEGACY_TOLD):
                    return found
            return []
    except AirflowNotFoundException as error:
        raise CommandError(f"{error}. Fix: run the command where Airflow is configured.") from error
    except STORE_ERRORS as error:
        raise CommandError(
            f"cannot list s3://{legacy.bucket}/{legacy.prefix}: {error_text(error).rstrip('.')}. "
            f"Fix: correct Airflow's connection {legacy.conn_id!r}, or its rights."
        ) from error

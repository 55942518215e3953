"""compare: head: properties that neither ETag nor time tells of, such as tags, asked for of both sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from s3_migration.ledger.verification import mark_rewritten
from s3_migration.s3.types import BATCH
from s3_migration.steps.run import Run

_TAGS = "x-amz-tagging-count"
Shown = Sequence[Mapping[str, str] | None]


def compare_properties(run: Run, keys: Sequence[str]) -> None:
    """Mark as changed what of these legacy keys has other properties in production: one HEAD a side and object.

    What copies are declared to have counts as legacy's.
    """
    declared = run.declaration.production.copy_settings
    for start in range(0, len(keys), BATCH):
        some = keys[start : start + BATCH]
        copies = [run.keys.production_key(key) for key in some]
        legacy = run.legacy.shown_properties(run.legacy_bucket, some)
        production = run.production.shown_properties(run.production_bucket, copies)
        _require_tags_shown(run, some, legacy, production)
        differing = {
            key: _difference(expected, after)
            for key, before, after in zip(some, legacy, production, strict=True)
            if before is not None and after is not None and (expected := before | declared.replaced(key)) != after
        }
        if differing:
            with run.ledger.batch():
                run.lease.fence()
                mark_rewritten(run.ledger, list(differing), list(differing.values()))
        run.stop_if_asked()


def _require_tags_shown(run: Run, keys: Sequence[str], legacy: Shown, production: Shown) -> None:
    """A HEAD leaves their number out where they may not be read: so they are asked for where one side alone shows it.

    :raises ClientError: AccessDenied: they may not.
    """
    for key, before, after in zip(keys, legacy, production, strict=True):
        if before is None or after is None or (_TAGS in before) == (_TAGS in after):
            continue
        if _TAGS in before:
            copy = run.keys.production_key(key)
            run.production.client.get_object_tagging(Bucket=run.production_bucket, Key=copy)
        else:
            run.legacy.client.get_object_tagging(Bucket=run.legacy_bucket, Key=key)
        return


def _difference(legacy: Mapping[str, str], production: Mapping[str, str]) -> str:
    """The first of them, for people."""
    name = min(key for key in {*legacy, *production} if legacy.get(key) != production.get(key))
    return f"{name}: legacy has {legacy.get(name)!r:.80}, the copy {production.get(name)!r:.80}"

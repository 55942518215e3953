"""What the stores allow and honour, seen with one canary key a bucket: every right, and every condition."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from datetime import datetime, timedelta, timezone
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from s3_migration.model.declaration import Declaration
from s3_migration.model.declared_store import Store
from s3_migration.model.error_codes import take
from s3_migration.model.key_mapping import CANARY, canaries, canary
from s3_migration.s3.errors import as_boto3, error_status, needs_judging
from s3_migration.s3.hook import BulkS3Hook
from s3_migration.s3.properties import LINES
from s3_migration.steps.preflight.declared_copies import (
    KEPT_METADATA,
    lines_of_canary,
    require_arrived,
    require_region,
    rights_of,
)
from s3_migration.steps.preflight.errors import PreflightFailed
from s3_migration.steps.preflight.stores import explained

# No check lasts as long. Somebody may check by hand while a run does.
LONGEST = timedelta(hours=1)


def check_rights(declaration: Declaration, run_id: str, legacy: BulkS3Hook, production: BulkS3Hook) -> bool:
    """With one canary a bucket: every right is there, and conditions are honoured, by both.

    :param run_id: whose canaries these are: no other's are touched.
    :returns: whether the store refuses a deletion that comes after its expiry.
    :raises PreflightFailed: says what fixes it.
    """
    try:
        return _probe_rights(declaration, run_id, legacy, production)
    finally:
        remove_canaries(declaration, legacy, production, run_id)


def _probe_rights(declaration: Declaration, run_id: str, legacy: BulkS3Hook, production: BulkS3Hook) -> bool:
    keys, source, target = declaration.keys, declaration.legacy.bucket, declaration.production.bucket
    old, new = (canary(prefix, declaration.name, run_id) for prefix in (keys.legacy_prefix, keys.production_prefix))
    require_region(declaration, production)
    wrong = '"00000000000000000000000000000000"'

    def need(what: str, right: str, store: Store) -> AbstractContextManager[None]:
        return explained(declaration, what, right, store)

    with need(f"write the canary s3://{source}/{old}", "s3:PutObject (that key alone)", declaration.legacy):
        etag = legacy.client.put_object(Bucket=source, Key=old, Body=b"canary", Metadata={"canary": KEPT_METADATA})[
            "ETag"
        ]
    with need(f"delete the canary s3://{target}/{new}", "s3:DeleteObject (that key alone)", declaration.production):
        production.client.delete_object(Bucket=target, Key=new)
    # Of SSE-KMS objects the checksums need a right more.
    asked: Any = {"ChecksumMode": "ENABLED"} if declaration.verify == "checksum" else {}
    also = ", kms:Decrypt of the bucket's key where it has one" if asked else ""
    with need(f"read s3://{source}/{old}", f"s3:GetObject{also}", declaration.legacy):
        legacy.client.head_object(Bucket=source, Key=old, **asked)

    def copy(**conditions: str) -> None:
        production.client.copy_object(
            Bucket=target,
            Key=new,
            CopySource={"Bucket": source, "Key": old},
            **conditions,  # type: ignore[arg-type]
            **{LINES: lines_of_canary(declaration)},  # type: ignore[arg-type]
        )

    with need(
        f"copy s3://{source}/{old} to s3://{target}/{new}",
        f"s3:GetObject on s3://{source}/{keys.legacy_prefix}* and s3:PutObject{rights_of(declaration)}",
        declaration.production,
    ):
        _refused(lambda: copy(IfNoneMatch="*", CopySourceIfMatch=etag))  # it was made, and the answer lost: seen below
    with need(f"read s3://{target}/{new}", f"s3:GetObject{also}", declaration.production):
        copied = production.client.head_object(Bucket=target, Key=new, **asked)
    require_arrived(declaration, production, new, copied["ResponseMetadata"]["HTTPHeaders"])

    ignored = []

    def honours(what: str, request: Callable[[], object], *, deletes: bool = False) -> bool:
        where, right, store = (
            (f"delete s3://{source}/{old}", "s3:DeleteObject", declaration.legacy)
            if deletes
            else (f"copy onto s3://{target}/{new}", "s3:PutObject", declaration.production)
        )
        with need(f"see whether the store refuses {what} ({where})", right, store):
            if not _refused(request, deletes=deletes):
                ignored.append(what)
                return False
        return True

    honours("a copy onto an existing key with If-None-Match: *", lambda: copy(IfNoneMatch="*"))
    honours("a copy with a wrong If-Match", lambda: copy(IfMatch=wrong))
    honours("a copy with a wrong x-amz-copy-source-if-match", lambda: copy(CopySourceIfMatch=wrong))

    def delete_many(with_etag: str) -> None:
        given = [(old, with_etag.strip('"'))]
        (result,) = legacy.delete_versions(source, given, time.monotonic() + 60).results
        if result.problem:
            status = take(0, result.code).status
            raise as_boto3("DeleteObjects", status, result.code, str(result.detail).partition(": ")[2])

    def delete_one() -> None:
        legacy.client.delete_object(Bucket=source, Key=old, IfMatch=wrong)

    expires = False
    if honours("a DeleteObjects with a wrong ETag", lambda: delete_many(wrong), deletes=True) and honours(
        "a DeleteObject with a wrong If-Match", delete_one, deletes=True
    ):
        with need(f"delete s3://{source}/{old}", "s3:DeleteObject", declaration.legacy):
            expires = legacy.refuses_late(source, old, etag.strip('"'))
            # As the run will delete: a policy may refuse what is signed in the query (s3:authType).
            delete_many(etag)
    with need(f"delete the canary s3://{target}/{new}", "s3:DeleteObject (that key alone)", declaration.production):
        production.client.delete_object(Bucket=target, Key=new)
    if ignored:
        raise PreflightFailed(
            f"Migration {declaration.name}: the store at {legacy.client.meta.endpoint_url} ignores conditional "
            f"requests: it carried out {'; '.join(ignored)}. Without them an object that the product rewrites "
            f"meanwhile could be lost. No object was touched. Fix: use a store, or a proxy in front of it, that "
            f"honours conditions."
        )
    return expires


def check_removal(declaration: Declaration, production: BulkS3Hook) -> None:
    """An undo that removes copies needs a right which the move does without."""
    bucket, prefix = declaration.production.bucket, declaration.keys.production_prefix
    with explained(
        declaration,
        f"delete below s3://{bucket}/{prefix}",
        "s3:DeleteObject (`python -m s3_migration setup … --iam --undo`)",
        declaration.production,
    ):
        production.client.delete_object(Bucket=bucket, Key=f"{prefix}{CANARY}undo")  # that never exists


def remove_canaries(
    declaration: Declaration, legacy: BulkS3Hook, production: BulkS3Hook, run_id: str | None = None
) -> None:
    """Those of this run, and those that killed checks of the migration have left; as far as the rights go.

    :param run_id: None: all of the migration, of which nobody else asks anything now.
    """
    keys, killed = declaration.keys, datetime.now(timezone.utc) - LONGEST
    for hook, store, prefix in (
        (legacy, declaration.legacy, keys.legacy_prefix),
        (production, declaration.production, keys.production_prefix),
    ):
        own = run_id and canary(prefix, declaration.name, run_id)
        with suppress(ClientError, BotoCoreError):
            left = hook.client.list_objects_v2(Bucket=store.bucket, Prefix=canaries(prefix, declaration.name))
            for entry in left.get("Contents", []):
                if own is None or entry["Key"] == own or entry["LastModified"] < killed:
                    hook.client.delete_object(Bucket=store.bucket, Key=entry["Key"])


def _refused(request: Callable[[], object], *, deletes: bool = False) -> bool:
    """Whether the store refused for the condition's sake, and for nothing else.

    :param deletes: so that 404 means: carried out, the answer lost, and the request sent again.
    :raises ClientError: it refused for another reason: what it would have made of the condition is not known.
    """
    try:
        request()
    except ClientError as error:
        if error_status(error) == 412:
            return True
        if not deletes or error_status(error) != 404 or not needs_judging(error):
            raise
    return False

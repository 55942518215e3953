"""What the stores allow and honour, seen with one canary key a bucket: every right, and every condition."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress

from botocore.exceptions import BotoCoreError, ClientError

from s3_migration.model.declaration import Declaration, Store
from s3_migration.s3.hook import BulkS3Hook
from s3_migration.steps.preflight.errors import PreflightFailed
from s3_migration.steps.preflight.stores import explained


def check_rights(declaration: Declaration, legacy: BulkS3Hook, production: BulkS3Hook) -> None:
    """With one canary key a bucket: every right is there, and conditions are honoured, by both."""
    try:
        _probe_rights(declaration, legacy, production)
    except BaseException:
        remove_canaries(declaration, legacy, production)
        raise


def _probe_rights(declaration: Declaration, legacy: BulkS3Hook, production: BulkS3Hook) -> None:
    keys, source, target = declaration.keys, declaration.legacy.bucket, declaration.production.bucket
    old, new = keys.legacy_canary, keys.production_canary
    wrong = '"00000000000000000000000000000000"'

    def need(what: str, right: str, store: Store) -> AbstractContextManager[None]:
        return explained(declaration, what, right, store)

    with need(f"write the canary s3://{source}/{old}", "s3:PutObject (that key alone)", declaration.legacy):
        etag = legacy.client.put_object(Bucket=source, Key=old, Body=b"canary")["ETag"]
    with need(f"delete the canary s3://{target}/{new}", "s3:DeleteObject (that key alone)", declaration.production):
        production.client.delete_object(Bucket=target, Key=new)
    with need(f"read s3://{source}/{old}", "s3:GetObject", declaration.legacy):
        legacy.client.head_object(Bucket=source, Key=old)

    def copy(**conditions: str) -> None:
        production.client.copy_object(
            Bucket=target,
            Key=new,
            CopySource={"Bucket": source, "Key": old},
            **conditions,  # type: ignore[arg-type]
        )

    with need(
        f"copy s3://{source}/{old} to s3://{target}/{new}",
        f"s3:GetObject on s3://{source}/{keys.legacy_prefix}* and s3:PutObject",
        declaration.production,
    ):
        copy(IfNoneMatch="*", CopySourceIfMatch=etag)
    with need(f"read s3://{target}/{new}", "s3:GetObject", declaration.production):
        production.client.head_object(Bucket=target, Key=new)

    ignored = []
    with need(f"copy onto s3://{target}/{new}", "s3:PutObject", declaration.production):
        if not _refused(lambda: copy(IfNoneMatch="*")):
            ignored.append("a copy onto an existing key with If-None-Match: *")
        if not _refused(lambda: copy(IfMatch=wrong)):
            ignored.append("a copy with a wrong If-Match")
        if not _refused(lambda: copy(CopySourceIfMatch=wrong)):
            ignored.append("a copy with a wrong x-amz-copy-source-if-match")
    with need(f"delete s3://{source}/{old}", "s3:DeleteObject", declaration.legacy):
        if not legacy.delete_versions(source, [(old, wrong.strip('"'))])[0].problem:
            ignored.append("a DeleteObjects with a wrong ETag")
        elif not _refused(lambda: legacy.client.delete_object(Bucket=source, Key=old, IfMatch=wrong)):
            ignored.append("a DeleteObject with a wrong If-Match")
        else:
            legacy.client.delete_object(Bucket=source, Key=old, IfMatch=etag)
    with need(f"delete the canary s3://{target}/{new}", "s3:DeleteObject (that key alone)", declaration.production):
        production.client.delete_object(Bucket=target, Key=new)
    if ignored:
        raise PreflightFailed(
            f"Migration {declaration.name}: the store at {legacy.client.meta.endpoint_url} ignores conditional "
            f"requests: it carried out {'; '.join(ignored)}. Without them an object that the product rewrites "
            f"meanwhile could be lost. No object was touched. Fix: use a store, or a proxy in front of it, that "
            f"honours conditions."
        )


def check_removal(declaration: Declaration, production: BulkS3Hook) -> None:
    """An undo that removes copies needs a right which the move does without."""
    key = f"{declaration.keys.production_canary}-undo"  # that never exists
    with explained(
        declaration,
        f"delete below s3://{declaration.production.bucket}/{declaration.keys.production_prefix}",
        "s3:DeleteObject (`python -m s3_migration setup … --iam --undo`)",
        declaration.production,
    ):
        production.client.delete_object(Bucket=declaration.production.bucket, Key=key)


def remove_canaries(declaration: Declaration, legacy: BulkS3Hook, production: BulkS3Hook) -> None:
    """Those that a check wrote and was killed before it removed them; as far as the rights go."""
    keys = declaration.keys
    with suppress(ClientError, BotoCoreError):
        legacy.client.delete_object(Bucket=declaration.legacy.bucket, Key=keys.legacy_canary)
    with suppress(ClientError, BotoCoreError):
        production.client.delete_object(Bucket=declaration.production.bucket, Key=keys.production_canary)


def _refused(request: Callable[[], object]) -> bool:
    """Whether the store refused for the condition's sake.

    :raises ClientError: it refused for another reason.
    """
    try:
        request()
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] in {409, 412}:
            return True
        raise
    return False

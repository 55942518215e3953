"""The stores that a run needs: both buckets are there, may be listed, and are of one store."""

from __future__ import annotations

from airflow.sdk.exceptions import AirflowNotFoundException
from botocore.exceptions import BotoCoreError, ClientError

from s3_migration.model.declaration import Declaration, Store
from s3_migration.model.error_codes import retryable
from s3_migration.s3.hook import BulkS3Hook, error_code, error_text
from s3_migration.steps.preflight.errors import PreflightFailed, PreflightRetryable, no_connection


def _policy(declaration: Declaration) -> str:
    return f"see the policy that `python -m s3_migration setup {declaration.name} --iam` prints"


def check_stores(declaration: Declaration, legacy: BulkS3Hook, production: BulkS3Hook) -> None:
    """Both buckets are there, may be listed, and are of one store."""
    for side, hook in (("legacy", legacy), ("production", production)):
        store = getattr(declaration, side)
        try:
            with explained(declaration, f"list s3://{store.bucket}/{store.prefix}", "s3:ListBucket", store):
                hook.client.list_objects_v2(Bucket=store.bucket, Prefix=store.prefix, MaxKeys=1)
        except AirflowNotFoundException as error:
            raise no_connection(declaration, store.conn_id) from error
    ends = legacy.client.meta.endpoint_url, production.client.meta.endpoint_url
    if _is_own_store(ends[0]) != _is_own_store(ends[1]) or (_is_own_store(ends[0]) and ends[0] != ends[1]):
        raise PreflightFailed(
            f"Migration {declaration.name}: legacy is at {ends[0]} and production at {ends[1]}: the copies are made by "
            f"the store itself, so both must be one store. Nothing was touched. Fix: correct endpoint_url of "
            f"{declaration.legacy.conn_id!r} or {declaration.production.conn_id!r}."
        )


def _is_own_store(endpoint: str) -> bool:
    """AWS has an endpoint a region and copies between them; any other store copies within itself."""
    return ".amazonaws.com" not in endpoint


class explained:
    """Turn an S3 error of one needed request into a message that says what fixes it."""

    def __init__(self, declaration: Declaration, what: str, right: str, store: Store) -> None:
        self.declaration, self.what, self.right, self.store = declaration, what, right, store

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, (ClientError, BotoCoreError)):
            return
        code, connection = error_code(error), f"Airflow's connection {self.store.conn_id!r}"
        fix = {
            "NoSuchBucket": f"create bucket {self.store.bucket!r}, or correct the declaration",
            "InvalidAccessKeyId": f"correct the access key of {connection}",
            "SignatureDoesNotMatch": f"correct the secret key of {connection}",
            "ExpiredToken": f"renew the session token of {connection}",
            "NoCredentialsError": f"give {connection} credentials",
            "ConnectionError": f"see that the store is up, or correct endpoint_url of {connection}",
        }.get(code, f"see that the bucket exists, and allow {self.right} there: {_policy(self.declaration)}")
        cause = PreflightRetryable if retryable(code) else PreflightFailed
        raise cause(
            f"Migration {self.declaration.name}: cannot {self.what}: {error_text(error).rstrip('.')}. "
            f"No object was touched. Fix: {fix}."
        ) from error

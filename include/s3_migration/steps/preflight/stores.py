"""The stores that a run needs: both buckets are there, may be listed, and are of one store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowNotFoundException
from botocore.exceptions import BotoCoreError, ClientError

from s3_migration.model.declaration import Declaration, Store
from s3_migration.model.error_codes import retryable
from s3_migration.s3.errors import error_code, error_text
from s3_migration.s3.hook import BulkS3Hook
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


@contextmanager
def explained(declaration: Declaration, what: str, right: str, store: Store) -> Iterator[None]:
    """Turn an S3 error of one needed request into a message that says what fixes it.

    :param what: is done, after "cannot".
    :param right: that it takes, as a policy names it.
    :raises PreflightFailed: it is refused.
    :raises PreflightRetryable: the same, and time may fix it.
    """
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        code, connection = error_code(error), f"Airflow's connection {store.conn_id!r}"
        fix = {
            "NoSuchBucket": f"create bucket {store.bucket!r}, or correct the declaration",
            "InvalidAccessKeyId": f"correct the access key of {connection}",
            "SignatureDoesNotMatch": f"correct the secret key of {connection}",
            "ExpiredToken": f"renew the session token of {connection}",
            "NoCredentialsError": f"give {connection} credentials",
            "ConnectionError": f"see that the store is up, or correct endpoint_url of {connection}",
        }.get(code, f"see that the bucket exists, and allow {right} there: {_policy(declaration)}")
        raise (PreflightRetryable if retryable(code) else PreflightFailed)(
            f"Migration {declaration.name}: cannot {what}: {error_text(error).rstrip('.')}. "
            f"No object was touched. Fix: {fix}."
        ) from error

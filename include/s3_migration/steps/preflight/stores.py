"""The stores that a run needs: both buckets are there, may be listed, and are of one store."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowNotFoundException
from botocore.exceptions import BotoCoreError, ClientError

from s3_migration.model.declaration import Declaration
from s3_migration.model.declared_store import Store
from s3_migration.model.error_codes import retryable
from s3_migration.s3.errors import STORE_ERRORS, error_code, error_text
from s3_migration.s3.hook import BulkS3Hook
from s3_migration.steps.preflight.errors import PreflightFailed, PreflightRetryable, no_connection

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

log = logging.getLogger(__name__)

# Keys that are shown with what becomes of them.
MAPPED = 3
# Uploads in a message.
MAX_NAMED = 5


def _policy(declaration: Declaration) -> str:
    return f"see the policy that `python -m s3_migration setup {declaration.name} --iam` prints"


def tell_mapping(declaration: Declaration, keys: Sequence[str]) -> None:
    """Say what becomes of a few keys: a prefix without its slash shows here."""
    prefix = declaration.legacy.prefix
    for key in sorted(keys)[:MAPPED]:
        log.info("%r will be %r", key, declaration.keys.production_key(key))
    beside = [key for key in keys if not prefix.endswith("/") and key[len(prefix) :][:1] not in {"", "/"}]
    if beside:
        log.warning(
            "prefix %r does not end with /, so that %r is below it too: it will be %r",
            prefix,
            beside[0],
            declaration.keys.production_key(beside[0]),
        )


def check_store(declaration: Declaration, side: str, hook: BulkS3Hook) -> None:
    """The bucket of this side is there, in the connection's region, and may be listed.

    :raises PreflightFailed: says which is not so, and what fixes it.
    :raises PreflightRetryable: the same, and time may fix it.
    """
    store = getattr(declaration, side)
    _refuse_access_points(declaration, side, store)
    try:
        client = hook.client
    except AirflowNotFoundException as error:
        raise no_connection(declaration, store.conn_id) from error
    regions: list[str] = []
    what = f"list {store.address}"
    try:
        with _redirects_of(client, regions), explained(declaration, what, "s3:ListBucket", store):
            found = client.list_objects_v2(Bucket=store.bucket, Prefix=store.prefix, MaxKeys=MAPPED)
        if side == "legacy":
            keys = [entry["Key"] for entry in found.get("Contents", [])]
            tell_mapping(declaration, [key for key in keys if not declaration.keys.is_canary(key)])
    except (PreflightFailed, PreflightRetryable):
        if not regions:
            raise
    if regions:
        raise PreflightFailed(
            f"Migration {declaration.name}: bucket {store.bucket!r} is in region {regions[-1]}, and Airflow's "
            f"connection {store.conn_id!r} asks {client.meta.region_name}. No object was touched. "
            f"Fix: set region_name to {regions[-1]!r} in extra of {store.conn_id!r}."
        )


def check_one_store(declaration: Declaration, legacy: BulkS3Hook, production: BulkS3Hook) -> None:
    """Both buckets are of one store.

    :raises PreflightFailed: they are not.
    """
    ends = legacy.client.meta.endpoint_url, production.client.meta.endpoint_url
    if _is_own_store(ends[0]) != _is_own_store(ends[1]) or (_is_own_store(ends[0]) and ends[0] != ends[1]):
        raise PreflightFailed(
            f"Migration {declaration.name}: legacy is at {ends[0]} and production at {ends[1]}: the copies are made by "
            f"the store itself, so both must be one store. Nothing was touched. Fix: correct endpoint_url of "
            f"{declaration.legacy.conn_id!r} or {declaration.production.conn_id!r}."
        )


def unfinished_uploads(declaration: Declaration, production: BulkS3Hook) -> str:
    """What kills have left in production, in a sentence; empty where there is nothing."""
    bucket, prefix = declaration.production.bucket, declaration.production.prefix
    try:
        left = production.unfinished_uploads(bucket, prefix)
    except (*STORE_ERRORS, AirflowNotFoundException) as error:
        return f"unfinished uploads below s3://{bucket}/{prefix} cannot be listed: {error_text(error)}"
    if not left:
        return ""
    named = ", ".join(f"{each.key!r} ({each.upload_id}, of {each.begun:%Y-%m-%d %H:%M})" for each in left[:MAX_NAMED])
    more = f" and {len(left) - MAX_NAMED} more" if len(left) > MAX_NAMED else ""
    return (
        f"{len(left)} unfinished uploads below s3://{bucket}/{prefix}, left by a copy of parts that was killed, or the "
        f"application's own: {named}{more}. They cost storage. Remove what is left: aws s3api abort-multipart-upload "
        f"--bucket {bucket} --key … --upload-id …"
    )


def _refuse_access_points(declaration: Declaration, side: str, store: Store) -> None:
    """Copy sources and policies are made from a bucket's name."""
    if store.bucket.startswith("arn:") or store.bucket.endswith(("-s3alias", "--ol-s3")):
        raise PreflightFailed(
            f"Migration {declaration.name}: {side}.bucket is {store.bucket!r}, an access point, expected the name of a "
            f"bucket. Nothing was touched. Fix: declare the bucket that the access point belongs to, and allow the "
            f"role that bucket: {_policy(declaration)}."
        )


@contextmanager
def _redirects_of(client: S3Client, regions: list[str]) -> Iterator[None]:
    """Note the regions to which requests are sent on: boto3 follows, at twice the requests."""

    def see(parsed_response: dict[str, Any] | None, **_: Any) -> None:
        said = (parsed_response or {}).get("ResponseMetadata", {})
        region = said.get("HTTPHeaders", {}).get("x-amz-bucket-region")
        if region and region != client.meta.region_name and said["HTTPStatusCode"] in {301, 307, 400}:
            regions.append(region)

    client.meta.events.register("response-received.s3.ListObjectsV2", see)
    try:
        yield
    finally:
        client.meta.events.unregister("response-received.s3.ListObjectsV2", see)


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
        declared = declaration.production
        fix = {
            "AccessControlListNotSupported": f"remove production.acl from the declaration, or let bucket "
            f"{store.bucket!r} have ACLs (Object Ownership: today its owner enforces that there are none)",
            "InvalidStorageClass": f"correct production.storage_class: the store does not know "
            f"{declared.storage_class!r}",
            "NoSuchBucket": f"create bucket {store.bucket!r}, or correct the declaration",
            "InvalidAccessKeyId": f"correct the access key of {connection}",
            "SignatureDoesNotMatch": f"correct the secret key of {connection}",
            "ExpiredToken": f"renew the session token of {connection}",
            "NoCredentialsError": f"give {connection} credentials",
            "PermanentRedirect": f"set region_name of {connection} to the bucket's region",
            "AuthorizationHeaderMalformed": f"set region_name of {connection} to the bucket's region",
            "NotImplemented": "use a store, or a proxy in front of it, that knows this request",
            "MissingContentMD5": "use a newer version of the store: this one takes no checksum but Content-MD5, which "
            "boto3 does not send",
            "ConnectionError": f"see that the store is up, or correct endpoint_url of {connection}",
        }.get(code) or (
            f"correct production.kms_key_id {declared.kms_key_id!r}: it must be an enabled key of the bucket's region"
            if code.startswith("KMS.") and store is declared and declared.kms_key_id
            else f"see the KMS key that bucket {store.bucket!r} encrypts with by default: it must be enabled"
            if code.startswith("KMS.")
            else f"see that the bucket exists, and allow {right} there: {_policy(declaration)}"
        )
        raise (PreflightRetryable if retryable(code) else PreflightFailed)(
            f"Migration {declaration.name}: cannot {what}: {error_text(error).rstrip('.')}. "
            f"No object was touched. Fix: {fix}."
        ) from error

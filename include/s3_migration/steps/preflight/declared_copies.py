"""Whether copies get what they are declared to have, seen of the canary's: a store may refuse it, or ignore it."""

from __future__ import annotations

from collections.abc import Mapping

from s3_migration.model.copy_settings import (
    ACL,
    CACHE_CONTROL,
    CONTENT_TYPE,
    ENCRYPTION,
    KMS_KEY,
    STORAGE_CLASS,
    USUAL_ACL,
)
from s3_migration.model.declaration import Declaration
from s3_migration.model.objects import STANDARD
from s3_migration.s3.acl import GROUPS, groups_of
from s3_migration.s3.hook import BulkS3Hook
from s3_migration.s3.properties import REPLACE
from s3_migration.steps.preflight.errors import PreflightFailed
from s3_migration.steps.preflight.stores import explained

# Of the canary: what replaces a header has to send all others as well.
METADATA, KEPT_METADATA = "x-amz-meta-canary", "kept"
_FIELDS = {
    ACL: "acl",
    STORAGE_CLASS: "storage_class",
    ENCRYPTION: "kms_key_id",
    KMS_KEY: "kms_key_id",
    CACHE_CONTROL: "cache_control",
    CONTENT_TYPE: "content_type",
    METADATA: "content_type",
}
_USUAL = {STORAGE_CLASS: STANDARD}


def lines_of_canary(declaration: Declaration) -> dict[str, str]:
    """Header lines of the canary's copy: all that is declared of every copy."""
    settings = declaration.production.copy_settings
    if not settings.replaces:
        return settings.lines
    cache = {CACHE_CONTROL: settings.cache_control} if settings.cache_control is not None else {}
    first = next(iter(settings.content_types.values()), None)
    types = {} if first is None else {CONTENT_TYPE: first}
    return {**cache, **types, METADATA: KEPT_METADATA, **settings.lines, **REPLACE}


def rights_of(declaration: Declaration) -> str:
    """What the copies need beside the usual rights, as a policy names it."""
    declared = declaration.production
    acl = ", s3:PutObjectAcl (and no Block Public Access, where the ACL is a public one)" if declared.acl else ""
    kms = f", kms:GenerateDataKey and kms:Decrypt of {declared.kms_key_id}" if declared.kms_key_id else ""
    return acl + kms


def require_region(declaration: Declaration, production: BulkS3Hook) -> None:
    """:raises PreflightFailed: the KMS key is in another region than the bucket."""
    arn, region = (declaration.production.kms_key_id or "").split(":"), production.client.meta.region_name
    if len(arn) > 3 and arn[3] != region:
        raise PreflightFailed(
            f"Migration {declaration.name}: production.kms_key_id is a key of region {arn[3]}, and bucket "
            f"{declaration.production.bucket!r} is in {region}: S3 encrypts with keys of the bucket's region alone. "
            f"No object was touched. Fix: declare a key of {region}."
        )


def require_arrived(declaration: Declaration, production: BulkS3Hook, key: str, headers: Mapping[str, str]) -> None:
    """The canary's copy has all that is declared.

    :param headers: of a HEAD of it.
    :raises PreflightFailed: the store ignored something of it.
    """
    for name, wanted in lines_of_canary(declaration).items():
        if name not in _FIELDS or name == ACL:
            continue
        if (found := headers.get(name, _USUAL.get(name))) != wanted:
            raise _ignored(declaration, production, _FIELDS[name], f"a HEAD of it shows {name}: {found}")
    store = declaration.production
    if groups := GROUPS.get(store.acl or USUAL_ACL):
        with explained(declaration, f"see the ACL of s3://{store.bucket}/{key}", "s3:GetObjectAcl", store):
            grants = production.client.get_object_acl(Bucket=store.bucket, Key=key)["Grants"]
        if not groups_of(grants) >= groups:
            raise _ignored(declaration, production, "acl", f"its ACL has {len(grants)} grants, none of them public")


def _ignored(declaration: Declaration, production: BulkS3Hook, field: str, seen: str) -> PreflightFailed:
    value = getattr(declaration.production, field)
    return PreflightFailed(
        f"Migration {declaration.name}: the store at {production.client.meta.endpoint_url} ignores production.{field}: "
        f"a copy was made with {value!r}, and {seen}. No object was touched. "
        f"Fix: remove production.{field} from the declaration, or use a store that keeps it."
    )

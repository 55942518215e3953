"""The two sides of a declaration: which keys of which bucket, how rows name them, how copies are made."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from s3_migration.model.copy_settings import CopySettings
from s3_migration.model.field_types import Part, Text

CannedAcl = Literal[
    "private",
    "public-read",
    "public-read-write",
    "authenticated-read",
    "aws-exec-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
]
# Of a copy in one of these nobody could read a byte before it is restored, which takes hours.
ARCHIVES = ("GLACIER", "DEEP_ARCHIVE")


def _readable(storage_class: str) -> str:
    if storage_class in ARCHIVES:
        raise ValueError("copies in it cannot be read at once, so the product would show nothing; GLACIER_IR can")
    return storage_class


def _key(arn: str) -> str:
    """No alias: what a copy was encrypted with is told by the key's own ARN."""
    if not re.fullmatch(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+", arn):
        raise ValueError("expected arn:aws:kms:REGION:ACCOUNT:key/ID, no alias (aws kms describe-key tells it)")
    return arn


def _by_suffix(types: dict[str, str]) -> dict[str, str]:
    for suffix in types:
        if not suffix.startswith(".") or suffix != suffix.lower():
            raise ValueError(f"{suffix!r}: expected suffixes in small letters, with their dot, such as .png")
    return types


# As HTTP lets a header be: visible ASCII and spaces in between.
Header = Annotated[str, Field(pattern=r"^[!-~]([ -~]*[!-~])?$")]


class Store(Part):
    """One side of the move: a prefix of a bucket, and how rows name the keys below it."""

    conn_id: Annotated[Text, Field(description="Airflow's connection, of type Amazon Web Services")]
    bucket: Text
    prefix: Annotated[Text, Field(description="keys below it take part, e.g. image/")]
    path_prefix: Annotated[Text, Field(description="what stands for the prefix in a row; default: the prefix")] = ""

    @model_validator(mode="before")
    @classmethod
    def _path_prefix_is_the_prefix_by_default(cls, value: Any) -> Any:
        # A prefix that is refused is one fault, not two.
        prefix = value.get("prefix") if isinstance(value, dict) else None
        return {"path_prefix": prefix, **value} if prefix and isinstance(prefix, str) else value

    @property
    def address(self) -> str:
        """For people."""
        return f"s3://{self.bucket}/{self.prefix}"


class Production(Store):
    """Where the copies go, and what they are made with. What is absent is as S3 does it: docs/safety.md."""

    acl: Annotated[
        CannedAcl | None,
        Field(description="canned ACL of each copy; absent: private, whatever the source has"),
    ] = None
    storage_class: Annotated[
        Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$"), AfterValidator(_readable)] | None,
        Field(description="of each copy, such as INTELLIGENT_TIERING; absent: STANDARD, whatever the source has"),
    ] = None
    kms_key_id: Annotated[
        Annotated[str, AfterValidator(_key)] | None,
        Field(description="ARN of the KMS key of each copy; absent: as production's bucket encrypts by default"),
    ] = None
    cache_control: Annotated[
        Header | None,
        Field(description="of each copy; absent: as the source has it. Costs a HEAD an object"),
    ] = None
    content_type: Annotated[
        dict[str, Header],
        AfterValidator(_by_suffix),
        Field(description="by suffix, e.g. {.png: image/png}; others: as the source. Costs a HEAD for each of these"),
    ] = {}

    @property
    def copy_settings(self) -> CopySettings:
        return CopySettings(self.acl, self.storage_class, self.kms_key_id, self.cache_control, self.content_type)

"""What S3 keeps with an object beside its bytes, and what becomes of it: the one list. docs/safety.md shows it.

CopyObject takes most of it along by itself; a copy made of parts takes nothing, so that what is `KEPT` is read and set.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from botocore.exceptions import ClientError

from s3_migration.model.error_codes import HEADER_NOT_UTF8
from s3_migration.s3.errors import CannotCopy, error_code

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Property:
    """What becomes of a property in production.

    :ivar headers: of a HEAD, in lower case; one that ends with `-` stands for all that begin so.
    :ivar single: what becomes of it in a copy up to 5 GiB; likewise `parts`, above that.
    """

    name: str
    headers: tuple[str, ...]
    single: str
    parts: str

    def is_of(self, headers: Mapping[str, str]) -> bool:
        """Whether an object with these headers of a HEAD has it."""
        return any(_is_of((self.name,), header) for header in headers)


PROPERTIES: tuple[Property, ...] = (
    Property(
        "headers",
        (
            *("cache-control", "content-disposition", "content-encoding", "content-language", "content-type"),
            "expires",
        ),
        "kept, or as declared",
        "kept, byte for byte, or as declared",
    ),
    Property("metadata", ("x-amz-meta-",), "kept", "kept, byte for byte"),
    Property("tags", ("x-amz-tagging-count",), "kept", "kept"),
    Property("website redirect", ("x-amz-website-redirect-location",), "kept where legacy is a website", "kept"),
    Property("checksum", ("x-amz-checksum-",), "made anew by S3, of the same algorithm", "made anew by S3"),
    Property(
        "storage class",
        ("x-amz-storage-class",),
        "lost: STANDARD, which can be read at once, or as declared",
        "lost: the same",
    ),
    Property(
        "encryption",
        ("x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id"),
        "lost: as production's bucket encrypts by default, or with the declared key",
        "lost: the same",
    ),
    Property("ACL", (), "lost: private, or as declared", "lost: the same"),
    Property(
        "object lock",
        ("x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date", "x-amz-object-lock-legal-hold"),
        "lost: as production's bucket locks by default; legacy's object cannot be deleted",
        "lost: the same",
    ),
    Property("annotations", (), "kept (s3:GetObjectAnnotation, s3:PutObjectAnnotation)", "lost"),
    Property("earlier versions", (), "lost: only what is there now is copied", "lost: the same"),
)
# By a copy of parts, in the order of the list.
KEPT = ("headers", "metadata", "website redirect")
REDIRECT = ("website redirect",)
# Header line that lets a copy have the headers and metadata that come with it, and none of its source's.
REPLACE = {"x-amz-metadata-directive": "REPLACE"}
# Stores other than AWS's take the question for one after the object, and send all of it.
_WITH_ANNOTATIONS = re.compile(r"\.amazonaws\.com(\.cn)?(/|:|$)")
# A HEAD shows them, and a single copy keeps them.
SHOWN = ("headers", "metadata", "tags")
# Parameter of ours: header lines as they are to be sent.
LINES = "HeaderLines"
_WRITES = ("CopyObject", "CreateMultipartUpload", "PutObject")


def read_properties(client: S3Client, bucket: str, key: str, if_match: str, *, tags: bool) -> dict[str, Any]:
    """Headers, metadata, redirect and (if so asked) tags, as parameters of a request that writes an object.

    :param client: one that `sends_header_lines`.
    :param if_match: the ETag that the object has to have, in quotes.
    :raises ClientError: they cannot be read: what is not known is not taken for absent.
    """
    kept: dict[str, Any] = {LINES: read_lines(client, bucket, key, if_match, KEPT)}
    if tags and (held := _tags(client, bucket, key)):
        kept["Tagging"] = "&".join(f"{quote(tag['Key'], safe='')}={quote(tag['Value'], safe='')}" for tag in held)
    return kept


def read_lines(client: S3Client, bucket: str, key: str, if_match: str, names: tuple[str, ...]) -> dict[str, str]:
    """The properties of these names that an object has, as header lines of a request that writes it.

    :raises ClientError: they cannot be read.
    """
    found = client.head_object(Bucket=bucket, Key=key, IfMatch=if_match)["ResponseMetadata"]["HTTPHeaders"]
    if (unshown := found.get("x-amz-missing-meta", "0")) != "0" and "metadata" in names:
        raise CannotCopy(HEADER_NOT_UTF8, f"{unshown} metadata headers that no answer can show, and so nobody can set")
    return {name: _text(value) for name, value in found.items() if _is_of(names, name)}


def sends_header_lines(client: S3Client) -> None:
    """From now on this client sends the lines of the parameter `LINES` as they are.

    boto3's own parameters take no header that is not ASCII, no Expires that is no date, and no two spellings of one.
    """

    def take(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        if LINES in params:
            context[LINES] = params.pop(LINES)

    def put(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        params["headers"].update(context.get(LINES, {}))

    for operation in _WRITES:
        client.meta.events.register_first(f"before-parameter-build.s3.{operation}", take)
        client.meta.events.register(f"before-call.s3.{operation}", put)


def shown_properties(client: S3Client, bucket: str, key: str) -> dict[str, str] | None:
    """What a HEAD shows of all that a copy keeps: headers, metadata, the number of tags. None: there is no object.

    :raises ClientError: the store refuses.
    """
    try:
        headers = client.head_object(Bucket=bucket, Key=key)["ResponseMetadata"]["HTTPHeaders"]
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return None
        raise
    return {name: value for name, value in headers.items() if _is_of(SHOWN, name)}


def count_annotations(client: S3Client, bucket: str, key: str) -> int:
    """How many annotations an object has.

    :raises ClientError: the store refuses.
    """
    if not _WITH_ANNOTATIONS.search(client.meta.endpoint_url):
        return 0
    return len(client.list_object_annotations(Bucket=bucket, Key=key).get("Annotations", []))


def _is_of(properties: tuple[str, ...], header: str) -> bool:
    names = [name for each in PROPERTIES if each.name in properties for name in each.headers]
    return any(header.startswith(name) if name.endswith("-") else header == name for name in names)


def _text(value: str) -> str:
    """The bytes of a header, which HTTP libraries take for Latin-1, as the text that boto3 sends as these bytes."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError as error:
        raise CannotCopy(HEADER_NOT_UTF8, f"{value!r} is no UTF-8, and nothing else can be set") from error


def _tags(client: S3Client, bucket: str, key: str) -> list[Any]:
    """Asked always: a HEAD without their number may be one without the right to them."""
    try:
        return list(client.get_object_tagging(Bucket=bucket, Key=key)["TagSet"])
    except ClientError as error:
        if error_code(error) in {"NotImplemented", "NoSuchTagSet", "NoSuchTagSetError"}:
            return []  # a store that has no tags
        raise

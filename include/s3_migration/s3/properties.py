"""What S3 keeps with an object beside its bytes, for the copies that do not take it along by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Fields of a HEAD, under the names by which boto3 sets them.
HEADERS = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
    "Metadata",
    "StorageClass",
    "WebsiteRedirectLocation",
)


def read_properties(client: S3Client, bucket: str, key: str, if_match: str, *, tags: bool) -> dict[str, Any]:
    """Headers, metadata and (if so asked) tags, as boto3's parameters of a request that writes an object.

    :param if_match: the ETag that the object has to have, in quotes.
    """
    head: Mapping[str, Any] = client.head_object(Bucket=bucket, Key=key, IfMatch=if_match)
    kept = {name: head[name] for name in HEADERS if head.get(name)}
    if tags and head.get("TagCount"):
        held = client.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
        kept["Tagging"] = "&".join(f"{quote(tag['Key'], safe='')}={quote(tag['Value'], safe='')}" for tag in held)
    return kept

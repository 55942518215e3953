"""The requests of one object or one page, by boto3: its answers as values, its refusals as it raises them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from botocore.exceptions import ClientError

from s3_migration.model.objects import STANDARD, S3Object
from s3_migration.s3.errors import error_code, error_status, needs_judging, required
from s3_migration.s3.pages import listed_page
from s3_migration.s3.parallel_listing import Page
from s3_migration.s3.properties import LINES
from s3_migration.s3.types import Copied, Copy, KeyAndEtag
from s3_migration.s3.website import may_be_website

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

NO_LINES: Mapping[str, str] = {}
_COMPARED_AT_ONCE = 1024 * 1024
EMPTY_ETAG = "d41d8cd98f00b204e9800998ecf8427e"
# SeaweedFS shows a folder that only the keys below it imply, but neither lists nor deletes it: it is no object.
IMPLIED_FOLDER_ETAG = f"{EMPTY_ETAG}-0"


class Boto3Requests:
    """One request a call, in the thread that calls.

    :raises ClientError: the store refuses.
    :raises BotoCoreError: it does not answer.
    """

    def __init__(self, client: S3Client) -> None:
        self.client = client

    def list_page(self, bucket: str, prefix: str, after: str = "", token: str | None = None) -> Page[S3Object]:
        """The first page of what comes after a key, or the page of a continuation token."""
        where: dict[str, Any] = {"ContinuationToken": token} if token else {"StartAfter": after} if after else {}
        page = self.client.list_objects_v2(Bucket=bucket, Prefix=prefix, EncodingType="url", **where)
        encoded = page.get("EncodingType") == "url"
        listed = [
            S3Object(
                unquote_plus(entry["Key"], errors="surrogateescape") if encoded else entry["Key"],
                entry["Size"],
                entry["ETag"].strip('"'),
                entry["LastModified"].isoformat(),
                entry.get("StorageClass", STANDARD),
            )
            for entry in page.get("Contents", [])
        ]
        place, following = f"s3://{bucket}/{prefix}", page.get("NextContinuationToken")
        truncated = page.get("IsTruncated", False)
        return listed_page(place, after, token, listed, truncated=truncated, token=following)

    def head(self, bucket: str, key: str) -> S3Object | None:
        """The object now; None only where the store says 404."""
        answer = self._head(bucket, key)
        if answer is None:
            return None
        return object_of_head(key, answer["ContentLength"], answer["ETag"], answer["LastModified"])

    def head_any(self, bucket: str, key: str) -> S3Object | None:
        """As `head`, of keys that may be no legal ones: rows can name anything."""
        try:
            return self.head(bucket, key)
        except ClientError as error:
            if error_status(error) != 400:
                raise
        # A key that the store cannot hold, or an expired token, about which a HEAD has no word: a listing tells.
        return next((entry for entry in self.list_page(bucket, key).entries if entry.key == key), None)

    def look(self, bucket: str, key: str) -> Mapping[str, str] | None:
        """All headers of a HEAD, checksums included; None: there is no object."""
        answer = self._head(bucket, key, ChecksumMode="ENABLED")
        return None if answer is None else answer["ResponseMetadata"]["HTTPHeaders"]

    def _head(self, bucket: str, key: str, **asked: Any) -> HeadObjectOutputTypeDef | None:
        try:
            return self.client.head_object(Bucket=bucket, Key=key, **asked)
        except ClientError as error:
            if error_status(error) == 404 and needs_judging(error):  # and not for want of a bucket
                return None
            raise

    def same_bytes(self, source_bucket: str, source: KeyAndEtag, bucket: str, target: KeyAndEtag) -> bool:
        """Whether both hold the same bytes: all of them are fetched.

        :raises ClientError: 404, 412: one of them was rewritten since it was looked at.
        """
        get = self.client.get_object
        first = get(Bucket=source_bucket, Key=source[0], IfMatch=f'"{source[1]}"')["Body"]
        second = get(Bucket=bucket, Key=target[0], IfMatch=f'"{target[1]}"')["Body"]
        with first, second:
            while True:
                one, other = first.read(_COMPARED_AT_ONCE), second.read(_COMPARED_AT_ONCE)
                if one != other:
                    return False
                if not one:
                    return True

    def may_be_website(self, bucket: str) -> bool:
        """Whether its objects may have redirects."""
        try:
            self.client.get_bucket_website(Bucket=bucket)
        except ClientError as error:
            return may_be_website(error_code(error))
        return True

    def copy(self, source_bucket: str, bucket: str, copy: Copy, lines: Mapping[str, str] = NO_LINES) -> Copied:
        """Up to 5 GiB.

        :param lines: headers to send with it.
        """
        answer = self.client.copy_object(
            Bucket=bucket,
            Key=copy.target,
            CopySource={"Bucket": source_bucket, "Key": copy.key},
            CopySourceIfMatch=copy.source_condition,
            **copy.condition,
            **{LINES: lines},  # type: ignore[arg-type]
        )
        modified = required(answer, "CopyObjectResult", "LastModified")
        return Copied(required(answer, "CopyObjectResult", "ETag").strip('"'), modified.isoformat())


def object_of_head(key: str, size: int, etag: str, modified: datetime) -> S3Object | None:
    """What a HEAD shows, if it is an object."""
    etag = etag.strip('"')
    if key.endswith("/") and etag == IMPLIED_FOLDER_ETAG:
        return None
    return S3Object(key, size, etag, modified.isoformat())

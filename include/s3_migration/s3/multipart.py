"""Copies of objects above 5 GiB, which CopyObject does not take: made of parts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from s3_migration.model.copy_settings import CopySettings
from s3_migration.s3.errors import STORE_ERRORS, as_echoed, required
from s3_migration.s3.properties import LINES, read_properties
from s3_migration.s3.types import Copied, Copy

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

MAX_PARTS = 10_000


class Upload(NamedTuple):
    """One that was begun, and neither completed nor given up."""

    key: str
    upload_id: str
    begun: datetime


def unfinished_uploads(client: S3Client, bucket: str, prefix: str) -> list[Upload]:
    """Below the prefix, the first thousand.

    :raises ClientError: the store refuses.
    :raises BotoCoreError: it does not answer.
    """
    found = client.list_multipart_uploads(Bucket=bucket, Prefix=prefix).get("Uploads", [])
    return [Upload(each["Key"], each["UploadId"], each["Initiated"]) for each in found]


class MultipartCopier:
    """One copy a call, under the same conditions as a single request's; its parts one after the other.

    :param part_size: bytes of a part, or more where there would be too many of them.
    :param settings: what copies are made with.
    """

    def __init__(
        self, client: S3Client, source_bucket: str, bucket: str, part_size: int, settings: CopySettings
    ) -> None:
        self._client, self._source_bucket, self._bucket = client, source_bucket, bucket
        self._part_size, self._settings = part_size, settings

    def copy(self, copy: Copy) -> Copied:
        """What a single copy takes along by itself is read and set.

        :raises ClientError: the store refuses; no upload is left behind, as far as it can be given up.
        :raises BotoCoreError: it does not answer.
        :raises IncompleteResponse: it does not say what it made.
        """
        kept = read_properties(self._client, self._source_bucket, copy.key, copy.source_condition, tags=True)
        kept[LINES] |= {**self._settings.replaced(copy.key), **self._settings.lines}
        target: dict[str, Any] = {"Bucket": self._bucket, "Key": copy.target}
        upload = self._begin(target, kept)
        try:
            parts = [self._copy_part(copy, upload, *part) for part in enumerate(self._ranges(copy.version.size), 1)]
            made = self._client.complete_multipart_upload(
                **target, UploadId=upload, MultipartUpload={"Parts": parts}, **copy.condition
            )
        except BaseException:
            self._abort(target, {upload})
            raise
        etag = required(made, "ETag")
        head = self._client.head_object(**target, IfMatch=etag)
        return Copied(etag.strip('"'), head["LastModified"].isoformat())

    def _begin(self, target: dict[str, Any], kept: dict[str, Any]) -> str:
        """Begin an upload; those whose answer was lost are given up, since each try begins another."""
        before = self._uploads(target)
        try:
            answer = self._client.create_multipart_upload(**target, **kept)
            upload: str = required(answer, "UploadId")
        except STORE_ERRORS:
            self._abort(target, self._uploads(target) - before)
            raise
        if answer["ResponseMetadata"].get("RetryAttempts"):
            self._abort(target, self._uploads(target) - before - {upload})
        return upload

    def _uploads(self, target: dict[str, Any]) -> set[str]:
        """Of this key; none where they may not be listed."""
        with suppress(*STORE_ERRORS):
            found = unfinished_uploads(self._client, self._bucket, target["Key"])
            return {each.upload_id for each in found if as_echoed(each.key) == as_echoed(target["Key"])}
        return set()

    def _abort(self, target: dict[str, Any], uploads: set[str]) -> None:
        for upload in uploads:
            with suppress(*STORE_ERRORS):  # why it failed matters more
                self._client.abort_multipart_upload(**target, UploadId=upload)

    def _copy_part(self, copy: Copy, upload: str, number: int, byte_range: str) -> CompletedPartTypeDef:
        answer = self._client.upload_part_copy(
            Bucket=self._bucket,
            Key=copy.target,
            UploadId=upload,
            PartNumber=number,
            CopySource={"Bucket": self._source_bucket, "Key": copy.key},
            CopySourceIfMatch=copy.source_condition,
            CopySourceRange=byte_range,
        )
        return {"PartNumber": number, "ETag": required(answer, "CopyPartResult", "ETag")}

    def _ranges(self, size: int) -> Iterator[str]:
        length = max(self._part_size, -(-size // MAX_PARTS))
        for first in range(0, size, length):
            yield f"bytes={first}-{min(first + length, size) - 1}"

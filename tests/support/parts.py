"""An object uploaded in parts, whose ETag is therefore not the MD5 of its bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def upload_in_parts(s3: Any, bucket: str, key: str, parts: Sequence[bytes], **properties: Any) -> str:
    """Upload one object; answers its ETag without quotes.

    :param properties: boto3's parameters of CreateMultipartUpload: metadata, tags.
    """
    target = {"Bucket": bucket, "Key": key}
    target["UploadId"] = s3.create_multipart_upload(**target, **properties)["UploadId"]
    uploaded = [
        {"PartNumber": number, "ETag": s3.upload_part(**target, PartNumber=number, Body=part)["ETag"]}
        for number, part in enumerate(parts, start=1)
    ]
    made = s3.complete_multipart_upload(**target, MultipartUpload={"Parts": uploaded})
    return str(made["ETag"]).strip('"')

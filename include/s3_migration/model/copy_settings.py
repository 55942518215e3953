"""How copies are made, where that is not to be as S3 makes them by itself. Pure.

By itself CopyObject takes headers, metadata and tags from its source, and gives the copy an ACL of its owner alone
(`private`), the class STANDARD and the encryption of production's bucket.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ACL, STORAGE_CLASS = "x-amz-acl", "x-amz-storage-class"
ENCRYPTION, KMS_KEY = "x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id"
CACHE_CONTROL, CONTENT_TYPE = "cache-control", "content-type"
# What S3 gives a copy of which nothing is said.
USUAL_ACL = "private"


@dataclass(frozen=True)
class CopySettings:
    """What is said of the copies.

    :ivar acl: canned; likewise `storage_class`.
    :ivar kms_key_id: ARN of the key that copies are encrypted with.
    :ivar content_types: by suffix in small letters; the longest that fits.
    """

    acl: str | None = None
    storage_class: str | None = None
    kms_key_id: str | None = None
    cache_control: str | None = None
    content_types: Mapping[str, str] = field(default_factory=dict)

    @property
    def lines(self) -> dict[str, str]:
        """Header lines of every request that makes a copy."""
        kms = {ENCRYPTION: "aws:kms", KMS_KEY: self.kms_key_id} if self.kms_key_id else {}
        said = {ACL: self.acl, STORAGE_CLASS: self.storage_class, **kms}
        return {name: value for name, value in said.items() if value is not None}

    @property
    def replaces(self) -> bool:
        """Whether there is an object of which a header is replaced."""
        return self.cache_control is not None or bool(self.content_types)

    def replaced(self, key: str) -> dict[str, str]:
        """Headers of the object that take the place of its own. With any, all others have to be read and sent too."""
        suffixes = [suffix for suffix in self.content_types if key.lower().endswith(suffix)]
        found = {CONTENT_TYPE: self.content_types[max(suffixes, key=len)]} if suffixes else {}
        return {CACHE_CONTROL: self.cache_control, **found} if self.cache_control is not None else found


AS_S3 = CopySettings()

"""Thousands of objects, by as few requests, or as light ones, as there can be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from devstack.http_client import Signer, send_all
from devstack.http_messages import run


def put_many(endpoint_url: str, signer: Signer, bucket: str, keys: Sequence[str]) -> None:
    """Each with its key as its body."""
    answers: Counter[int] = Counter()
    requests = (signer.put(endpoint_url, bucket, key, {}, key.encode()) for key in keys)
    run(send_all(endpoint_url, requests, 16, lambda status, _: answers.update([status])))
    assert answers == {200: len(keys)}


def delete_many(s3: Any, bucket: str, keys: Iterable[str]) -> None:
    """A thousand at once, and each by itself whose key XML may not be able to say."""
    plain, others = [], []
    for key in keys:
        (plain if key.isprintable() and key.strip() == key else others).append(key)
    for first in range(0, len(plain), 1000):
        entries = [{"Key": key} for key in plain[first : first + 1000]]
        assert "Errors" not in s3.delete_objects(Bucket=bucket, Delete={"Objects": entries, "Quiet": True})
    for key in others:
        s3.delete_object(Bucket=bucket, Key=key)

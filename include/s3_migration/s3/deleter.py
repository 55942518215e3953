"""Conditional deletions: each key only while it still has the ETag that was proven, and only until a moment."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace

from s3_migration.model.error_codes import EXPIRED, INCOMPLETE_RESPONSE, Then, then
from s3_migration.s3.boto3_requests import Boto3Requests
from s3_migration.s3.errors import STORE_ERRORS, error_code, error_text, refusal
from s3_migration.s3.expiry import ExpiringSigner, Expiry
from s3_migration.s3.threads import Threads
from s3_migration.s3.types import BATCH, DeleteResult, Deletions, KeyAndEtag

# Such a key cannot be named in a DeleteObjects body for every store: XML 1.0 has no way to write most control
# characters, and white space at either end is trimmed by some parsers.
_NO_XML = re.compile("[^\x20-\x7e\x80-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|^\\s|\\s$")


class Deleter:
    """Deletions from one bucket.

    :param signer: None where this connection's requests cannot be made to expire.
    """

    def __init__(self, requests: Boto3Requests, signer: ExpiringSigner | None, threads: Threads, bucket: str) -> None:
        self._requests, self._signer, self._threads, self._bucket = requests, signer, threads, bucket

    def delete(self, versions: Sequence[KeyAndEtag], until: float) -> Deletions:
        """A thousand keys a request; those that its XML cannot name, by themselves.

        :param until: time.monotonic() after which nothing is sent, and what was sent is refused.
        """
        if versions and self._signer is not None and not self._signer.knows_time:
            with suppress(*STORE_ERRORS):
                self._requests.head(self._bucket, versions[0][0])  # any answer tells
        single = [pair for pair in versions if _NO_XML.search(pair[0])]
        bulk = [pair for pair in versions if not _NO_XML.search(pair[0])]
        batches = [bulk[first : first + BATCH] for first in range(0, len(bulk), BATCH)]
        work: list[tuple[Callable[..., list[DeleteResult]], Sequence[KeyAndEtag]]] = [
            *((self._delete_batch, batch) for batch in batches),
            *((self._delete_one, [pair]) for pair in single),
        ]
        expiries = [Expiry(until) for _ in work]
        asked = [
            self._threads.submit(self._until, expiry, send, pairs)
            for expiry, (send, pairs) in zip(expiries, work, strict=True)
        ]
        etags = dict(versions)
        results = [self._explain(result, etags[result.key]) for each in asked for result in each.result()]
        return Deletions(results, under_way=any(expiry.under_way for expiry in expiries))

    def refuses_late(self, key: str, etag: str) -> bool:
        """Whether the store refuses a deletion of this version since it comes a minute after its expiry."""
        expiry = Expiry(time.monotonic() + 60, ago=120)
        result = self._until(expiry, self._delete_one, [(key, etag)])[0]
        return result.code == EXPIRED

    def _until(
        self, expiry: Expiry, send: Callable[..., list[DeleteResult]], pairs: Sequence[KeyAndEtag]
    ) -> list[DeleteResult]:
        within: AbstractContextManager[None] = self._signer.expiring(expiry) if self._signer else nullcontext()
        with within:
            return send(pairs)

    def _delete_batch(self, batch: Sequence[KeyAndEtag]) -> list[DeleteResult]:
        """The per-key errors stand inside a 200."""
        try:
            answer = self._requests.client.delete_objects(
                Bucket=self._bucket, Delete={"Objects": [{"Key": key, "ETag": f'"{etag}"'} for key, etag in batch]}
            )
        except STORE_ERRORS as error:
            return [_failed(key, error) for key, _ in batch]
        gone = {entry["Key"] for entry in answer.get("Deleted", [])}
        errors = {entry["Key"]: entry for entry in answer.get("Errors", [])}
        results = []
        for key, _ in batch:
            if key in gone and key not in errors:
                results.append(DeleteResult(key))
                continue
            refused = errors.get(key, {})
            said = refusal(0, refused.get("Code", INCOMPLETE_RESPONSE), refused.get("Message", ""))
            results.append(DeleteResult(key, "failed", code=said.code, detail=f"{said.code}: {said.message}"))
        return results

    def _delete_one(self, pairs: Sequence[KeyAndEtag]) -> list[DeleteResult]:
        ((key, etag),) = pairs
        try:
            self._requests.client.delete_object(Bucket=self._bucket, Key=key, IfMatch=f'"{etag}"')
        except STORE_ERRORS as error:
            return [_failed(key, error)]
        return [DeleteResult(key)]

    def _explain(self, result: DeleteResult, etag: str) -> DeleteResult:
        """What a refusal means, by what is there now."""
        if not result.problem or then(result.code) is not Then.JUDGE:
            return result  # a refused condition may mean: deleted already, or rewritten since
        try:
            now = self._requests.head(self._bucket, result.key)
        except STORE_ERRORS as error:
            return _failed(result.key, error)
        if now is None:
            return DeleteResult(result.key)
        return replace(result, problem="changed", now=now) if now.etag != etag else result


def _failed(key: str, error: Exception) -> DeleteResult:
    return DeleteResult(key, "failed", code=error_code(error), detail=error_text(error))

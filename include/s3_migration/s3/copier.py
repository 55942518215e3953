"""Conditional copies: each is made, or judged by what both sides hold (model/copy_refusal.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from botocore.exceptions import ClientError

from s3_migration.model.checksums import compare_checksums
from s3_migration.model.copy_refusal import Verdict, judge_refusal
from s3_migration.model.copy_settings import CopySettings
from s3_migration.model.error_codes import KEY_NOT_STORABLE
from s3_migration.model.objects import S3Object, Version
from s3_migration.model.storable_key import is_name, legible
from s3_migration.s3.boto3_requests import EMPTY_ETAG, Boto3Requests
from s3_migration.s3.errors import STORE_ERRORS, CannotCopy, error_code, error_status, error_text, needs_judging
from s3_migration.s3.multipart import MultipartCopier
from s3_migration.s3.pipeline import Pipeline
from s3_migration.s3.properties import KEPT, LINES, REDIRECT, REPLACE, read_lines, read_properties
from s3_migration.s3.transport import Transport
from s3_migration.s3.types import Copied, Copy, CopyResult
from s3_migration.s3.website import Website

# CopyObject takes objects up to 5 GiB; above that the copy is made of parts.
COPY_LIMIT = 5 * 1024**3
# Bytes above which a copy may take the store so long that it needs a read time-out a part, not one for all of it.
QUICK = 256 * 1024**2
# A live product may rewrite an object while it is copied; past this many tries a person is told.
MAX_TRIES = 5
_NOT_STORABLE = (
    "the key, {!r} with each %XX for one byte, holds U+0000 or is no UTF-8: PostgreSQL cannot store it, so that no row "
    "names it"
)


class Copier:
    """Copies from one bucket to another.

    :param copy_limit: bytes above which a copy is made of parts.
    :param part_size: bytes of a part.
    :param website: whether an object may have a redirect, which a copy loses unless it is read and set.
    :param settings: what copies are made with.
    """

    def __init__(
        self,
        transport: Transport,
        requests: Boto3Requests,
        source_bucket: str,
        bucket: str,
        *,
        copy_limit: int,
        part_size: int,
        website: Website,
        settings: CopySettings,
    ) -> None:
        self._transport, self._requests = transport, requests
        self._source_bucket, self._bucket = source_bucket, bucket
        self._copy_limit = copy_limit
        self._multipart = MultipartCopier(requests.client, source_bucket, bucket, part_size, settings)
        self._website, self._settings = website, settings
        self._lines_of_all = settings.lines

    def start(self, copy: Copy, pipeline: Pipeline[CopyResult]) -> None:
        """Start one copy, whose result the pipeline gets."""
        threads = self._transport.threads
        if is_name(copy.key):
            pipeline.answer(_failed(copy, CannotCopy(KEY_NOT_STORABLE, _NOT_STORABLE.format(legible(copy.key)))))
            return
        if self._website.known is None:
            self._website.when_known(partial(self._go_on, copy, pipeline))
            return
        large = copy.version.size > min(self._copy_limit, QUICK)
        if large or self._website.known or self._settings.replaced(copy.key):
            threads.start(partial(self._copy, copy), pipeline.answer, pipeline.given_up, in_window=True)
            return

        def answered(outcome: Copied | Exception) -> None:
            if not isinstance(outcome, Exception):
                pipeline.answer(_made(copy, outcome))
            elif needs_judging(outcome):
                threads.start(partial(self._copy, copy, outcome), pipeline.answer, pipeline.given_up)
            elif isinstance(outcome, STORE_ERRORS):
                pipeline.answer(_failed(copy, outcome))
            else:
                pipeline.answer(outcome)

        self._transport.start_copy(
            self._source_bucket, self._bucket, copy, self._lines_of_all, answered, pipeline.given_up
        )

    def _go_on(self, copy: Copy, pipeline: Pipeline[CopyResult], error: Exception | None) -> None:
        """Once it is known whether there may be redirects; or not, since nobody answers."""
        if error is None:
            self.start(copy, pipeline)
        else:
            pipeline.answer(_failed(copy, error) if isinstance(error, STORE_ERRORS) else error)

    def _copy(self, copy: Copy, refusal: Exception | None = None) -> CopyResult:
        """:param refusal: what the store said to the first try, where that was made."""
        try:
            return self._copy_until_judged(copy, refusal)
        except STORE_ERRORS as error:
            return _failed(copy, error)

    def _copy_until_judged(self, copy: Copy, refusal: Exception | None) -> CopyResult:
        for _ in range(MAX_TRIES):
            if refusal is None:
                try:
                    return _made(copy, self._send(copy))
                except ClientError as error:
                    if not needs_judging(error):
                        raise
                    refusal = error
            refused, status, refusal = error_text(refusal), error_status(refusal), None
            source = self._requests.head(self._source_bucket, copy.key)
            target = self._requests.head(self._bucket, copy.target)
            verdict = self._judge(copy, source, target)
            if result := _final(copy, verdict, target, refused):
                return result
            following = _next_try(copy, verdict, source, target)
            is_folder_marker = copy.key.endswith("/") and copy.version == Version(0, EMPTY_ETAG)
            if following is copy and status == 404 and is_folder_marker:
                return _made(copy, self._put_folder_marker(copy))
            copy = following
        return CopyResult(
            copy,
            problem="changed" if verdict is Verdict.REWRITTEN else "failed",
            detail=f"{MAX_TRIES} tries, last {refused}",
            code="ConditionalRequestConflict",
        )

    def _send(self, copy: Copy) -> Copied:
        if copy.version.size > self._copy_limit:
            return self._multipart.copy(copy)
        return self._requests.copy(self._source_bucket, self._bucket, copy, self._lines(copy))

    def _lines(self, copy: Copy) -> Mapping[str, str]:
        """What is said of a copy by a single request: what it does not take from its source by itself."""
        replaced = self._settings.replaced(copy.key)
        if not replaced and not self._website.known:
            return self._lines_of_all
        names = KEPT if replaced else REDIRECT  # who replaces one header has to send all of them
        client, source = self._requests.client, copy.source_condition
        kept = read_lines(client, self._source_bucket, copy.key, source, names)
        return {**kept, **replaced, **self._lines_of_all, **(REPLACE if replaced else {})}

    def _judge(self, copy: Copy, source: S3Object | None, target: S3Object | None) -> Verdict:
        verdict = judge_refusal(
            copy.version, copy.replaces, source.version if source else None, target.version if target else None
        )
        if verdict is not Verdict.COMPARE or not source or not target:
            return verdict
        try:
            same = self._same(source, target)
        except ClientError as error:
            if error_status(error) in {404, 412}:
                return Verdict.RETRY  # one of them was rewritten since it was looked at
            raise
        if same:
            return Verdict.SAME
        return Verdict.SUPERSEDED if copy.replaces else Verdict.CONFLICT

    def _same(self, source: S3Object, target: S3Object) -> bool:
        """By their checksums; where these cannot tell, by their bytes."""
        looks = self._requests.look(self._source_bucket, source.key), self._requests.look(self._bucket, target.key)
        of_now = all(
            look is not None and look.get("etag", "").strip('"') == seen.etag
            for look, seen in zip(looks, (source, target), strict=True)
        )
        if of_now and (said := compare_checksums(looks[0] or {}, looks[1] or {}).same) is not None:
            return said
        ends = (source.key, source.etag), (target.key, target.etag)
        return self._requests.same_bytes(self._source_bucket, ends[0], self._bucket, ends[1])

    def _put_folder_marker(self, copy: Copy) -> Copied:
        """SeaweedFS lists folder markers and shows them, but says NoSuchKey to their copy."""
        client = self._requests.client
        kept = read_properties(client, self._source_bucket, copy.key, copy.source_condition, tags=False)
        kept[LINES] |= {**self._settings.replaced(copy.key), **self._lines_of_all}
        target = {"Bucket": self._bucket, "Key": copy.target, "Body": b"", **kept}
        try:
            put = client.put_object(**target, **copy.condition)
        except ClientError as error:
            if error_code(error) != "PreconditionFailed" or self._requests.head(self._bucket, copy.target) is not None:
                raise
            put = client.put_object(**target)  # refused for the sake of a folder that is only implied
        made = client.head_object(Bucket=self._bucket, Key=copy.target)
        return Copied(put["ETag"].strip('"'), made["LastModified"].isoformat())


def _made(copy: Copy, made: Copied) -> CopyResult:
    return CopyResult(copy, Version(copy.version.size, made.etag), made.modified)


def _failed(copy: Copy, error: Exception) -> CopyResult:
    return CopyResult(copy, problem="failed", detail=error_text(error), code=error_code(error))


def _final(copy: Copy, verdict: Verdict, target: S3Object | None, refused: str) -> CopyResult | None:
    """What became of a refused copy; None where it has to be tried again."""
    if verdict is Verdict.GONE:
        return CopyResult(copy, problem="withdrawn", detail=refused)
    if verdict is Verdict.SAME and target:
        return CopyResult(copy, target.version, target.modified, requested=False)
    if verdict in {Verdict.SUPERSEDED, Verdict.CONFLICT} and target:
        held = f"production holds {target.size} bytes, ETag {target.etag}, since {target.modified}"
        return CopyResult(copy, problem=verdict.value, detail=held)
    return None


def _next_try(copy: Copy, verdict: Verdict, source: S3Object | None, target: S3Object | None) -> Copy:
    """The copy to ask for next, by what both sides hold now."""
    if verdict is Verdict.REWRITTEN and source:
        # What was to be copied is there: an earlier try of ours, whose mark a crash lost.
        ours = target is not None and target.version == copy.version
        return replace(copy, version=source.version, replaces=target.etag if ours and target else copy.replaces)
    if copy.replaces and target is None:
        return replace(copy, replaces=None)  # our earlier copy is gone, and legacy still has the object
    return copy

"""verify: checksum: the bytes of each copy are proven, once: by checksum, by equal ETags, or by fetching both."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from s3_migration.ledger import verification
from s3_migration.ledger.verification import Proven, Unproven
from s3_migration.model.checksums import compare_checksums
from s3_migration.s3.errors import STORE_ERRORS, error_status
from s3_migration.s3.types import BATCH
from s3_migration.steps.progress import Progress
from s3_migration.steps.run import Run

log = logging.getLogger(__name__)


def prove_bytes(run: Run) -> None:
    """Prove what is to be proven and was not. What was rewritten since it was listed is left to the next proof.

    Each batch is marked as it comes: who is killed begins with the next one.
    """
    if run.declaration.verify != "checksum" or not run.mode.copies:
        return
    after, done, progress = "", 0, Progress()
    while found := verification.find_unproven_bytes(run.ledger, after, BATCH):
        after = found[-1].legacy_key
        proven = list(_prove(run, found))
        with run.ledger.batch():
            run.lease.fence()
            verification.mark_bytes(run.ledger, [each for each, _ in proven])
            for how, number in Counter(how for _, how in proven).items():
                run.tally(f"proven by {how}", number)
        done += len(proven)
        run.stop_if_asked()
        progress.tell("the bytes of %d copies proven", done)
    if done:
        log.info("the bytes of %d copies proven", done)


def _prove(run: Run, found: Sequence[Unproven]) -> Iterator[tuple[Proven, str]]:
    """Each with what proved it."""
    legacy = run.legacy.look(run.legacy_bucket, [each.legacy_key for each in found])
    copies = [run.keys.production_key(each.legacy_key) for each in found]
    production = run.production.look(run.production_bucket, copies)
    by_bytes: list[Unproven] = []
    for each, copy in zip(found, copies, strict=True):
        original, made = legacy.get(each.legacy_key), production.get(copy)
        if not original or not made or (_etag(original), _etag(made)) != each[1:]:
            continue
        said = compare_checksums(original, made)
        if said.same is not None:
            yield Proven(each, said.same, said.why), "checksum"
        elif each.legacy_etag == each.production_etag:
            yield Proven(each, True, ""), "ETag"
        else:
            by_bytes.append(each)
    threads = run.production.transport.threads
    asked = [threads.submit(_same_bytes, run, each) for each in by_bytes]
    for each, answer in zip(by_bytes, asked, strict=True):
        if (same := answer.result()) is not None:
            yield Proven(each, same, "all bytes of legacy and of the copy were fetched, and differ"), "bytes"


def _same_bytes(run: Run, each: Unproven) -> bool | None:
    """None: one of them was rewritten, or is gone."""
    original, copy = (
        (each.legacy_key, each.legacy_etag),
        (run.keys.production_key(each.legacy_key), each.production_etag),
    )
    try:
        return run.production.same_bytes(run.legacy_bucket, original, run.production_bucket, copy)
    except STORE_ERRORS as error:
        if error_status(error) in {404, 412}:
            return None
        raise


def _etag(headers: Mapping[str, str]) -> str:
    return headers.get("etag", "").strip('"')

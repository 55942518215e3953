"""verify: checksum: the bytes of each copy are proven, once: by checksum, by equal ETags, or by fetching both."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import ClientError

from s3_migration.ledger import verification
from s3_migration.ledger.verification import Proven, Unproven
from s3_migration.model.checksums import compare_checksums
from s3_migration.model.error_codes import retryable
from s3_migration.s3.errors import STORE_ERRORS, error_code, error_status, error_text
from s3_migration.s3.hook import Look
from s3_migration.s3.types import BATCH
from s3_migration.steps.progress import Progress
from s3_migration.steps.run import Run

log = logging.getLogger(__name__)

# Objects of which both contents are fetched before it is written down what became of them.
FETCHED_TOGETHER = 16
# How often both are fetched from the start where the connection breaks in the middle.
FETCHES = 3
# A verdict, and what it was found by; None where nobody could tell.
Found = tuple[Proven, str | None]


def prove_bytes(run: Run) -> None:
    """Prove what is to be proven of the run's chunk, and was not: each as it comes, so that who is killed goes on.

    One object that nobody may look at holds up no other: it stays unproven, and so in legacy, with the reason in its
    `detail`. What was rewritten since it was listed is left to the next proof.

    :raises ClientError: the store refuses what time may fix; the same of BotoCoreError.
    """
    if run.declaration.verify != "checksum" or not run.mode.copies:
        return
    after, done, progress = "", Counter[str](), Progress()
    while found := verification.find_unproven_bytes(run.ledger, run.chunk, after, BATCH):
        after = found[-1].legacy_key
        for results in _prove(run, found):
            _mark(run, results)
            done.update("not proven" if not each.same else "proven" for each, _ in results)
            run.stop_if_asked()
        progress.tell("bytes of copies: %s", dict(done))
    if done:
        log.info("bytes of copies: %s", ", ".join(f"{number} {what}" for what, number in done.items()))


def _mark(run: Run, results: Sequence[Found]) -> None:
    with run.ledger.batch():
        run.lease.fence()
        verification.mark_bytes(run.ledger, [each for each, _ in results])
        for how, number in Counter(how for each, how in results if each.same and how).items():
            run.tally(f"proven by {how}", number)


def _prove(run: Run, found: Sequence[Unproven]) -> Iterator[list[Found]]:
    """What HEADs tell; then, some at a time, what only all bytes do."""
    copies = {each: run.keys.production_key(each.legacy_key) for each in found}
    with ThreadPoolExecutor(1) as beside:
        asked = beside.submit(run.legacy.look, run.legacy_bucket, [each.legacy_key for each in found])
        production = run.production.look(run.production_bucket, list(copies.values()))
        legacy = asked.result()
    told: list[Found] = []
    by_bytes: list[Unproven] = []
    for each in found:
        original, copy = legacy[each.legacy_key], production[copies[each]]
        refused = next((seen for seen in (original, copy) if isinstance(seen, Exception)), None)
        if refused is not None:
            told.append(_unknown(each, refused))
        elif isinstance(original, Mapping) and isinstance(copy, Mapping) and _etag(original) == each.legacy_etag:
            said, known = compare_checksums(original, copy), _etag(copy) == each.production_etag
            if said.same or (said.same is not None and known):
                told.append((Proven(each, said.same, said.why), "checksum"))
            elif known and each.legacy_etag == each.production_etag:
                told.append((Proven(each, True), "ETag"))
            elif known:
                by_bytes.append(each)
    yield told
    threads = run.production.transport.threads
    for start in range(0, len(by_bytes), FETCHED_TOGETHER):
        some = by_bytes[start : start + FETCHED_TOGETHER]
        fetched = [threads.submit(_fetch_both, run, each) for each in some]
        yield [result for each in fetched if (result := each.result()) is not None]


def _fetch_both(run: Run, each: Unproven) -> Found | None:
    """None: one of them was rewritten, or is gone."""
    original = each.legacy_key, each.legacy_etag
    copy = run.keys.production_key(each.legacy_key), each.production_etag
    for left in reversed(range(FETCHES)):
        try:
            same = run.production.same_bytes(run.legacy_bucket, original, run.production_bucket, copy)
        except STORE_ERRORS as error:
            if error_status(error) in {404, 412}:
                return None
            if isinstance(error, ClientError) or not left:
                return _unknown(each, error)
        else:
            return Proven(each, same, None if same else "all bytes of both were fetched, and differ"), "bytes"
    return None


def _unknown(each: Unproven, error: Exception) -> Found:
    """:raises Exception: the error, where time may fix it."""
    if not isinstance(error, STORE_ERRORS) or retryable(error_code(error)):
        raise error
    return Proven(each, None, f"its bytes are not proven: {error_text(error)}"), None


def _etag(headers: Look) -> str:
    return headers.get("etag", "").strip('"')

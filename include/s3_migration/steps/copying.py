"""copy_chunk: what production lacks of a chunk, copied and marked batch by batch."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing

from s3_migration.ledger import copying
from s3_migration.model.declaration import Declaration
from s3_migration.model.error_codes import retryable
from s3_migration.model.objects import Version
from s3_migration.model.states import Step
from s3_migration.s3.types import BATCH, Copy, CopyResult
from s3_migration.steps.completeness import Incomplete, IncompleteRetryable, require_complete
from s3_migration.steps.progress import Progress, labelled, place
from s3_migration.steps.run import Run, working

log = logging.getLogger(__name__)

# This many answers in a row, and nothing but one and the same error: the cause is not in the objects.
MAX_SAME_ERRORS = 200
# With what is in flight, what a kill makes the next try repeat at the most: a thousand.
MARKED_TOGETHER = 500


class SameErrorFailed(Incomplete):
    """Every request met the same error; the rest was not tried."""


class SameErrorRetryable(IncompleteRetryable):
    """The same, with an error that time fixes."""


def copy_chunk(
    declaration: Declaration, run_id: str, chunk: int, label: Callable[[str], None], *, retries_left: bool = False
) -> None:
    """Copy what is not copied of one chunk. `label` is told the range, then what became of it."""
    with working(declaration, run_id, "copy", chunk, retries_left=retries_left) as run, labelled(run, label):
        if run.mode.copies:
            copying.reclaim(run.ledger, run.chunk)
            copy_uncopied(run)
        require_complete(run, Step.COPY, retry=True)


def copy_uncopied(run: Run, problem: str | None = None) -> None:
    """Attempt every copy that is missing in the run's chunk (or in all of the run).

    :param problem: only the objects of this problem.
    :raises SameErrorFailed: nothing but one and the same error came back.
    """
    begun, done, same_error, progress = time.monotonic(), 0, SameError(), Progress()
    results: list[CopyResult] = []

    def mark_results() -> None:
        with run.ledger.batch():
            run.lease.fence()
            mark(run, results)
        results.clear()
        run.pacer.adjust()

    copies = _copies(run, problem)
    settings = run.declaration.production.copy_settings
    with closing(run.production.copy_objects(run.legacy_bucket, run.production_bucket, copies, settings)) as answered:
        for result in answered:
            results.append(result)
            done += 1
            if run.stopping.is_set() or same_error.seen_too_often(result):
                break
            if len(results) == MARKED_TOGETHER:
                mark_results()
                rate = done / max(time.monotonic() - begun, 1e-3)
                progress.tell(
                    "%d of at most %d objects answered, %.0f objects/s", done, run.chunk.objects or done, rate
                )
    if results:
        mark_results()
    run.stop_if_asked()
    if same_error.count >= MAX_SAME_ERRORS:
        raise (SameErrorRetryable if retryable(same_error.code) else SameErrorFailed)(
            f"{place(run)}: stopped early, since the first {same_error.count} copies met nothing but "
            f"{same_error.code} ({same_error.detail}). The rest was not tried. "
            f"Fix: remove the cause, then clear this task with its downstream (docs/runbook.md#copy_chunk-is-red)."
        )
    log.info("%d objects answered, %.0f objects/s", done, done / max(time.monotonic() - begun, 1e-3))


class SameError:
    """Watches whether anything but one and the same error comes back."""

    def __init__(self) -> None:
        self.code, self.detail, self.count, self._other = "", "", 0, False

    def seen_too_often(self, result: CopyResult) -> bool:
        """Count the answer; whether it is time to give up. A problem that is known says nothing about the others."""
        if result.copy.acknowledged:
            return False
        if result.problem != "failed" or self.code not in {"", result.code}:
            self._other = True
        if self._other:
            self.count = 0
            return False
        self.code, self.detail, self.count = result.code, str(result.detail), self.count + 1
        return self.count >= MAX_SAME_ERRORS


def _copies(run: Run, problem: str | None) -> Iterator[Copy]:
    """The copies to make, in the order of keys; each object once a try."""
    after = ""
    while found := copying.find_uncopied(run.ledger, run.chunk, after, problem, BATCH):
        after = found[-1].legacy_key
        for row in found:
            version = Version(row.legacy_size, row.legacy_etag)
            target = run.keys.production_key(row.legacy_key)
            yield Copy(row.legacy_key, target, version, row.replaces, row.acknowledged)


def mark(run: Run, results: list[CopyResult]) -> None:
    """Write one batch of answers into the ledger, and count them."""
    copied = [result.target is not None and result.problem is None for result in results]
    copying.mark_copied(
        run.ledger,
        keys=[result.copy.key for result in results],
        sizes=[result.copy.version.size for result in results],
        etags=[result.copy.version.etag for result in results],
        production_etags=[result.target.etag if result.target else None for result in results],
        production_modifieds=[result.modified for result in results],
        problems=[result.problem for result in results],
        error_codes=[result.code for result in results],
        details=[result.detail for result in results],
        proving=run.step == "verify",
    )
    counts = Counter(
        ("copied" if result.requested else "already_there") if ours else str(result.problem)
        for result, ours in zip(results, copied, strict=True)
    )
    for what, number in counts.items():
        run.tally(what, number)
    run.tally_requests()

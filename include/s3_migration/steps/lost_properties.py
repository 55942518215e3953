"""What copies will leave out, for a plan's log: seen of a sample of legacy's objects."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Iterator

from s3_migration.model.objects import S3Object
from s3_migration.s3.errors import STORE_ERRORS
from s3_migration.s3.properties import PROPERTIES
from s3_migration.steps.inventory import Pages
from s3_migration.steps.run import Run

log = logging.getLogger(__name__)

# Objects that are looked at: some seconds.
SAMPLE = 100


class Sample:
    """Some keys of a listing, from all over it."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self._pages = 0

    def of(self, pages: Pages) -> Iterator[list[S3Object]]:
        """The pages as they are; a few keys of each are remembered."""
        for page in pages:
            self._pages += 1
            wanted = min(len(page), max(1, SAMPLE // self._pages))
            self.keys += [entry.key for entry in random.sample(page, wanted)]
            if len(self.keys) > SAMPLE:
                self.keys = random.sample(self.keys, SAMPLE)
            yield page


def tell(run: Run, keys: list[str]) -> None:
    """Say which properties of these objects a copy does not take along, and how many have them."""
    lost: Counter[str] = Counter()
    looked = 0
    for key in keys:
        run.stop_if_asked()
        try:
            head = run.legacy.client.head_object(Bucket=run.legacy_bucket, Key=key)
        except STORE_ERRORS:
            continue  # gone, or archived beyond a HEAD: the copy will say it
        looked += 1
        lost.update(each.name for each in PROPERTIES if each.lost_of(head["ResponseMetadata"]["HTTPHeaders"]))
    for each in PROPERTIES:
        if lost[each.name]:
            log.warning(
                "%d of %d objects have a property that copies lose: %s (%s)",
                lost[each.name],
                looked,
                each.name,
                each.single.removeprefix("lost: "),
            )
    unseen = ", ".join(each.name for each in PROPERTIES if each.single.startswith("lost") and not each.headers)
    log.info("what a HEAD does not show of an object, and no copy takes along: %s: docs/safety.md", unseen)

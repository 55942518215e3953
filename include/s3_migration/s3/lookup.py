"""What is there of given keys: listed where they are dense, asked for by HEAD where they are sparse."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future
from itertools import islice

from s3_migration.model.objects import S3Object
from s3_migration.model.storable_key import is_name
from s3_migration.s3.parallel_listing import TOP
from s3_migration.s3.pipeline import Pipeline
from s3_migration.s3.transport import Transport
from s3_migration.s3.types import BATCH

# So many HEADs cost what one page of a listing costs.
SPARSE = 12


class Lookup:
    """Looks up keys of one bucket.

    :param in_flight: requests that may be in flight at once.
    """

    def __init__(self, transport: Transport, bucket: str, in_flight: int) -> None:
        self._transport, self._bucket, self._in_flight = transport, bucket, in_flight

    def find(self, prefix: str, keys: Sequence[str], expected: Collection[str]) -> Iterator[list[S3Object]]:
        """Those of the keys that are there, in pages; asked for at once.

        :param keys: sorted, below the prefix.
        :param expected: what a listing does not show of these is asked for by HEAD: a store need not list in order.
        """
        if len(keys) > BATCH and not expected and (last := self._last_page(prefix, keys)) is not None:
            return iter([last])
        spans = [keys[first : first + BATCH] for first in range(0, len(keys), BATCH)]
        return self._collect([self._transport.threads.submit(self._span, prefix, span, expected) for span in spans])

    def _last_page(self, prefix: str, keys: Sequence[str]) -> list[S3Object] | None:
        """Those of the keys that are there, if one page shows all after the first: of what was emptied, say."""
        page = self._transport.list_page(self._bucket, prefix, key_before(keys[0]))
        wanted = frozenset(keys)
        return None if page.token else [entry for entry in page.entries if entry.key in wanted]

    def head_all(self, keys: Iterable[str]) -> Iterator[list[S3Object]]:
        """Those of the keys that are there, in pages; one request a key, many at once.

        :raises ClientError: the store refuses.
        """
        found = filter(None, Pipeline[S3Object | None](self._in_flight).run(self._start_head, keys))
        while page := list(islice(found, BATCH)):
            yield page

    def _start_head(self, key: str, pipeline: Pipeline[S3Object | None]) -> None:
        self._transport.start_head(self._bucket, key, pipeline.answer, pipeline.given_up)

    def _span(self, prefix: str, keys: Sequence[str], expected: Collection[str]) -> tuple[list[S3Object], list[str]]:
        """What a listing shows of the keys, and those to ask for by HEAD."""
        found: dict[str, S3Object] = {}
        wanted, place, sparse = set(keys), 0, len(keys) <= SPARSE
        while place < len(keys) and not sparse:
            page = self._transport.list_page(self._bucket, prefix, key_before(keys[place]))
            found.update((entry.key, entry) for entry in page.entries if entry.key in wanted)
            last = next((entry.key for entry in reversed(page.entries) if not is_name(entry.key)), None)
            reached = place if last is None else bisect_right(keys, last, place)
            sparse = page.token is not None and reached - place <= SPARSE
            place = reached if page.token else len(keys)
        unseen = [key for key in keys[:place] if key not in found and key in expected] if expected else []
        return list(found.values()), [*unseen, *keys[place:]]

    def _collect(self, spans: Sequence[Future[tuple[list[S3Object], list[str]]]]) -> Iterator[list[S3Object]]:
        by_head: list[str] = []
        for span in spans:
            found, left = span.result()
            by_head += left
            yield found
        yield from self.head_all(by_head)


def key_before(key: str) -> str:
    """A key that sorts before this one, and hardly anything between them."""
    head, number = key[:-1], ord(key[-1])
    if number <= 1 or len(key.encode()) > 1024 - len(TOP.encode()):
        return head
    return f"{head}{chr(number - 1 if number != 0xE000 else 0xD7FF)}{TOP}"

"""What a move will take: requests, dollars, hours. Pure; the model is that of docs/scale.md, "The model"."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

# Dollars a request: S3 Standard, us-east-1, from AWS's price list ("Amazon S3 pricing", requests and data retrievals).
# A region or a storage class of its own has prices of its own.
PRICES = {"COPY": 0.005 / 1_000, "LIST": 0.005 / 1_000, "HEAD": 0.000_4 / 1_000, "DELETE": 0.0}
# COPY or DELETE a second on each partitioned prefix ("Best practices design patterns: optimizing Amazon S3
# performance"); S3 splits a busy prefix by itself. Each key of a DeleteObjects is counted as one.
LIMIT = 3_500
# Keys a page of ListObjectsV2, and keys a DeleteObjects (their API references).
PAGE = 1_000
# Both sides by list_legacy, verify_chunk and delete_chunk; by reconcile production alone, for legacy is empty then.
LISTINGS = 7
# Fewer copies say how long a run takes to start, not how fast it copies.
ENOUGH_TO_OBSERVE = 100


@dataclass(frozen=True)
class Forecast:
    """Of a move of all that was listed, from the listing to the reconciliation."""

    requests: dict[str, int]  # by operation
    dollars: float  # for these requests; not for KMS, transfer, storage
    copy_hours_at_limit: float  # S3's, on one partitioned prefix
    delete_hours_at_limit: float
    observed_rate: float | None = None  # objects a second that an earlier run copied
    copy_hours_at_observed_rate: float | None = None

    @classmethod
    def of(
        cls,
        objects: int,
        already_there: int,
        conflicts: int,
        dangling: int,
        observed: float | None,
        *,
        heads: int = 0,
    ) -> Forecast:
        """Work it out.

        Not in it: retries, the canaries of `check`, the parts of a multipart copy (above 5 GiB; one request a part),
        and the HEADs that take the place of listing pages where keys lie thin.

        :param objects: in legacy; those of them that production holds already, or under whose key it holds other
            content (a conflict: the copy is refused, both sides are asked for, nothing is deleted), are counted in.
        :param dangling: rows' keys without an object: both sides are asked for each.
        :param heads: that the declaration costs beside (verify: checksum, compare: head, headers that are replaced).
        :param observed: objects a second of an earlier run's copy step.
        """
        copies, deleted = objects - already_there, objects - conflicts
        requests = {
            "COPY": copies,
            "LIST": LISTINGS * max(1, pages(objects)),  # nothing is a page too
            "HEAD": 2 * (conflicts + dangling) + heads,
            "DELETE": pages(deleted),
        }
        return cls(
            requests,
            dollars=sum(PRICES[operation] * number for operation, number in requests.items()),
            copy_hours_at_limit=copies / LIMIT / 3_600,
            delete_hours_at_limit=deleted / LIMIT / 3_600,
            observed_rate=observed,
            copy_hours_at_observed_rate=copies / observed / 3_600 if observed else None,
        )

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def as_lines(self) -> list[tuple[str, str]]:
        """Name and text of each line, as a person reads it."""
        if self.copy_hours_at_observed_rate is None:
            observed = "not observed yet: a canary run (limit 1000) shows it"
        else:
            hours = _short(self.copy_hours_at_observed_rate)
            observed = f"{hours} to copy at the observed {self.observed_rate:,.0f} objects/s"
        requests = ", ".join(f"{self.requests[operation]:,} {operation}" for operation in PRICES)
        return [
            ("S3 forecast", f"{requests}, for a move of all of it; each conflict counts with the COPY that is refused"),
            ("dollars", f"{_short(self.dollars, digits=2)} for requests (KMS, transfer and storage come on top)"),
            (
                "hours",
                f"{observed}; at S3's {LIMIT:,} a second on one prefix {_short(self.copy_hours_at_limit)} to copy, "
                f"{_short(self.delete_hours_at_limit)} to delete",
            ),
        ]


def pages(keys: int) -> int:
    """Requests of a thousand keys each."""
    return -(-keys // PAGE)


def _short(value: float, digits: int | None = None) -> str:
    """As many digits as a forecast is worth."""
    if 0 < value < 0.01:
        return "under 0.01"
    if digits is None:
        digits = 0 if value >= 10 or value == 0 else 1 if value >= 0.1 else 2
    return f"{value:,.{digits}f}"

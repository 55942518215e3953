"""A page of a listing as either engine has read it: taken only if what comes after it can be asked for."""

from __future__ import annotations

from s3_migration.model.objects import S3Object
from s3_migration.model.storable_key import storable
from s3_migration.s3.errors import IncompleteResponse
from s3_migration.s3.parallel_listing import Page


def listed_page(
    place: str, after: str, asked: str | None, listed: list[S3Object], *, truncated: bool, token: str | None
) -> Page[S3Object]:
    """:param place: bucket and prefix, as `s3://bucket/prefix`.
    :param after: the key after which the page was asked for.
    :param asked: the token that it was asked for by.
    :param truncated: whether the store says that there is more.
    :raises IncompleteResponse: there is more, and no way to get there.
    """
    entries = storable(listed)
    last = entries[-1].key if entries else after
    if truncated and not token:
        raise IncompleteResponse(
            f"the listing of {place} breaks off after {last!r}: IsTruncated, and no NextContinuationToken"
        )
    if token and token == asked:
        raise IncompleteResponse(
            f"the listing of {place} does not go on after {last!r}: NextContinuationToken is the one that was asked for"
        )
    return Page(entries, token or None)

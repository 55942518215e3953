"""Whether a bucket is a website, so that its objects may have redirects: a copy loses one unless it is read and set."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

# What stores say of a bucket that is none.
_NONE = frozenset({"NoSuchWebsiteConfiguration", "NotImplemented", "MethodNotAllowed"})
OnKnown = Callable[[Exception | None], None]


def may_be_website(code: str) -> bool:
    """:param code: of a refused GetBucketWebsite. Where nobody may tell, it may be one."""
    return code not in _NONE


class Website:
    """Asked once for a bucket, when the first copy is made; the other copies wait for that answer.

    :param ask: starts the request; answers whether it may be one, or why nobody said so.
    """

    def __init__(self, bucket: str, ask: Callable[[Callable[[bool | Exception], None]], None]) -> None:
        self._bucket, self._ask = bucket, ask
        self._lock, self._waiting = threading.Lock(), list[OnKnown]()
        self.known: bool | None = None

    def when_known(self, go_on: OnKnown) -> None:
        """Go on once `known` is set, or with why it cannot be."""
        with self._lock:
            known, first = self.known is not None, not self._waiting
            if not known:
                self._waiting.append(go_on)
        if known:
            go_on(None)
        elif first:
            self._ask(self._answered)

    def _answered(self, found: bool | Exception) -> None:
        error = found if isinstance(found, Exception) else None
        with self._lock:
            self.known = None if isinstance(found, Exception) else found
            waiting, self._waiting = self._waiting, []
        if self.known:
            log.info("s3://%s is a website, or may be one: each object is asked for its redirect", self._bucket)
        for go_on in waiting:
            go_on(error)

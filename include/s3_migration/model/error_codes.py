"""Which errors of a store time can fix. Pure."""

from __future__ import annotations

# S3 and network errors that time can fix: worth a retry of the task. Any other wants a person.
_RETRYABLE = frozenset(
    {
        *("SlowDown", "ServiceUnavailable", "Throttling", "ThrottlingException", "RequestLimitExceeded"),
        *("InternalError", "OperationAborted", "ConditionalRequestConflict", "500", "502", "503", "504"),
        *("RequestTimeout", "RequestExpired", "RequestTimeTooSkewed", "ConnectionError", "IncompleteResponse"),
    }
)


def retryable(code: str) -> bool:
    """Whether waiting may fix the error."""
    return code in _RETRYABLE

"""What becomes of a request that a store refuses: the one list of codes and statuses. Pure.

| then | means |
| --- | --- |
| RETRY | time fixes it: the request is sent again, then the task is tried again |
| JUDGE | a condition was not met: only a look at both sides tells what that means (model/copy_refusal.py) |
| FINAL | a person has to fix it: docs/runbook.md says how. Every code that is not listed, too |

A code counts more than the status it came with: an `<Error>` may stand inside a 200, and DeleteObjects answers each key
with a code alone. But a status that says that the store fails (503, say) counts more than a code that says otherwise.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

NO_ANSWER = "ConnectionError"  # none came, or not all of it
INCOMPLETE_RESPONSE = "IncompleteResponse"  # a 200 that does not say what it has to
EXPIRED = "RequestExpired"  # the time of its signature was over
KEY_NOT_STORABLE = "KeyNotStorable"  # PostgreSQL cannot store the key: model/storable_key.py
HEADER_NOT_UTF8 = "HeaderNotUtf8"  # a copy of parts cannot set it as it is


class Then(Enum):
    RETRY = "retry"
    JUDGE = "judge"
    FINAL = "final"


# Of each code, the HTTP status that it stands for; 0: no answer of a store.
_BY_THEN: dict[Then, dict[str, int]] = {
    Then.RETRY: {
        **dict.fromkeys(("SlowDown", "SlowDownRead", "SlowDownWrite", "ServiceUnavailable", "ServerBusy"), 503),
        # AWS sends these with a 400; a few stores with a 403.
        **dict.fromkeys(("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled"), 503),
        **dict.fromkeys(("RequestThrottledException", "RequestLimitExceeded", "RequestTimeout"), 503),
        **dict.fromkeys(("TooManyRequests", "TooManyRequestsException"), 429),
        "InternalError": 500,
        "InternalServerError": 500,
        NO_ANSWER: 0,
        INCOMPLETE_RESPONSE: 0,
    },
    Then.JUDGE: {
        "PreconditionFailed": 412,
        "NoSuchKey": 404,
        "ConditionalRequestConflict": 409,
        "OperationAborted": 409,
    },
    Then.FINAL: {
        **dict.fromkeys(("AccessDenied", "AllAccessDisabled", "InvalidObjectState", "AccountProblem"), 403),
        **dict.fromkeys(("InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed", EXPIRED), 403),
        **dict.fromkeys(("ExpiredToken", "InvalidRequest", "KeyTooLongError", "InvalidArgument"), 400),
        **dict.fromkeys(("KMS.DisabledException", "KMS.NotFoundException", "EntityTooLarge"), 400),
        **dict.fromkeys(("MissingContentMD5", "AuthorizationHeaderMalformed"), 400),
        "PermanentRedirect": 301,
        **dict.fromkeys(("NoSuchBucket", "NoSuchUpload"), 404),
        "NotImplemented": 501,
        "MethodNotAllowed": 405,
        KEY_NOT_STORABLE: 0,
        HEADER_NOT_UTF8: 0,
    },
}
CODES = frozenset(code for codes in _BY_THEN.values() for code in codes)
_STATUSES: dict[Then, frozenset[int]] = {
    # 509 and 520 to 524: bandwidth, and what proxies (Cloudflare) say of a store that does not answer them.
    Then.RETRY: frozenset({408, 425, 429, 500, 502, 503, 504, 509, 520, 521, 522, 523, 524}),
    Then.JUDGE: frozenset({404, 409, 412}),
}
# Time fixes these, but not within a request: another writer has to come to rest, clocks or a load have to.
_RETRIED_BY_THE_TASK = frozenset({"ConditionalRequestConflict", "OperationAborted", "RequestTimeTooSkewed", EXPIRED})


class Refused(NamedTuple):
    """A refusal, taken for what it is."""

    status: int  # that it stands for
    code: str  # of the list; else the store's own; the status in place of one that is not known and that time fixes
    then: Then


def take(status: int, code: str) -> Refused:
    """Take a refusal for what it stands for.

    :param status: the HTTP status; 0 where a code came without one.
    :param code: the store's.
    """
    by_status = next((each for each, statuses in _STATUSES.items() if status in statuses), Then.FINAL)
    by_code = next((each for each, codes in _BY_THEN.items() if code in codes), None)
    # A store that fails may say anything; of 500 it may be an error inside a 200.
    fails = by_status is Then.RETRY and status != 500 and by_code is not Then.RETRY
    if by_code and not fails:
        return Refused(_BY_THEN[by_code][code], code, by_code)
    if by_status is Then.RETRY:  # by a status that boto3 sends a request again for
        return Refused(status if status in {429, 500, 502, 503, 504} else 503, str(status), by_status)
    return Refused(status, code, by_status)


def then(code: str) -> Then:
    """What to do about an error that is known by its code alone, or by a status in place of one."""
    return take(int(code) if code.isdecimal() else 0, code).then


def retryable(code: str) -> bool:
    """Whether waiting may fix an error that is known by its code alone."""
    return then(code) is Then.RETRY or code in _RETRIED_BY_THE_TASK

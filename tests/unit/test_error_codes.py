"""What becomes of a refusal: by its code, its status, or both."""

from __future__ import annotations

import pytest

from s3_migration.model.error_codes import Refused, Then, retryable, take


@pytest.mark.parametrize(
    ("status", "code", "taken"),
    [
        # As S3 says it.
        (503, "SlowDown", Refused(503, "SlowDown", Then.RETRY)),
        (412, "PreconditionFailed", Refused(412, "PreconditionFailed", Then.JUDGE)),
        (404, "NoSuchKey", Refused(404, "NoSuchKey", Then.JUDGE)),
        (404, "NoSuchBucket", Refused(404, "NoSuchBucket", Then.FINAL)),
        (403, "AccessDenied", Refused(403, "AccessDenied", Then.FINAL)),
        (400, "RequestTimeout", Refused(503, "RequestTimeout", Then.RETRY)),
        (400, "ThrottlingException", Refused(503, "ThrottlingException", Then.RETRY)),
        (409, "OperationAborted", Refused(409, "OperationAborted", Then.JUDGE)),
        # Inside a 200, which is read as a 500, and of one key of a DeleteObjects, where the code comes alone.
        (500, "PreconditionFailed", Refused(412, "PreconditionFailed", Then.JUDGE)),
        (500, "NoSuchKey", Refused(404, "NoSuchKey", Then.JUDGE)),
        (0, "PreconditionFailed", Refused(412, "PreconditionFailed", Then.JUDGE)),
        (0, "AccessDenied", Refused(403, "AccessDenied", Then.FINAL)),
        # A store that fails, whatever it says.
        (503, "AccessDenied", Refused(503, "503", Then.RETRY)),
        (503, "Busy", Refused(503, "503", Then.RETRY)),
        (429, "Rate", Refused(429, "429", Then.RETRY)),
        (429, "TooManyRequests", Refused(429, "TooManyRequests", Then.RETRY)),
        (500, "Oops", Refused(500, "500", Then.RETRY)),
        (522, "522", Refused(503, "522", Then.RETRY)),
        # Of which nothing is known.
        (400, "Oops", Refused(400, "Oops", Then.FINAL)),
        (501, "NotImplemented", Refused(501, "NotImplemented", Then.FINAL)),
        (404, "404", Refused(404, "404", Then.JUDGE)),
        (0, "Oops", Refused(0, "Oops", Then.FINAL)),
    ],
)
def test_a_refusal_is_taken_for_what_it_is(status: int, code: str, taken: Refused) -> None:
    assert take(status, code) == taken


@pytest.mark.parametrize("code", ["SlowDown", "503", "429", "ConnectionError", "ConditionalRequestConflict"])
def test_the_task_is_tried_again(code: str) -> None:
    assert retryable(code)


@pytest.mark.parametrize("code", ["AccessDenied", "NoSuchBucket", "400", "412", "KeyNotStorable", "23514", ""])
def test_a_person_is_asked(code: str) -> None:
    assert not retryable(code)

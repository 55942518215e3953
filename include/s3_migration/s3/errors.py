"""What an error of S3 says, for both engines. Which codes are retried: model/error_codes.py."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

NO_ANSWER = "ConnectionError"
EXPIRED = "RequestExpired"
# Refusals of a conditional copy that only a look at both sides explains.
JUDGED = frozenset({404, 409, 412})
_FIELD = re.compile(rb"<(Code|Message)>(.*?)</", re.DOTALL)
# S3 may answer 200 before it knows, keep the connection alive with blanks, and say in the end that it failed.
_ERROR_IN_200 = re.compile(rb"\s*(<\?xml[^>]*>)?\s*<Error>")


class IncompleteResponse(Exception):
    """The store said 200 and nothing more: whether it did what was asked is not known."""


STORE_ERRORS = (ClientError, BotoCoreError, IncompleteResponse)


def error_status(error: Exception) -> int:
    """The HTTP status of a refusal; 0 where none came."""
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"]) if isinstance(error, ClientError) else 0


def error_code(error: Exception) -> str:
    """The store's code of an error, `ConnectionError` where no answer came."""
    if isinstance(error, ClientError):
        said = error.response.get("Error", {})
        if said.get("Code") == "AccessDenied" and "expired" in said.get("Message", ""):
            return EXPIRED  # S3 has no code of its own for a request that came after the expiry of its signature
        return str(said.get("Code") or "Unknown")
    return NO_ANSWER if isinstance(error, (HTTPClientError, ConnectionError)) else type(error).__name__


def error_text(error: Exception) -> str:
    """`code: message`, at most 500 characters."""
    message = error.response.get("Error", {}).get("Message") if isinstance(error, ClientError) else error
    return f"{error_code(error)}: {message}"[:500]


def needs_judging(error: Exception) -> bool:
    """Whether only what both sides hold tells what the refusal of a copy means (model/copy_refusal.py)."""
    return error_status(error) in JUDGED and error_code(error) != "NoSuchBucket"


def read_error(status: int, body: bytes) -> tuple[int, str, str] | None:
    """Status, code and message of an answer, None where it is no error. An error inside a 200 counts as a 500."""
    if status < 300 and not (status == 200 and _ERROR_IN_200.match(body)):
        return None
    status = 500 if status == 200 else status
    fields = {name: unescape(text.decode(errors="replace")) for name, text in _FIELD.findall(body)}
    return status, fields.get(b"Code") or str(status), fields.get(b"Message", "")


def as_boto3(operation: str, status: int, code: str, message: str) -> Exception:
    """An error as boto3 would have raised it. `status` 0: no answer came."""
    if not status:
        return HTTPClientError(error=message)
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)


def required(answer: Mapping[str, Any], *names: str) -> Any:
    """A field of boto3's answer that cannot be done without.

    :raises IncompleteResponse: it is not there.
    """
    value: Any = answer
    for name in names:
        if name not in value:
            raise IncompleteResponse(f"the store said 200 without {'.'.join(names)}")
        value = value[name]
    return value

"""What an error of S3 says: the one place where it is read, for both engines. What follows: model/error_codes.py."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from typing import TYPE_CHECKING, Any, NamedTuple
from xml.sax.saxutils import escape

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError
from botocore.parsers import ResponseParserError

from s3_migration.model.error_codes import EXPIRED, INCOMPLETE_RESPONSE, NO_ANSWER, Then, take

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# With whatever namespace or prefix, and blanks and attributes in between.
_FIELD = re.compile(rb"<(?:\w+:)?(Code|Message)(?:\s[^>]*)?>(.*?)</", re.DOTALL)
# S3 may answer 200 before it knows, keep the connection alive with blanks, and say in the end that it failed.
_ERROR_IN_200 = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>)?\s*<(?:\w+:)?Error[\s>]")
# Keys are echoed where nobody asks for them, and XML has no way to write most control characters.
_ILLEGAL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]|\xef\xbf[\xbe\xbf]")
_REFERENCE = re.compile(rb"&#(?:x([0-9a-fA-F]+)|(\d+));")
_ECHOED = re.compile("[\x00-\x1f\ufffd-\uffff]")
_ECHO = frozenset({"CreateMultipartUpload", "CompleteMultipartUpload", "ListMultipartUploads"})
# As MinIO, and some gateways, say it to a HEAD.
_CODE_HEADERS = ("x-amz-error-code", "x-minio-error-code")
# What proxies and load balancers say instead.
_TITLE = re.compile(rb"<title[^>]*>(.*?)</title>", re.DOTALL | re.IGNORECASE)


class IncompleteResponse(Exception):
    """The store said 200 and nothing more, or half of it: whether it did what was asked is not known."""


class CannotCopy(Exception):
    """An object that cannot be copied as it is, whatever the store says.

    :param code: of model/error_codes.py.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


STORE_ERRORS = (ClientError, BotoCoreError, IncompleteResponse, ResponseParserError, CannotCopy)


class Refusal(NamedTuple):
    """An answer that is an error, as `take` takes it."""

    status: int
    code: str
    message: str
    then: Then


def read_error(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> Refusal | None:
    """Read an answer; None where it is no error.

    :param body: XML in any dress, HTML of a proxy, or nothing.
    :param headers: names in lower case; of an answer without a body some stores have the code there.
    """
    if status < 300 and not (status == 200 and _ERROR_IN_200.match(body)):
        return None
    fields = {name: unescape(text.decode(errors="replace")).strip() for name, text in _FIELD.findall(body)}
    title = _TITLE.search(body)
    message = fields.get(b"Message") or (unescape(title[1].decode(errors="replace")).strip() if title else "")
    code = fields.get(b"Code") or next((headers[name] for name in _CODE_HEADERS if headers and name in headers), "")
    return refusal(500 if status == 200 else status, code, message)


def refusal(status: int, code: str, message: str) -> Refusal:
    """An error by what is known of it; `status` 0: a code came alone."""
    if code == "AccessDenied" and "expired" in message:
        code = EXPIRED  # S3 has no code of its own for a request that came after the expiry of its signature
    taken = take(status, code or str(status))
    hidden = f"{code}: " if code and code != taken.code else ""
    return Refusal(taken.status, taken.code, hidden + message, taken.then)


def read_errors_of(client: S3Client) -> None:
    """From now on boto3 reads the errors of this client as `read_error` does, before it decides whether to retry."""

    def before_parse(operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
        body = response_dict["body"]
        if operation_model.name in _ECHO and isinstance(body, bytes):
            response_dict["body"] = body = _legal_xml(body)
        headers = {name.lower(): value for name, value in response_dict["headers"].items()}
        found = read_error(response_dict["status_code"], body, headers) if isinstance(body, bytes) else None
        if found is None:
            return
        response_dict["status_code"] = found.status
        if response_dict["body"] or not found.code.isdecimal():  # else the code is the status, as boto3 has it, too
            said = f"<Error><Code>{escape(found.code)}</Code><Message>{escape(found.message)}</Message></Error>"
            response_dict["body"] = said.encode()

    client.meta.events.register_first("before-parse.s3.*", before_parse)


def as_echoed(key: str) -> str:
    """A key less what stores do not echo as it is: the same of the key, and of what was read."""
    return _ECHOED.sub("?", key)


def _legal_xml(body: bytes) -> bytes:
    def legal(found: re.Match[bytes]) -> bytes:
        number = int(found[1], 16) if found[1] else int(found[2])
        return found[0] if number in {9, 10, 13} or (number >= 32 and number not in {0xFFFE, 0xFFFF}) else b"?"

    return _REFERENCE.sub(legal, _ILLEGAL.sub(b"?", body))


def error_status(error: Exception) -> int:
    """The HTTP status of a refusal; 0 where none came."""
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"]) if isinstance(error, ClientError) else 0


def error_code(error: Exception) -> str:
    """The store's code of an error, `ConnectionError` where no answer came."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code") or "Unknown")
    if isinstance(error, CannotCopy):
        return error.code
    if isinstance(error, ResponseParserError):
        return INCOMPLETE_RESPONSE
    return NO_ANSWER if isinstance(error, (HTTPClientError, ConnectionError)) else type(error).__name__


def error_text(error: Exception) -> str:
    """`code: message`, at most 500 characters."""
    message = error.response.get("Error", {}).get("Message") if isinstance(error, ClientError) else error
    return f"{error_code(error)}: {message}"[:500]


def needs_judging(error: Exception) -> bool:
    """Whether only what both sides hold tells what the refusal of a copy means (model/copy_refusal.py)."""
    return isinstance(error, ClientError) and take(error_status(error), error_code(error)).then is Then.JUDGE


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

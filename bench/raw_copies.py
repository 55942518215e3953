"""A child that loads the server as fast as it can: signed beforehand, it only sends the copies and looks at the status.

No client can be faster: the server's limit. Job: `endpoint`, `access_key`, `secret_key`, `source`, `bucket`, `first`,
`last`, `connections`; `conditional` asks for the conditions that ours come with; `prefix` of the copies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bench import sockets
from bench.child import Job, serve
from devstack.awkward import LEGACY
from devstack.s3 import REGION
from devstack.seed import png


class Refused(Exception):
    """The server did not make the copy."""


def prepare(job: Job) -> Callable[[], None]:
    auth = S3SigV4Auth(Credentials(job["access_key"], job["secret_key"]), "s3", REGION)
    requests = [_request(job, auth, number) for number in range(job["first"], job["last"] + 1)]

    def took(status: int, body: bytes) -> None:
        if status != 200 or b"<Error>" in body:
            raise Refused(f"{status} {body[:300].decode(errors='replace')}")

    return lambda: sockets.run(sockets.send_all(job["endpoint"], requests, job["connections"], took))


def _request(job: Job, auth: S3SigV4Auth, number: int) -> bytes:
    name = f"avatar-{number}.png"
    path, source = f"/{job['bucket']}/{job['prefix']}{name}", f"/{job['source']}/{LEGACY}{name}"
    headers = {"x-amz-copy-source": source}
    if job["conditional"]:
        etag = hashlib.md5(png(number), usedforsecurity=False).hexdigest()
        headers |= {"x-amz-copy-source-if-match": f'"{etag}"', "If-None-Match": "*"}
    request = AWSRequest("PUT", job["endpoint"] + path, headers)
    auth.add_auth(request)
    lines = [f"PUT {path} HTTP/1.1", f"Host: {urlsplit(job['endpoint']).netloc}", "Content-Length: 0"]
    lines += [f"{header}: {value}" for header, value in request.headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


if __name__ == "__main__":
    serve(prepare)

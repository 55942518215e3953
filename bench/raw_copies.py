"""A child that loads the server as fast as it can: signed beforehand, it only sends the copies and looks at the status.

No client can be faster: the server's limit. Job: `endpoint`, `access_key`, `secret_key`, `source`, `bucket`, `objects`,
`connections`; `conditional` asks for the conditions that ours come with; `prefix` of the copies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from bench.child import Job, serve
from devstack.awkward import LEGACY
from devstack.http_client import Signer, send_all
from devstack.http_messages import run
from devstack.s3 import REGION
from devstack.seed import png


class Refused(Exception):
    """The server did not make the copy."""


def prepare(job: Job) -> Callable[[], None]:
    signer = Signer(job["access_key"], job["secret_key"], REGION)
    requests = [_request(job, signer, number) for number in range(1, job["objects"] + 1)]

    def took(status: int, body: bytes) -> None:
        if status != 200 or b"<Error>" in body:
            raise Refused(f"{status} {body[:300].decode(errors='replace')}")

    return lambda: run(send_all(job["endpoint"], requests, job["connections"], took))


def _request(job: Job, signer: Signer, number: int) -> bytes:
    name = f"avatar-{number}.png"
    headers = {"x-amz-copy-source": f"/{job['source']}/{LEGACY}{name}"}
    if job["conditional"]:
        etag = hashlib.md5(png(number), usedforsecurity=False).hexdigest()
        headers |= {"x-amz-copy-source-if-match": f'"{etag}"', "If-None-Match": "*"}
    return signer.put(job["endpoint"], job["bucket"], job["prefix"] + name, headers)


if __name__ == "__main__":
    serve(prepare)

"""A child that loads the server as fast as it can: signed beforehand, it only sends the copies and looks at the status.

No client can be faster: the server's limit.
"""

from __future__ import annotations

import hashlib
import os

from bench.child import Work
from devstack.awkward import LEGACY, PRODUCTION
from devstack.http_client import Signer, send_all
from devstack.http_messages import run
from devstack.s3 import REGION
from devstack.seed import png


def copies(endpoint: str, source: str, bucket: str, objects: int, connections: int, conditional: bool) -> Work:
    """:param conditional: ask for the conditions that ours come with."""
    signer = Signer(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], REGION)

    def request(number: int) -> bytes:
        name = f"avatar-{number}.png"
        headers = {"x-amz-copy-source": f"/{source}/{LEGACY}{name}"}
        if conditional:
            etag = hashlib.md5(png(number), usedforsecurity=False).hexdigest()
            headers |= {"x-amz-copy-source-if-match": f'"{etag}"', "If-None-Match": "*"}
        return signer.put(endpoint, bucket, PRODUCTION + name, headers)

    def took(status: int, body: bytes) -> None:
        if status != 200 or b"<Error>" in body:
            raise OSError(f"{status} {body[:300].decode(errors='replace')}")

    requests = [request(number) for number in range(1, objects + 1)]
    return lambda: run(send_all(endpoint, requests, connections, took))

"""A child that moves as the seed of this project did: for one object after the other a copy, an UPDATE, a DELETE.

Job: as of `threads`, and `database`; of the objects it takes the first `sample`.
"""

from __future__ import annotations

from collections.abc import Callable

import psycopg

from bench.child import Job, serve
from bench.clients import client
from devstack.awkward import LEGACY, PRODUCTION


def prepare(job: Job) -> Callable[[], None]:
    s3 = client(job)
    database = psycopg.connect(job["database"], autocommit=True)

    def work() -> None:
        for number in range(1, job["sample"] + 1):
            name = f"avatar-{number}.png"
            old, new = LEGACY + name, PRODUCTION + name
            s3.copy_object(Bucket=job["bucket"], Key=new, CopySource={"Bucket": job["source"], "Key": old})
            database.execute("UPDATE avatars SET path = %s WHERE path = %s", [new, old])
            s3.delete_object(Bucket=job["source"], Key=old)

    return work


if __name__ == "__main__":
    serve(prepare)

"""Three columns of two tables name the same objects: moved under the real scheduler, while all three are read."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import quote, unquote

import psycopg
import pytest
from botocore.exceptions import ClientError

from devstack.users import CDN
from tests.support.live_stack import GALLERY, Platform

KEYS = [f"gallery/{number % 7}/picture {number}+é%.png" for number in range(1_200)]
# What is read of each reference: its paths, and the key that one names.
READ: dict[str, tuple[str, Callable[[str], str]]] = {
    "avatars.path": ("SELECT path FROM avatars WHERE id = %s", lambda path: path),
    "users.picture": ("SELECT picture FROM users WHERE id = %s", lambda path: unquote(path.removeprefix(CDN))),
    "users.badges": ("SELECT unnest(badges) FROM users WHERE id = %s", lambda path: path),
}


@pytest.fixture
def platform(live: Platform) -> Iterator[Platform]:
    live.quiet()
    live.reset()
    live.seed_many(KEYS)
    rows = [
        (number, CDN + quote(key, safe="/"), [KEYS[number - 1], KEYS[number % len(KEYS)]])
        for number, key in enumerate(KEYS, 1)
    ]
    with live.database.cursor() as cursor, cursor.copy("COPY users (id, picture, badges) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    yield live
    live.sql("TRUNCATE users")


class Readers:
    """The application: it reads a row, then the object that the row names."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.stopped = threading.Event()
        self.reads = dict.fromkeys(READ, 0)
        self.broken: list[str] = []

    def read(self, reference: str) -> None:
        text, key_of = READ[reference]
        with psycopg.connect(self.platform.database_uri, autocommit=True) as connection:
            while not self.stopped.is_set():
                number = random.randint(1, len(KEYS))
                for place, (path,) in enumerate(connection.execute(text.encode(), [number]).fetchall()):
                    if not self._is_there(key_of(path)):
                        # Between its row and the object the move may have come: then the row names the copy by now.
                        (again,) = connection.execute(text.encode(), [number]).fetchall()[place]
                        if again == path or not self._is_there(key_of(again)):
                            self.broken.append(f"{reference} of row {number}: {path}, then {again}")
                    self.reads[reference] += 1

    def _is_there(self, key: str) -> bool:
        bucket = self.platform.bucket("legacy" if key.startswith("gallery/") else "production")
        try:
            self.platform.s3.head_object(Bucket=bucket, Key=key)
        except ClientError:
            return False
        return True

    @contextmanager
    def at_work(self) -> Iterator[None]:
        with ThreadPoolExecutor(len(READ)) as pool:
            readers = [pool.submit(self.read, reference) for reference in READ]
            try:
                yield
            finally:
                self.stopped.set()
        for reader in readers:
            reader.result()


def test_nothing_that_is_read_is_ever_broken(platform: Platform) -> None:
    readers = Readers(platform)
    with readers.at_work():
        _, state = platform.run(GALLERY)
    assert state == "success"
    assert readers.broken == []
    assert all(number > 100 for number in readers.reads.values()), readers.reads
    copies = [key.replace("gallery/", "show/", 1) for key in KEYS]
    assert platform.objects("legacy") == {}
    assert sorted(platform.objects("production")) == sorted(copies)
    assert sorted(map(str, platform.rows())) == sorted(copies)
    pictures = [str(picture) for (picture,) in platform.sql("SELECT picture FROM users ORDER BY id")]
    assert pictures == [CDN + quote(copy, safe="/") for copy in copies]
    badges = {badge for (badge,) in platform.sql("SELECT unnest(badges) FROM users")}
    assert badges == set(copies)

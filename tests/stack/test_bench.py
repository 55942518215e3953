"""The bench's own tools: a wrong ruler measures nothing."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.client import Config
from botocore.exceptions import ClientError

from bench import report
from bench.bench import Bench
from bench.goals import Goal, goals
from bench.listing import LISTERS
from bench.processes import Child, Usage
from bench.results import Figure, Options, Results
from bench.scaled_run import ask_store
from bench.servers import Servers
from devstack.environment import ROOT, environment
from devstack.errors import LocalError
from devstack.http_client import send_all
from devstack.http_messages import Messages, run
from devstack.http_server import Requests, listen
from devstack.ports import HOST, free_port

KEYS = 2_345


# -- the made-up server -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = free_port()
    job = {"port": port, "keys": KEYS, "milliseconds": 0}
    with Child("arithmetic_store", job, environment(), tmp_path_factory.mktemp("store") / "log"):
        yield port


@pytest.fixture
def client(store: int) -> Any:
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
    keys = {"aws_access_key_id": "any", "aws_secret_access_key": "any", "region_name": "us-east-1"}
    return boto3.client("s3", endpoint_url=f"http://{HOST}:{store}", config=config, **keys)


def _all_keys() -> list[str]:
    return sorted((f"image/avatar-{number}.png" for number in range(1, KEYS + 1)), key=str.encode)


def _listed(client: Any, **asked: Any) -> list[str]:
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="legacy-any", **asked)
    return [entry["Key"] for page in pages for entry in page.get("Contents", [])]


@pytest.mark.parametrize(
    ("prefix", "after", "size"),
    [
        ("", "", 1_000),
        ("image/", "", 1_000),
        ("image/avatar-12", "", 1_000),
        ("image/avatar-1", "", 7),
        ("image/avatar-2345.png", "", 1_000),
        ("avatar/", "", 1_000),
        ("", "image/avatar-12.png", 1_000),
        ("image/", "image/avatar-12", 1_000),
        ("image/avatar-2", "image/avatar-23", 1_000),
        ("image/avatar-2", "image/avatar-3", 1_000),
    ],
)
def test_the_store_lists_as_s3_does(client: Any, prefix: str, after: str, size: int) -> None:
    found = _listed(client, Prefix=prefix, StartAfter=after, PaginationConfig={"PageSize": size})
    assert found == [key for key in _all_keys() if key.startswith(prefix) and key > after]


def test_the_store_says_of_an_object_what_a_ledger_needs(client: Any) -> None:
    page = client.list_objects_v2(Bucket="legacy-any", MaxKeys=1)
    (entry,) = page["Contents"]
    assert (page["KeyCount"], page["IsTruncated"], entry["StorageClass"]) == (1, True, "STANDARD")
    assert len(entry["ETag"].strip('"')) == 32
    assert entry["Size"] > 0
    assert entry["LastModified"].year == 2023


def test_the_store_has_an_empty_production_and_knows_no_single_object(client: Any) -> None:
    assert client.list_objects_v2(Bucket="production-any")["KeyCount"] == 0
    with pytest.raises(ClientError, match="404"):
        client.head_object(Bucket="production-any", Key="avatar/avatar-1.png")


def test_the_store_refuses_what_it_does_not_know(client: Any) -> None:
    with pytest.raises(ClientError, match="NotImplemented"):
        client.list_objects_v2(Bucket="legacy-any", Delimiter="/")


def test_the_store_slows_down_and_hangs_up_where_it_is_asked_to(tmp_path: Path) -> None:
    """Every request is answered in the end; some of those that were cut off had been carried out."""
    port, seen = free_port(), Counter[int]()
    endpoint = f"http://{HOST}:{port}"
    requests = [
        f"PUT /production-any/avatar/avatar-{number}.png HTTP/1.1\r\nHost: {HOST}\r\nIf-None-Match: *\r\n"
        f"x-amz-copy-source: /legacy-any/image/avatar-{number}.png\r\n\r\n".encode()
        for number in range(1, 201)
    ]
    job = {"port": port, "keys": 200, "slow_down": 0.1, "cut": 0.1}
    with Child("arithmetic_store", job, environment(), tmp_path / "log"):
        run(send_all(endpoint, requests, 40, lambda status, _: seen.update([status]), tries=8))
        counted = ask_store(endpoint)
    assert seen.keys() == {200, 412}
    assert counted["CopyObject 200"] == 200
    # A refusal that was cut off as well is asked for, and counted, once more.
    assert 0 < seen[412] <= counted["CopyObject 412"]
    assert counted["SlowDown 503"] > 0
    assert counted["cut"] >= seen[412]


@pytest.mark.parametrize("how", LISTERS)
def test_plain_listings_receive_every_key(store: int, how: str, tmp_path: Path) -> None:
    endpoint = f"http://{HOST}:{store}"
    job = {"endpoint": endpoint, "bucket": "legacy-any"}
    with Child(LISTERS[how], job, Servers.of(tmp_path).environment(endpoint), tmp_path / "log") as child:
        assert child.ask().answer["keys"] == KEYS


# -- HTTP by hand ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_answers_are_cut_wherever_the_network_cuts_them(piece: int) -> None:
    first = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    second = b"HTTP/1.1 503 Slow Down\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    third = b"HTTP/1.1 204 No Content\r\n\r\n"
    text, messages, found = first + second + third, Messages(), []
    for start in range(0, len(text), piece):
        found += messages.feed(text[start : start + piece])
    assert [(int(head[9:12]), body) for head, body in found] == [(200, b"hello"), (503, b"3\r\nabc\r\n"), (204, b"")]


def test_many_requests_through_the_delay_are_late_but_not_fewer(store: int, tmp_path: Path) -> None:
    port, seen = free_port(), []
    request = f"GET /production-any?list-type=2 HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
    with Child("delay", {"port": port, "to": store, "milliseconds": 50}, environment(), tmp_path / "log"):
        begun = time.monotonic()
        run(send_all(f"http://{HOST}:{port}", [request] * 80, 40, lambda status, _: seen.append(status)))
        took = time.monotonic() - begun
    assert seen == [200] * 80
    # Two after each other on each of 40 connections; one after the other they would take 4 s.
    assert 0.1 <= took < 2


def test_a_server_that_hangs_up_is_an_error() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.close()

    async def ask() -> None:
        server = await asyncio.start_server(hang_up, HOST, port := free_port())
        async with server:
            await send_all(f"http://{HOST}:{port}", [b"GET / HTTP/1.1\r\n\r\n"], 1, lambda *_: None)

    with pytest.raises(ConnectionError):
        run(ask())


@pytest.mark.parametrize("trouble", ["busy", "hangs up"])
def test_what_is_tried_again_is_sent_once_more_and_answered_once(trouble: str) -> None:
    """As the seeder asks for."""
    asked: list[bytes] = []

    class Troubled(Requests):
        def asked(self, head: bytes, body: bytes) -> None:
            asked.append(body)
            first = asked.count(body) == 1
            if first and trouble == "hangs up":
                self.transport.close()
            else:
                self.transport.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % (503 if first else 200))

    async def ask() -> list[int]:
        server, seen = await listen(Troubled, 0), []
        requests = [b"PUT / HTTP/1.1\r\nContent-Length: 1\r\n\r\n%d" % number for number in range(4)]
        endpoint = f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
        await send_all(endpoint, requests, 2, lambda status, _: seen.append(status), tries=2)
        server.close()
        return seen

    assert run(ask()) == [200] * 4
    assert sorted(asked) == sorted([b"0", b"1", b"2", b"3"] * 2)


def test_one_who_waits_to_be_asked_for_the_body_is_asked() -> None:
    got = []

    class Store(Requests):
        def asked(self, head: bytes, body: bytes) -> None:
            got.append(body)
            self.transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async def ask() -> bytes:
        server = await listen(Store, 0)
        reader, writer = await asyncio.open_connection(HOST, server.sockets[0].getsockname()[1])
        writer.write(b"PUT / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        first = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"body")
        answer = first + await reader.readuntil(b"\r\n\r\n")
        writer.close()
        server.close()
        return answer

    assert run(ask()) == b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"
    assert got == [b"body"]


# -- children -----------------------------------------------------------------------------------------------------


def _run_tool(command: list[str], log: Path, patience: float) -> Usage:
    with Child("processes.tool", {"command": command}, environment(), log, patience) as tool:
        return tool.ask()


def test_a_tool_is_accounted_by_the_operating_system(tmp_path: Path) -> None:
    work = "x = bytearray(64 * 2**20)\nfor _ in range(3_000_000): pass\nimport time; time.sleep(0.2)"
    used = _run_tool([sys.executable, "-c", work], tmp_path / "log", 60)
    assert 0.01 < used.cpu < used.seconds
    assert 64 * 2**20 < used.rss < 128 * 2**20


def test_a_tool_that_fails_or_hangs_is_told(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="no such flag"):
        _run_tool(["sh", "-c", "echo no such flag; exit 3"], tmp_path / "log", 60)
    begun = time.monotonic()
    with pytest.raises(LocalError, match="has not ended"):
        _run_tool(["sleep", "60"], tmp_path / "log", 1.5)
    assert time.monotonic() - begun < 10


def test_a_helper_ends_with_the_bench(store: int, tmp_path: Path) -> None:
    port = free_port()
    with Child("delay", {"port": port, "to": store, "milliseconds": 1}, environment(), tmp_path / "log"):
        socket.create_connection((HOST, port), timeout=5).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, port), timeout=5)


# -- figures ------------------------------------------------------------------------------------------------------


def test_ratios_are_taken_within_each_round() -> None:
    found = Results({"ours": [10, 4, 30], "theirs": [5, 4, 10]})
    assert found.ratio("ours", "theirs") == Figure(2, 1, 3)
    assert found.ratio("ours", "nobody") is None


@pytest.mark.parametrize(
    ("median", "at_least", "met"), [(1.0, True, True), (0.99, True, False), (1.0, False, True), (1.01, False, False)]
)
def test_a_goal_is_met_by_the_median(median: float, at_least: bool, met: bool) -> None:
    assert Goal("any", 1.0, Figure(median, 0, 9), at_least=at_least).met is met


def test_nothing_measured_is_no_goal_met_and_a_table_all_the_same() -> None:
    assert {goal.met for goal in goals(Results())} == {None}
    assert "not measured" in report.text(Results())


def test_a_part_measured_anew_forgets_its_old_figures_alone(tmp_path: Path) -> None:
    found = Results({"copy/a": [1], "copy/b": [1], "move/a": [1]})
    found.replace("copy", {"copy/a": [2, 3]}, Options(objects=7, runs=2), {"machine": "this one"})
    found.write(tmp_path / "results.json")
    again = Results.read(tmp_path / "results.json")
    assert again.samples == {"move/a": [1], "copy/a": [2, 3]}
    assert again.option("copy", "objects") == 7
    assert "copy (2 rounds" in report.text(again)
    assert json.loads((tmp_path / "results.json").read_text())


def test_every_round_begins_with_another_one(tmp_path: Path) -> None:
    bench = Bench(Servers.of(tmp_path), Options(runs=4))
    orders = [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], ["a", "b", "c"]]
    assert list(bench.rounds("any", ["a", "b", "c"])) == orders


def test_the_page_has_a_place_for_the_figures() -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert page.index(report.BEGIN) < page.index(report.END)

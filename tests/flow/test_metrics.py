"""What a run sends as metrics: by StatsD itself, over UDP, with Airflow's own client."""

from __future__ import annotations

import json
import re
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from airflow.observability.metrics.stats_utils import get_stats_factory
from airflow.sdk._shared.observability.metrics import stats

from s3_migration.model.modes import Mode
from s3_migration.model.states import PROBLEMS
from s3_migration.steps import metrics
from tests.support import ROOT
from tests.support.flow import Flow
from tests.support.product import Product

LINE = re.compile(r"airflow\.s3_migration\.(?P<name>[\w.]+),(?P<tags>[^:]+):(?P<value>[\d.]+)\|(?P<kind>[cg])")


@dataclass
class Received:
    """A StatsD server: what it has been told."""

    socket: socket.socket

    def lines(self) -> list[re.Match[str]]:
        found = []
        while True:
            try:
                text = self.socket.recv(65_536).decode()
            except BlockingIOError:
                return found
            match = LINE.fullmatch(text)
            assert match or "s3_migration" not in text, text
            found += [match] if match else []


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> Iterator[Received]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        for name, value in (("ON", "True"), ("PORT", str(server.getsockname()[1])), ("INFLUXDB_ENABLED", "True")):
            monkeypatch.setenv(f"AIRFLOW__METRICS__STATSD_{name}", value)
        stats.initialize(factory=get_stats_factory(), export_legacy_names=True)
        yield Received(server)
        monkeypatch.undo()
        stats.initialize(factory=get_stats_factory(), export_legacy_names=True)


def counts(lines: list[re.Match[str]]) -> Counter[str]:
    """Of each counter; `requests` by operation and status."""
    found = Counter[str]()
    for line in lines:
        if line["kind"] == "c":
            tags = dict(tag.split("=") for tag in line["tags"].split(","))
            assert tags.pop("migration") == "avatars"
            found[" ".join([line["name"], *tags.values()])] += int(line["value"])
    return found


def gauges(lines: list[re.Match[str]]) -> dict[str, float]:
    """What each says last."""
    return {f"{line['name']} {line['tags']}": float(line["value"]) for line in lines if line["kind"] == "g"}


def test_a_run_sends_what_it_counts(product: Product, flow: Flow, received: Received) -> None:
    product.seed("image/a.png", "image/b.png", "image/c.png")
    product.put("production", "avatar/c.png", b"of another")
    with pytest.raises(Exception, match="conflict"):
        flow.run(Mode.MOVE)
    lines = received.lines()
    told = counts(lines)
    assert (told["copied copy"], told["rows switch"], told["deleted delete"]) == (2, 2, 2)
    assert told["requests copy CopyObject 200"] == 2
    assert told["requests delete DeleteObjects 200"] >= 1
    now = gauges(lines)
    assert now["state migration=avatars,state=conflict"] == 1
    assert now["state migration=avatars,state=moved"] == 2
    assert now["state migration=avatars,state=failed"] == 0, "else an alert on it would never end"
    assert told["objects list"] == 3


def test_without_metrics_nothing_is_sent(product: Product, flow: Flow) -> None:
    product.seed("image/a.png")
    flow.run(Mode.MOVE)
    assert product.objects("legacy") == {}


@pytest.mark.parametrize(
    ("what", "sent"),
    [
        ("S3 CopyObject 412 PreconditionFailed", "requests copy CopyObject 412"),
        ("S3 ListObjectsV2 timeout", "requests copy ListObjectsV2 timeout"),
        ("copied", "copied copy"),
        ("proven by list", "proven_by_list copy"),
        ("rows of avatars.path", None),
        ("class up to 1 MiB", None),
    ],
)
def test_what_is_counted_has_a_name(received: Received, what: str, sent: str | None) -> None:
    metrics.counted("avatars", "copy", what, 3, add=True)
    assert counts(received.lines()) == ({sent: 3} if sent else {})


def test_the_page_and_the_dashboard_name_what_is_sent() -> None:
    """docs/metrics.md lists them; the dashboard asks for nothing else."""
    listed = set(re.findall(r"^\| `s3_migration\.([\w.]+)`", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE))
    dashboard = json.loads((ROOT / "docs/grafana.json").read_text())
    asked = {name for panel in dashboard["panels"] for target in panel["targets"] for name in NAMED(target["expr"])}
    assert {name.replace(".", "_") for name in listed} >= {name.removesuffix("_total") for name in asked}
    assert asked
    for path in sorted((ROOT / "include/s3_migration/steps").rglob("*.py")):
        told = re.findall(r"tally\(\s*\"([a-z_ ]+)\"", path.read_text())
        assert {what.replace(" ", "_") for what in told if not what.startswith("sample")} <= listed, path
    assert set(PROBLEMS) <= set(re.findall(r"`(\w+)`", (ROOT / "docs/metrics.md").read_text()))


NAMED = re.compile(r"airflow_s3_migration_(\w+)").findall

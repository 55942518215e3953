"""Ports that somebody else takes between the choice and the start."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from devstack import s3
from devstack.ports import HOST, free_port, free_ports
from devstack.s3 import Identity, SeaweedFS


def test_a_store_whose_port_is_taken_while_it_starts_takes_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SeaweedFS(tmp_path, free_port(), (Identity("admin", "admin", "secret"),))
    ports = free_ports(7)
    (tmp_path / "ports.json").write_text(json.dumps(ports))
    with socket.socket() as taken:
        taken.bind((HOST, ports[2]))
        taken.listen()
        is_free = s3.is_free
        # It was when it was looked at.
        monkeypatch.setattr(s3, "is_free", lambda port: port == ports[2] or is_free(port))
        try:
            store.start()
            assert store.client().list_buckets()["Buckets"] == []
            assert json.loads((tmp_path / "ports.json").read_text()) != ports
        finally:
            store.stop()

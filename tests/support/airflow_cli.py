"""Airflow's own parser of its command line."""

from __future__ import annotations

import shlex

import pytest
from airflow.cli.cli_parser import get_parser


def parse_airflow(command: list[str]) -> None:
    try:
        get_parser().parse_args(command[1:])
    except SystemExit:
        pytest.fail(f"airflow does not take: {shlex.join(command)}")

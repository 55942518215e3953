"""README.md and its neighbours: each command in them is one that make, Airflow or the project takes."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement

from tests.support import ROOT
from tests.support.airflow_cli import parse_airflow

PAGES = ["README.md", "docs/deploy.md", "docs/aws.md"]
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in PAGES}


def commands(program: str) -> Iterator[str]:
    """What stands in blocks of bash, and between backticks in a line; the first of a pipe."""
    found = set()
    for text in TEXTS.values():
        for indent, block in re.findall(r"^( *)```bash\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL):
            found |= set(textwrap.dedent(indent + block).replace("\\\n", "").splitlines())
        found |= set(re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL)))
        found |= {f"airflow {rest}" for rest in re.findall(r"# airflow (.*)", text)}
    for line in sorted(found):
        # What a container runs is the same command.
        command = re.sub(r"^docker compose exec \S+ ", "", line.strip())
        if command.startswith(f"{program} ") and "…" not in command.split(" #")[0]:
            yield " ".join(re.split(r" (?:[#]|\| |> )", command)[0].split())


def test_there_are_commands() -> None:
    assert {"make demo", "make env && docker compose up --detach --wait --build"} <= set(commands("make"))
    assert any("backfill create" in command for command in commands("airflow"))
    assert any("--bucket-policy" in command for command in commands("python"))


@pytest.mark.parametrize("command", commands("make"))
def test_make_has_the_target(command: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{command.split()[1]}: .*##", makefile, re.MULTILINE)


@pytest.mark.parametrize("command", commands("airflow"))
def test_airflow_takes_the_command(command: str) -> None:
    parse_airflow(shlex.split(command))


@pytest.mark.parametrize("command", [each for each in commands("python") if "s3_migration setup" in each])
def test_the_set_up_prints_what_is_asked_of_it(command: str) -> None:
    """Those of brake and retire are in the runbook as well: tests/test_runbook.py, tests/test_retire.py."""
    words = shlex.split(command)[1:]
    if words[1:3] == ["s3_migration", "setup"]:
        return
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "include")}
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "s3_migration" in done.stdout or '"Statement"' in done.stdout


def test_an_airflow_that_is_there_gets_all_that_is_required() -> None:
    (install,) = commands("pip")
    named = {
        Requirement(word).name for word in shlex.split(install)[2:] if not word.startswith("-") and "/" not in word
    }
    required = {
        Requirement(line).name
        for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    }
    compose = {"celery", "apache-airflow-providers-celery"}
    assert required - compose <= named

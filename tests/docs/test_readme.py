"""README.md and its neighbours: every command in them is one that something takes, every path is there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from s3_migration.commands.program import COMMANDS
from s3_migration.model.run_params import run_params
from tests.support import ROOT
from tests.support.airflow_cli import parse_airflow
from tests.support.product import declare

PAGES = ["README.md", "docs/alerts.md", "docs/aws.md", "docs/deploy.md", "docs/development.md", "docs/operate.md"]
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


@pytest.mark.parametrize("command", [each for each in commands("python") if "s3_migration setup " in each])
def test_the_set_up_prints_what_is_asked_of_it(command: str, tmp_path: Path) -> None:
    """Those of stop and retire are in the runbook as well: tests/docs/test_runbook.py, tests/flow/test_retire.py."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, *shlex.split(command)[1:]],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
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


# -- the files and folders that they name -----------------------------------------------------------------------------

# A path of this repository; not one that starts elsewhere, has a part to fill in, or is an address.
PATH = re.compile(r"(?<![\w./<>…$:-])(?:[\w.-]+/)+(?:[\w-]+\.(?:json|lock|md|png|py|sql|toml|txt|yaml))?(?![\w/.<…*-])")
DOCUMENTS = [ROOT / "README.md", ROOT / "plugins" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Of S3, of somebody else, or made by a command: keys, an image, the stack's state.
FOREIGN = re.compile(r"((legacy-s3|production-s3)/)?(image|avatar|reports)/|chrislusf/|\.local/")

MADE = {"drop.sql", "restore.sql"}  # by the commands that the runbook shows


def named_paths(document: Path) -> list[str]:
    """What looks like a file with a folder, or like a folder (with a slash at its end)."""
    found = PATH.findall(document.read_text(encoding="utf-8"))
    return sorted({path for path in found if not FOREIGN.match(path)})


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_is_one_of_the_repository(document: Path) -> None:
    """From its root, from the package (as `ledger/sql`), or, in a link, from the document's own folder."""
    bases = (ROOT, ROOT / "include" / "s3_migration", ROOT / "include" / "s3_migration" / "ledger", document.parent)
    assert [path for path in named_paths(document) if not any((base / path).exists() for base in bases)] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_module_or_statement_that_is_named_without_its_folder_is_there(document: Path) -> None:
    rooms = ("dags", "include", "devstack", "bench", "tests", "plugins")
    known = {path.name for room in rooms for path in (ROOT / room).rglob("*.*")}
    assert set(re.findall(r"`([\w-]+\.(?:py|sql))`", document.read_text(encoding="utf-8"))) - known <= MADE


def test_paths_are_found() -> None:
    assert {"include/s3_migration/model/", "docs/safety.md", "sql/deletion/find_deletable.sql"} <= set(
        named_paths(ROOT / "README.md")
    )


def test_the_table_of_run_params_has_each_in_the_order_of_the_form() -> None:
    table = TEXTS["docs/operate.md"].split("| run param |")[1].split("\n\n")[0]
    told = re.findall(r"^\| `(\w+)` \| (.*?) \| ", table, re.MULTILINE)
    assert [name for name, _ in told] == [param.name for param in run_params(declare())]
    defaults = {param.name: param.default for param in run_params(declare())}
    for name, default in told:
        words = {None: ("none", "as declared"), False: ("false",)}.get(defaults[name], (f"`{defaults[name]}`",))
        assert default in words, name


def test_the_table_of_commands_is_what_the_program_lists() -> None:
    table = TEXTS["docs/operate.md"].split("| command |")[1].split("\n\n")[0]
    told = re.findall(r"^\| `(\w+)` \| (.*?) \|$", table, re.MULTILINE)
    assert told == [(name, listed.does) for name, listed in COMMANDS.items()]


def test_the_readme_finds_what_a_newcomer_asks_for() -> None:
    """Where is it decided that an object may be deleted, how is a refused copy judged, where would a run param go?"""
    way = TEXTS["README.md"].split("\n## Find your way\n")[1].split("\n## ")[0]
    rows = [line for line in way.splitlines() if line.startswith("| `")]
    assert len(rows) == 11
    for asked, named in (
        ("deleted", "find_deletable.sql"),
        ("refused copy", "copy_refusal.py"),
        ("run param", "run_params.py"),
    ):
        assert any(asked in row and named in row for row in rows), asked
    assert {path.name for path in (ROOT / "include" / "s3_migration").iterdir() if (path / "__init__.py").exists()} == {
        name for row in rows for name in re.findall(r"include/s3_migration/(\w+)/", row)
    }

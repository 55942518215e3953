"""What holds for every command: how it ends, what it says on which stream, and that no error is a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from devstack.ports import free_port
from s3_migration.commands import status
from s3_migration.commands.answer import PROGRAM
from s3_migration.commands.program import COMMANDS, program
from s3_migration.model import declaration as declarations
from tests.support import ROOT
from tests.support.command_line import Ended, Run, run_apart
from tests.support.connections import connect_database
from tests.support.product import Product

# Beside NAME, the least that each takes.
LEAST = {"setup": ["--sql"], "stop": ["--reason", "why, Ada"], "retire": ["show"]}
ASKING = [name for name in COMMANDS if name not in {"declaration", "setup"}]  # that need Airflow
CONNECTIONS = ("LEGACY_S3", "PRODUCTION_S3", "PRODDATABASE")


def asked(command: str, name: str = "avatars") -> list[str]:
    return [command, name, *LEAST.get(command, [])]


def commands() -> list[click.Command]:
    """Each that answers, those below `retire` as well."""
    context = click.Context(program)
    found = [program.get_command(context, name) for name in COMMANDS]
    for each in [each for each in found if isinstance(each, click.Group)]:
        found.remove(each)
        found += each.commands.values()
    return [each for each in found if each is not None]


# -- help -------------------------------------------------------------------------------------------------------------


def test_help_names_every_command_and_how_they_end(run: Run) -> None:
    code, out, error = run("--help")
    assert (code, error) == (0, "")
    for name, listed in COMMANDS.items():
        assert f"\n  {name} " in out
        assert listed.does.split()[0] in out
    assert "Ends with\n    0  done" in out
    assert "\n    1  done, and the answer is no" in out
    assert "\n    2  it could not be done" in out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_of_its_own(run: Run, command: str) -> None:
    code, out, error = run(command, "--help")
    assert (code, error) == (0, "")
    assert out.startswith(f"Usage: {PROGRAM} {command} [OPTIONS] NAME")


def test_what_reports_does_so_in_json_as_well() -> None:
    takes = {each.name for each in commands() if any("--json" in option.opts for option in each.params)}
    assert {each.name for each in commands()} - takes == {"setup", "drop"}, "they print SQL and policies"


LOADS = """
import sys
from s3_migration.commands.program import program
try:
    program(sys.argv[1:])
except SystemExit as ended:
    assert not ended.code, ended.code
assert "airflow" not in sys.modules
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["setup", "--help"],
        ["setup", "avatars", "--sql"],
        ["setup", "avatars", "--iam"],
        ["declaration", "avatars"],
    ],
)
def test_what_needs_no_airflow_does_not_load_it(arguments: list[str]) -> None:
    """It takes seconds."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "include")}
    subprocess.run([sys.executable, "-c", LOADS, *arguments], env=environment, capture_output=True, check=True)


# -- wrong usage ------------------------------------------------------------------------------------------------------


def refused(run: Run, *arguments: str) -> str:
    code, out, error = run(*arguments)
    assert (code, out) == (2, "")
    assert "Traceback" not in error
    return error


def test_no_command_is_an_error_that_shows_them(run: Run) -> None:
    assert "\nCommands:\n  declaration " in refused(run)


def test_an_unknown_command_is_told_those_that_there_are(run: Run) -> None:
    said = refused(run, "stpo", "avatars")
    assert f"there is no command 'stpo'. Fix: one of {', '.join(COMMANDS)}" in said
    assert f"Try '{PROGRAM} --help' for help." in said


@pytest.mark.parametrize("arguments", ["--reson", "stop avatars --reson", "retire avatars --reson"])
def test_an_unknown_option_is_named_with_the_way_to_help(run: Run, arguments: str) -> None:
    said = refused(run, *arguments.split())
    assert "No such option '--reson'" in said
    assert "--help' for help." in said


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_name_it_says_what_is_missing(run: Run, command: str) -> None:
    said = refused(run, command, *(LEAST.get(command, []) if command != "retire" else []))
    assert "NAME" in said
    assert "Usage: " in said


@pytest.mark.parametrize("command", COMMANDS)
def test_a_declaration_that_is_not_there(run: Run, command: str) -> None:
    said = refused(run, *asked(command, "nobody"))
    assert said.startswith("Error: Migration nobody: ")
    assert "there is no nobody.yaml. Fix: name one of avatars" in said


BROKEN = {
    "no yaml": ("legacy: [", "not readable as YAML", "Fix: correct the file."),
    "no declaration": ("- 1", "expected fields (legacy, production, database, …)", "Fix: see include/migrations"),
    "a field": ("legacy: 5", "legacy: 5: ", "Fix: correct legacy"),
}


@pytest.mark.parametrize(("text", "what", "fix"), BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_declaration_that_is_broken(
    run: Run, command: str, text: str, what: str, fix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "avatars.yaml").write_text(text)
    monkeypatch.setattr(declarations, "DIRECTORY", tmp_path)
    said = refused(run, *asked(command))
    assert f"Error: Migration avatars: {tmp_path / 'avatars.yaml'}: " in said
    assert what in said
    assert fix in said


# -- Airflow, the database --------------------------------------------------------------------------------------------


def lacking(command: str, ended: Ended) -> None:
    """What each says of an Airflow that has no connections, nor a database of its own."""
    code, out, error = ended
    assert code == (1 if command == "check" else 2), error
    said = error if code == 2 else json.loads(out)["checks"][0]["what"]
    # It shares no code with the others, and asks the stores first.
    lacks = "The conn_id `legacy_s3` isn't defined. Fix: run it where Airflow is configured"
    assert (lacks if command == "verify" else "Airflow has no connection 'proddatabase'") in said
    assert (code == 1) == bool(out)
    assert "Traceback" not in error


@pytest.mark.parametrize("command", ASKING)
def test_an_airflow_without_the_connections(run: Run, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for conn_id in CONNECTIONS:
        monkeypatch.delenv(f"AIRFLOW_CONN_{conn_id}", raising=False)
    lacking(command, run(*asked(command), "--json"))


@pytest.mark.parametrize("command", ["check", "verify"])
def test_one_that_is_a_process_of_its_own_says_the_same(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what Airflow and the S3 clients load, and log, on their way."""
    for conn_id in CONNECTIONS:
        monkeypatch.delenv(f"AIRFLOW_CONN_{conn_id}", raising=False)
    lacking(command, run_apart(*asked(command), "--json", AIRFLOW_HOME=str(tmp_path)))


def test_an_airflow_that_is_not_configured(tmp_path: Path) -> None:
    (tmp_path / "airflow.cfg").write_text("garbage [")
    code, out, error = run_apart("status", "avatars", AIRFLOW_HOME=str(tmp_path))
    assert (code, out) == (2, "")
    assert "Error: status cannot be loaded: MissingSectionHeaderError: " in error
    assert "Fix: run it with the Python of Airflow, where Airflow is configured." in error
    assert "Traceback" not in error


@pytest.mark.parametrize("command", [name for name in ASKING if name not in {"check", "verify"}])
def test_a_database_that_is_down(product: Product, run: Run, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connect_database(monkeypatch, free_port(), "nowhere")
    said = refused(run, *asked(command), "--json")
    assert "no connection to the database of 'proddatabase'" in said
    assert "Fix: correct Airflow's connection 'proddatabase'." in said


@pytest.mark.parametrize("command", [name for name in ASKING if name not in {"check", "survey", "verify"}])
def test_a_database_that_is_not_set_up(product: Product, run: Run, command: str) -> None:
    product.sql("DROP SCHEMA s3_migration CASCADE")
    said = refused(run, *asked(command))
    assert "the database of 'proddatabase' is not set up" in said
    assert f"Fix: an administrator runs {PROGRAM} setup avatars --sql | psql" in said


# -- what is no answer ------------------------------------------------------------------------------------------------


def test_whoever_interrupts_it_gets_no_answer(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(status, "look", interrupted)
    assert refused(run, "status", "avatars") == "Error: interrupted\n"


def test_a_mistake_in_a_command_is_no_answer(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def mistaken(_: object) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(status, "look", mistaken)
    code, out, error = run("status", "avatars", "--json")
    assert (code, out) == (2, "")
    assert "Traceback" in error
    assert "RuntimeError: a mistake" in error


MISTAKE = """
import runpy, sys
from s3_migration.commands import program
def main():
    raise RuntimeError("a mistake")
program.main = main
runpy.run_module("s3_migration", run_name="__main__")
"""


def test_a_mistake_of_ours_is_no_answer_either() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "include")}
    done = subprocess.run([sys.executable, "-c", MISTAKE], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "RuntimeError: a mistake" in done.stderr


def test_argparse_has_gone() -> None:
    package = ROOT / "include" / "s3_migration"
    assert [path.name for path in package.rglob("*.py") if "argparse" in path.read_text(encoding="utf-8")] == []

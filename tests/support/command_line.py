"""`python -m s3_migration`, in this process and in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from s3_migration.commands.answer import PROGRAM
from s3_migration.commands.program import program
from s3_migration.model import declaration as declarations
from s3_migration.model.declaration import Declaration

from . import ROOT


class Ended(NamedTuple):
    """How the program has ended."""

    code: int
    out: str
    error: str


Run = Callable[..., Ended]


def run_here(capsys: pytest.CaptureFixture[str], *arguments: str) -> Ended:
    capsys.readouterr()
    with pytest.raises(SystemExit) as exit_:
        program(arguments, prog_name=PROGRAM)
    return Ended(int(exit_.value.code or 0), *capsys.readouterr())


def run_apart(*arguments: str, **environment: str) -> Ended:
    """As a person does; `environment` is put over that of the tests."""
    done = subprocess.run(
        [sys.executable, "-m", "s3_migration", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "include"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def declare_in(directory: Path, declaration: Declaration, monkeypatch: pytest.MonkeyPatch) -> None:
    """The declarations are those of this directory, which has this one; so they are in processes of their own."""
    fields = declaration.model_dump(mode="json", exclude={"name"}, exclude_none=True)
    (directory / f"{declaration.name}.yaml").write_text(yaml.safe_dump(fields))
    monkeypatch.setattr(declarations, "DIRECTORY", directory)
    monkeypatch.setenv(declarations.DIRECTORY_VARIABLE, str(directory))

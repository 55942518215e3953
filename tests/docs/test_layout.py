"""The layout that README's "Find your way" promises: small files, and folders that say what belongs in them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.support import ROOT

# Read in one sitting.
MAX_LINES = 350
FILES = [
    path for folder in ("include", "devstack", "bench", "dags", "plugins") for path in (ROOT / folder).rglob("*.py")
]
PACKAGES = [path for path in FILES if path.name == "__init__.py"]


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", FILES, ids=_name)
def test_a_file_is_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", PACKAGES, ids=_name)
def test_a_folder_says_what_belongs_in_it(path: Path) -> None:
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert len(said.splitlines()) >= 2, f"{_name(path)}: say what belongs here, and what does not"


def test_every_folder_of_the_package_is_one_of_the_rooms() -> None:
    rooms = {path.parent.name for path in PACKAGES if path.parent.parent.name == "s3_migration"}
    assert rooms == {"model", "s3", "ledger", "steps", "ui", "commands", "second_opinion"}

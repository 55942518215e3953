"""The tests themselves: what several share lies in tests/support, and none takes from another."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.support import ROOT

TESTS = ROOT / "tests"
MODULES = sorted(str(path.relative_to(TESTS)) for path in TESTS.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Every module that a file names in an import, with what it takes of it, in full."""
    package, found = path.relative_to(ROOT).parent.parts, set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *filter(None, [node.module])])
            found |= {f"{module}.{name.name}" for name in node.names}
    return found


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_taken_from_a_test(module: str) -> None:
    """Nor from a conftest: what is in there is a fixture, and comes by its name."""
    names = [name.split(".") for name in imported(TESTS / module)]
    assert [name for name in names if any(part.startswith("test_") or part == "conftest" for part in name)] == []

"""docs/ in the UI: rendered as it is meant, every link leads somewhere, nothing else is served, and to nobody else."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urljoin

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from s3_migration.model.modes import Mode
from s3_migration.ui import docs_pages as documentation
from s3_migration.ui.docs_pages import page
from tests.support import ROOT

PREFIX = "/s3-migration/docs"
PAGES = sorted(path.stem for path in (ROOT / "docs").glob("*.md") if path.stem != "dag")
IMAGES = sorted(path.name for path in (ROOT / "docs").glob("*.png"))
PLUGIN = ROOT / "plugins" / "s3_migration_docs.py"


@pytest.fixture(scope="module")
def plugin() -> ModuleType:
    """As Airflow loads it: under its bare file name."""
    spec = importlib.util.spec_from_file_location(PLUGIN.stem, PLUGIN)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def anonymous(plugin: ModuleType) -> TestClient:
    """Airflow's server as far as it matters here: what the plugin asks for, mounted."""
    server = FastAPI()
    for each in plugin.S3MigrationDocs.fastapi_apps:
        server.mount(each["url_prefix"], each["app"])
    return TestClient(server)


@pytest.fixture
def reader(anonymous: TestClient) -> Iterator[TestClient]:
    """Somebody who may read."""
    documentation.app.dependency_overrides[documentation.may_read] = lambda: None
    yield anonymous
    documentation.app.dependency_overrides.clear()


def text(client: TestClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return answer.text


def ids(client: TestClient, path: str) -> set[str]:
    return set(re.findall(r' id="([^"]+)"', text(client, path)))


# -- what is served -----------------------------------------------------------------------------------------------


def test_each_page_is_served_with_its_title_and_a_menu(reader: TestClient) -> None:
    assert {"runbook", "safety", "scale", "performance"} <= set(PAGES)
    for name in PAGES:
        shown = text(reader, f"{PREFIX}/{name}")
        heading = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        assert f"<title>{heading}</title>" in shown.replace("&#x27;", "'")
        assert re.findall(r"<nav>(.*)</nav>", shown)[0].count("<a ") == len(PAGES)
    assert '<h2 id="stop-all-deletion-now">Stop all deletion now</h2>' in text(reader, f"{PREFIX}/runbook")
    assert "<table>" in text(reader, f"{PREFIX}/safety")
    assert "language-bash" in text(reader, f"{PREFIX}/runbook")


def test_images_are_served_as_images(reader: TestClient) -> None:
    assert IMAGES
    for name in IMAGES:
        answer = reader.get(f"{PREFIX}/{name}")
        assert answer.headers["content-type"] == "image/png"
        assert answer.content == (ROOT / "docs" / name).read_bytes()


def test_the_bare_address_leads_to_the_runbook(reader: TestClient) -> None:
    assert "Runbook" in text(reader, f"{PREFIX}/")


@pytest.mark.parametrize("name", PAGES)
def test_every_link_and_image_of_a_page_is_there(reader: TestClient, name: str) -> None:
    here = f"{PREFIX}/{name}"
    for target in re.findall(r'(?:href|src)="([^"]+)"', text(reader, here)):
        if target.startswith(("http://", "https://")):
            continue
        address, _, anchor = urljoin(here, target).partition("#")
        assert reader.get(address).status_code == 200, target
        assert not anchor or anchor in ids(reader, address), target


def test_what_the_dags_docs_and_the_menu_link_to_is_there(reader: TestClient, plugin: ModuleType) -> None:
    """The UI's pages have `<base href="/">`, or what a proxy puts before it."""
    links = re.findall(r"\]\(([^)]+)\)", (ROOT / "docs" / "dag.md").read_text(encoding="utf-8"))
    links += [view["href"] for view in plugin.S3MigrationDocs.external_views]
    assert f"{PREFIX[1:]}/runbook" in links
    for link in links:
        address, _, anchor = urljoin("/", link).partition("#")
        assert not anchor or anchor in ids(reader, address), link
        assert reader.get(address).status_code == 200, link


def test_every_anchor_that_a_message_or_a_document_names_is_there(reader: TestClient) -> None:
    sources = [*ROOT.glob("include/**/*.py"), *ROOT.glob("dags/*.py"), *ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
    named = {found for path in sources for found in re.findall(r"(\w+)\.md#([\w-]+)", path.read_text(encoding="utf-8"))}
    assert ("runbook", "stop-all-deletion-now") in named
    for name, anchor in named:
        assert anchor in ids(reader, f"{PREFIX}/{name}"), f"{name}.md#{anchor}"


# -- and nothing else ---------------------------------------------------------------------------------------------

ELSEWHERE = [
    *("runbook.md", "RUNBOOK", "dag", "dag.md", "nobody", "README", "../README.md", "..%2FREADME.md", "%2e%2e"),
    *("%2e%2e%2fREADME.md", "..%5CREADME.md", "%2Fetc%2Fpasswd", "//etc/passwd", "safety/../dag.md", "runbook%00"),
    *("openapi.json", "docs", "redoc"),
]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_no_other_name_is_served(reader: TestClient, name: str) -> None:
    assert reader.get(f"{PREFIX}/{name}", follow_redirects=False).status_code == 404


@pytest.mark.parametrize("name", ["", "runbook", *IMAGES[:1], "nobody", "openapi.json", "docs", "redoc"])
def test_who_is_not_logged_in_is_refused(anonymous: TestClient, name: str) -> None:
    assert anonymous.get(f"{PREFIX}/{name}", follow_redirects=False).status_code == 401


@pytest.mark.parametrize("plugin", sorted((ROOT / "plugins").glob("*.py")), ids=lambda path: path.stem)
def test_every_task_loads_the_plugin_and_must_not_pay_for_the_servers_modules(plugin: Path) -> None:
    program = f"""
import importlib.util, sys
import airflow.plugins_manager
before = set(sys.modules)
spec = importlib.util.spec_from_file_location("{plugin.stem}", {str(plugin)!r})
spec.loader.exec_module(importlib.util.module_from_spec(spec))
print(*sorted({{name.split(".")[0] for name in set(sys.modules) - before}}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert set(done.stdout.split()) <= {"importlib"}


# -- Markdown -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headings", "anchors"),
    [
        ("## Unproven", ["unproven"]),
        ("## `check` waits (up for reschedule)", ["check-waits-up-for-reschedule"]),
        ("## `copy_chunk` is red", ["copy_chunk-is-red"]),
        ("## Passes over the application's table", ["passes-over-the-applications-table"]),
        ("## A, and b: c?", ["a-and-b-c"]),
        ("## 1.2× as *fast* [here](x.md)", ["12-as-fast-here"]),
        ("## One\n## One\n## One", ["one", "one-1", "one-2"]),
    ],
)
def test_headings_have_the_anchors_of_github(headings: str, anchors: list[str]) -> None:
    assert re.findall(r'<h2 id="([^"]+)"', page(headings, [])) == anchors


@pytest.mark.parametrize(
    ("link", "led_to"),
    [
        ("scale.md", "scale"),
        ("safety.md#the-rule-of-red", "safety#the-rule-of-red"),
        ("#unproven", "#unproven"),
        ("https://example.org/a.md", "https://example.org/a.md"),
        ("../README.md", "../README.md"),
    ],
)
def test_links_between_the_files_are_links_between_the_pages(link: str, led_to: str) -> None:
    assert f'<a href="{led_to}">x</a>' in page(f"[x]({link})", [])


def test_html_is_shown_and_not_obeyed() -> None:
    shown = page("# <b>&amp;\n\n<script>alert(1)</script> <img src=x onerror=y>\n\n[x](javascript:alert(1))", [])
    assert "<script>" not in shown
    assert "<img" not in shown
    assert "href" not in shown
    assert "<title>&lt;b&gt;" in shown


def test_the_table_of_modes_is_what_the_modes_do() -> None:
    lines = (ROOT / "docs" / "dag.md").read_text(encoding="utf-8").splitlines()
    rows: dict[str, Any] = {
        cells[0].strip("` "): [bool(cell.strip()) for cell in cells[1:]]
        for cells in (line.strip("|").split("|") for line in lines if line.startswith("| `"))
        if len(cells) == 5
    }
    for mode in (Mode.PLAN, Mode.COPY, Mode.SWITCH, Mode.MOVE):
        assert rows[mode.value] == [True, mode.copies, mode.switches, mode.deletes]

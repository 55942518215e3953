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

from s3_migration.model import declaration as declarations
from s3_migration.model.declaration import Declaration
from s3_migration.model.modes import Mode
from s3_migration.ui import dag_factory, docs_examples
from s3_migration.ui import docs_pages as documentation
from s3_migration.ui.docs_pages import page
from tests.support import ROOT
from tests.support.product import declare

PREFIX = "/s3-migration/docs"
PAGES = sorted(path.stem for path in (ROOT / "docs").glob("*.md") if path.stem != "dag")
GALLERY = Declaration.model_validate(
    {
        "name": "gallery",
        "legacy": {"conn_id": "old", "bucket": "old-b", "prefix": "it's/", "path_prefix": "https://x/"},
        "production": {"conn_id": "new", "bucket": "new-b", "prefix": "show off/", "path_prefix": "https://y/"},
        "database": {
            "conn_id": "shop",
            "references": [
                {"table": "users", "column": "badges", "array": True},
                {"table": "shop.Pictures", "column": "Path"},
            ],
        },
    }
)
IMAGES = sorted(path.name for path in (ROOT / "docs").glob("*.png"))
PLUGIN = ROOT / "plugins" / "s3_migration_docs.py"
# The timetable, of which Airflow wants the class itself, every task imports with the DAG file anyhow; a listener is
# a few lines of pluggy's.
LIGHT = {
    "s3_migration_schedule": {"airflow", "croniter", "cron_descriptor", "s3_migration"},
    "s3_migration_notes": {"airflow"},
}


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
    documentation.app.dependency_overrides[documentation.readable] = lambda: {"avatars": declare()}
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
        assert re.findall(r"<nav[^>]*>(.*)</nav>", shown)[0].count("<a ") == len(PAGES) + 1, "and the way back"
        assert f'<a href="{name}" aria-current=page>' in shown
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
        if target.startswith(("http://", "https://")) or target == "../../":  # Airflow's own
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


# -- in the words of a migration ------------------------------------------------------------------------------------


def test_the_examples_own_words_stay_as_they_are() -> None:
    """Else what the tests of the runbook run would not be what stands there."""
    text = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(\w+)[^\n]*\n(.*?)```", text, re.DOTALL)
    assert len(blocks) > 20
    for language, code in blocks:
        assert docs_examples.in_words_of(declare(), code, language) == code


@pytest.mark.parametrize(
    ("language", "code", "wanted"),
    [
        ("bash", "python -m s3_migration status avatars", "python -m s3_migration status gallery"),
        ("bash", "python -m s3_migration retire avatars drop avatars-ledger > drop.sql",
         "python -m s3_migration retire gallery drop gallery-ledger > drop.sql"),
        ("bash", "airflow dags pause migrate_avatars", "airflow dags pause migrate_gallery"),
        ("bash", "aws s3api head-object --bucket production-s3 --key avatar/avatar-7.png",
         "aws s3api head-object --bucket new-b --key 'show off/avatar-7.png'"),
        ("sql", "SELECT * FROM s3_migration.ledger WHERE legacy_key = 'image/avatar-7.png';",
         "SELECT * FROM s3_migration.ledger WHERE legacy_key = 'it''s/avatar-7.png';"),
        ("sql", "SELECT id, path FROM avatars WHERE starts_with(path, 'image/') LIMIT 20;",
         """SELECT id, "Path" FROM shop."Pictures" WHERE starts_with("Path", 'https://x/') LIMIT 20;"""),
        ("sql", "WHERE name = 'avatars';", "WHERE name = 'gallery';"),
        ("sql", "WHERE relname IN ('avatars', 'ledger')", "WHERE relname IN ('Pictures', 'ledger')"),
        ("yaml", "table: avatars", "table: avatars"),
    ],
)  # fmt: skip
def test_commands_and_sql_are_those_of_the_migration(language: str, code: str, wanted: str) -> None:
    assert docs_examples.in_words_of(GALLERY, code, language) == wanted


def test_a_page_is_shown_for_the_migration_that_is_asked_for(reader: TestClient) -> None:
    readable = documentation.app.dependency_overrides
    shown = text(reader, f"{PREFIX}/runbook")
    assert "those of <b>avatars</b>. " not in shown
    assert "those of <b>avatars</b>.</p>" in shown, "the only one is meant"
    readable[documentation.readable] = lambda: {"avatars": declare(), "gallery": GALLERY}
    shown = text(reader, f"{PREFIX}/runbook")
    assert "of the example, <b>avatars</b>" in shown
    assert 'href="runbook?migration=gallery"' in shown
    shown = text(reader, f"{PREFIX}/runbook?migration=gallery")
    assert "python -m s3_migration stop gallery --reason" in shown
    assert "FROM shop.&quot;Pictures&quot; WHERE" in shown
    assert "role of connection <code>shop</code>" in shown
    assert "SQL shows shop.Pictures.Path." in shown
    assert 'href="safety?migration=gallery#the-states-of-an-object"' in shown, "and goes on so on the next page"


@pytest.mark.parametrize("asked", ["nobody", "<script>", "../../etc"])
def test_a_migration_that_one_may_not_see_is_none(reader: TestClient, asked: str) -> None:
    documentation.app.dependency_overrides[documentation.readable] = lambda: {}
    answer = reader.get(f"{PREFIX}/runbook", params={"migration": asked})
    assert "of the example, <b>avatars</b>" in answer.text
    assert asked not in answer.text.partition("<main>")[0]
    assert "<script>" not in answer.text


def test_only_those_are_named_that_the_user_may_see(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documentation, "may", lambda user, method, declared: (user, method) == ("viewer", "GET"))
    assert list(documentation.readable("viewer")) == ["avatars"]  # type: ignore[arg-type]
    assert documentation.readable("nobody") == {}  # type: ignore[arg-type]
    monkeypatch.setattr(declarations, "DIRECTORY", Path("/nowhere"))
    assert documentation.readable("viewer") == {}, "and the runbook is shown even so"  # type: ignore[arg-type]


def test_the_docs_of_a_dag_lead_to_pages_in_its_words() -> None:
    links = re.findall(r"\]\((s3-migration/[^)]+)\)", dag_factory.docs_of(GALLERY))
    assert "s3-migration/docs/runbook?migration=gallery#approving-a-deletion" in links
    assert all("?migration=gallery" in link for link in links)


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
    assert set(done.stdout.split()) <= {"importlib"} | LIGHT.get(plugin.stem, set())


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
    assert re.findall(r'<h2 id="([^"]+)"', page(headings)) == anchors


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
    assert f'<a href="{led_to}">x</a>' in page(f"[x]({link})")


def test_html_is_shown_and_not_obeyed() -> None:
    shown = page("# <b>&amp;\n\n<script>alert(1)</script> <img src=x onerror=y>\n\n[x](javascript:alert(1))")
    assert "<script>" not in shown
    assert "<img" not in shown
    assert "href" not in shown.partition("<main>")[2]
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

"""The runbook and its neighbours in docs/, as pages of Airflow's own UI.

At 3 a.m. whoever has the UI has the runbook: the DAG's docs link here, and so does the UI's menu.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from string import Template
from typing import Annotated
from urllib.parse import quote

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_view
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from markdown_it import MarkdownIt
from markdown_it.token import Token

from s3_migration.model import declaration as declarations
from s3_migration.model.declaration import Declaration, DeclarationError
from s3_migration.ui import docs_examples
from s3_migration.ui.rights import may

DIRECTORY = Path(__file__).parents[3] / "docs"
FIRST = "runbook"
# The UI shows it with each DAG, and its links are from there.
DAG_DOCS = "dag"
# The menu: what is looked for at night comes first.
MENU = {
    "On call": ("runbook", "operate", "alerts", "metrics", "safety"),
    "Set up": ("declaration", "deploy", "aws", "scale"),
    "Background": ("words", "decisions", "performance", "development"),
}
_TITLES = {"aws": "AWS", "operate": "Runs", "deploy": "Deployment", "performance": "Figures"}

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>$title</title>
<style>
:root { color-scheme: light dark; background: Canvas; color: CanvasText; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 0 auto; padding: 1rem; }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1.6rem; padding-bottom: .5rem; border-bottom: 1px solid #8886; }
nav span { white-space: nowrap; }
nav b { font-weight: 600; opacity: .7; }
nav a { margin-left: .5rem; }
nav a[aria-current] { font-weight: 600; text-decoration: none; color: inherit; }
.migration { opacity: .85; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { border: 1px solid #8886; padding: .3rem .6rem; text-align: left; vertical-align: top; }
code { font-size: .9em; background: #8882; padding: .1em .3em; border-radius: .2em; }
pre { overflow-x: auto; padding: .8rem; background: #8882; border-radius: .3em; }
pre code { background: none; padding: 0; }
img { max-width: 100%; background: white; }
</style>
</head>
<body>
<nav aria-label="Pages">$menu</nav>
<main>
$migration$body</main>
</body>
</html>
""")


def files() -> dict[str, Path]:
    """What is served, by name. Nothing else is looked for, so no name leads out of docs/."""
    pages = {name: DIRECTORY / f"{name}.md" for group in MENU.values() for name in group}
    return {**pages, **{path.name: path for path in DIRECTORY.glob("*.png")}}


def page(
    text: str, name: str = "", declared: Declaration | None = None, others: Sequence[str] = (), kept: str = ""
) -> str:
    """Markdown as HTML. HTML in the text is shown, not obeyed.

    :param name: of the page.
    :param declared: whose names its commands and SQL have; None: the example's.
    :param others: migrations that can be chosen instead.
    :param kept: query of each link to another page.
    """
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens, title = parser.parse(text), ""
    seen: dict[str, int] = {}
    for token, following in pairwise(tokens):
        if token.type == "heading_open":
            heading = _text(following)
            token.attrSet("id", _anchor(heading, seen))
            title = title or heading
    for token in tokens:
        if declared and token.type == "fence":
            token.content = docs_examples.in_words_of(declared, token.content, token.info.partition(" ")[0])
        for child in token.children or []:
            if child.type == "link_open":
                child.attrSet("href", re.sub(r"^([\w-]+)\.md(?=#|$)", rf"\1{kept}", str(child.attrGet("href"))))
            elif declared and child.type == "code_inline":
                child.content = docs_examples.inline(declared, child.content)
    return _PAGE.substitute(
        title=html.escape(title),
        menu=_menu(name, kept),
        migration=_whose(name, declared, others) if "```" in text else "",
        # What is wider than the page is scrolled, by keyboard as well.
        body=parser.renderer.render(tokens, parser.options, {}).replace("<pre>", '<pre tabindex="0">'),
    )


def _menu(current: str, kept: str) -> str:
    groups = ['<span><a href="../../">&larr; Airflow</a></span>']  # past a path that a proxy puts before it, too
    for group, names in MENU.items():
        links = (
            f'<a href="{name}{kept}"{" aria-current=page" if name == current else ""}>'
            f"{_TITLES.get(name, name.capitalize())}</a>"
            for name in names
        )
        groups.append(f"<span><b>{group}</b>{''.join(links)}</span>")
    return "".join(groups)


def _whose(name: str, declared: Declaration | None, others: Sequence[str]) -> str:
    """Whose names the commands on the page have, and a link to each other migration."""
    links = ", ".join(f'<a href="{name}{_query(other)}">{html.escape(other)}</a>' for other in others)
    said = "Commands and SQL are those of the example, <b>avatars</b>."
    if declared:
        said = f"Commands and SQL are those of <b>{html.escape(declared.name)}</b>."
        if len(declared.references) > 1:
            columns = ", ".join(each.name for each in declared.references)
            shown = docs_examples.shown_reference(declared).name
            said += f" Of its columns ({html.escape(columns)}) SQL shows {html.escape(shown)}."
    return f'<p class="migration">{said}{f" Others: {links}." if links else ""}</p>\n'


def _query(migration: str) -> str:
    return f"?migration={quote(migration)}"


def _text(inline: Token) -> str:
    return "".join(child.content for child in inline.children or [])


def _anchor(heading: str, seen: dict[str, int]) -> str:
    """As GitHub makes it, so that a link works in both places: messages say docs/runbook.md#stop-all-deletion-now."""
    anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
    number = seen[anchor] = seen.get(anchor, -1) + 1
    return f"{anchor}-{number}" if number else anchor


# A sub-app is open to anyone unless it says otherwise, its schema too. Who may see the UI's own docs may see these.
may_read = requires_access_view(AccessView.DOCS)
app = FastAPI(dependencies=[Depends(may_read)], docs_url=None, redoc_url=None, openapi_url=None)


@app.get("/")
def first() -> Response:
    return RedirectResponse(FIRST)


def readable(user: GetUserDep) -> dict[str, Declaration]:
    """Those that the user may see, by name; none where their directory cannot be read: the pages are there even so."""
    with suppress(DeclarationError):
        return {each.name: each for each in declarations.sound() if may(user, "GET", each)}
    return {}


@app.get("/{name}")
def document(name: str, known: Annotated[dict[str, Declaration], Depends(readable)], migration: str = "") -> Response:
    """A page, or an image of one.

    :param migration: whose names its commands are to have; without it those of the only one, if there is but one.
    """
    served = files()
    if name not in served:
        raise HTTPException(404, "There is no such page.")
    path = served[name]
    if path.suffix != ".md":
        return FileResponse(path)
    chosen = known.get(migration) or (next(iter(known.values())) if len(known) == 1 else None)
    others = [other for other in known if chosen is None or other != chosen.name]
    kept = _query(migration) if migration in known else ""
    return HTMLResponse(page(path.read_text(encoding="utf-8"), name, chosen, others, kept))

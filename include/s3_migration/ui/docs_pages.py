"""The runbook and its neighbours in docs/, as pages of Airflow's own UI.

At 3 a.m. whoever has the UI has the runbook: the DAG's docs link here, and so does the UI's menu.
"""

from __future__ import annotations

import html
import re
from itertools import pairwise
from pathlib import Path
from string import Template

from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import requires_access_view
from fastapi import Depends, FastAPI, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from markdown_it import MarkdownIt
from markdown_it.token import Token

DIRECTORY = Path(__file__).parents[3] / "docs"
FIRST = "runbook"
# The UI shows it with each DAG, and its links are from there.
DAG_DOCS = "dag"

_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>$title</title>
<style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 0 auto; padding: 1rem; }
nav a { margin-right: 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { border: 1px solid #8886; padding: .3rem .6rem; text-align: left; vertical-align: top; }
code { font-size: .9em; background: #8882; padding: .1em .3em; border-radius: .2em; }
pre { overflow-x: auto; padding: .8rem; background: #8882; border-radius: .3em; }
pre code { background: none; padding: 0; }
img { max-width: 100%; background: white; }
</style>
</head>
<body>
<nav>$menu</nav>
<main>
$body</main>
</body>
</html>
""")


def files() -> dict[str, Path]:
    """What is served, by name. Nothing else is looked for, so no name leads out of docs/."""
    pages = {path.stem: path for path in sorted(DIRECTORY.glob("*.md")) if path.stem != DAG_DOCS}
    return {**pages, **{path.name: path for path in DIRECTORY.glob("*.png")}}


def page(text: str, names: list[str]) -> str:
    """Markdown as HTML; `names` are the pages of the menu. HTML in the text is shown, not obeyed."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens, title = parser.parse(text), ""
    seen: dict[str, int] = {}
    for token, following in pairwise(tokens):
        if token.type == "heading_open":
            heading = _text(following)
            token.attrSet("id", _anchor(heading, seen))
            title = title or heading
    for token in tokens:
        for child in token.children or []:
            if child.type == "link_open":
                child.attrSet("href", re.sub(r"^([\w-]+)\.md(?=#|$)", r"\1", str(child.attrGet("href"))))
    return _PAGE.substitute(
        title=html.escape(title),
        menu=" ".join(f'<a href="{name}">{name}</a>' for name in names),
        body=parser.renderer.render(tokens, parser.options, {}),
    )


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


@app.get("/{name}")
def document(name: str) -> Response:
    """A page, or an image of one."""
    served = files()
    if name not in served:
        raise HTTPException(404, "There is no such page.")
    path = served[name]
    if path.suffix != ".md":
        return FileResponse(path)
    names = [other for other, file in served.items() if file.suffix == ".md"]
    return HTMLResponse(page(path.read_text(encoding="utf-8"), names))

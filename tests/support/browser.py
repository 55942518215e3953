"""A real browser, logged in to the live stack's UI."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import Any

import pytest

from .live_stack import Platform

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# It is to reach the stack and nothing else; as root it has no sandbox.
ARGUMENTS = ["--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
ARGUMENTS += ["--disable-sync", *(["--no-sandbox"] if os.geteuid() == 0 else [])]


def violations(page: Any) -> list[str]:
    """What axe finds on a page, or in a frame of one, that keeps somebody from using it."""
    page.evaluate((files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    return [f"{each['id']} ({each['impact']}): {each['nodes'][0]['html']}" for each in found]


@contextmanager
def opened_page(platform: Platform) -> Iterator[Any]:
    """A page of the administrator's; skips the test where there is no browser."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine: the browser test was not run (Debian: apt-get install chromium)")
    from playwright.sync_api import sync_playwright

    variables = platform.stack.variables()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.goto(variables["AIRFLOW_URL"])
        page.fill('input[name="username"]', variables["AIRFLOW_USER"])
        page.fill('input[name="password"]', variables["AIRFLOW_PASSWORD"])
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: "login" not in url)
        yield page
        browser.close()

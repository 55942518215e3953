"""A real browser, logged in to the live stack's UI."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from .live_stack import Platform

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# It is to reach the stack and nothing else; as root it has no sandbox.
ARGUMENTS = ["--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"]
ARGUMENTS += ["--disable-sync", *(["--no-sandbox"] if os.geteuid() == 0 else [])]


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

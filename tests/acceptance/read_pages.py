"""Read pages of a dashboard in Debian's Chromium, as a person would, and print what is on them as JSON.

Runs in .venv-dashboard. stdin: {"chromium": path, "url": ..., "paths": [...], "screenshots": [file or null, ...]}.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, Request, sync_playwright

LIMIT_MS = 120_000
SETTLED = """() => document.querySelector('h1') &&
  document.querySelector('[data-testid=stApp]')?.getAttribute('data-test-script-state') === 'notRunning' &&
  !document.querySelector('[data-testid=stSkeleton], [data-testid=stSpinner]')"""
TEXTS = """selector => [...document.querySelectorAll(selector)].map(each => each.innerText.trim())"""
METRICS = """() => Object.fromEntries([...document.querySelectorAll('[data-testid=stMetric]')].map(each => [
  each.querySelector('[data-testid=stMetricLabel]').innerText.trim(),
  each.querySelector('[data-testid=stMetricValue]').innerText.trim()]))"""
WIDTH = "() => document.querySelector('[data-testid=stMain]').scrollWidth - document.documentElement.clientWidth"
HEIGHT = "() => document.querySelector('[data-testid=stMain]').scrollHeight"
FOCUS = "() => (document.activeElement?.innerText || document.activeElement?.ariaLabel || '').trim().slice(0, 80)"
TABS = 40
NOT_LOADED = "Failed to fetch dynamically imported module"
TRIES = 3
"""A part of Streamlit's own page that the server of a busy machine did not hand out: a person loads the page again."""


def main() -> None:
    """One page after the other in one tab."""
    asked = json.load(sys.stdin)
    shots = asked.get("screenshots") or [None] * len(asked["paths"])
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=asked["chromium"], args=["--no-sandbox"])
        page, outside, spoken = browser.new_page(viewport={"width": 1280, "height": 900}), list[str](), list[str]()
        page.on("request", lambda request: outside.extend(_outside(request, asked["url"])))
        page.on("dialog", lambda dialog: (spoken.append(dialog.message), dialog.dismiss()))
        read = [_read(page, asked["url"], path, shot) for path, shot in zip(asked["paths"], shots, strict=True)]
        browser.close()
    json.dump({"pages": read, "outside": outside, "dialogs": spoken}, sys.stdout)


def _outside(request: Request, url: str) -> list[str]:
    return [] if request.url.startswith((url, url.replace("http", "ws", 1), "data:", "blob:")) else [request.url]


def _read(page: Page, url: str, path: str, shot: str | None) -> dict[str, Any]:
    began = time.monotonic()
    for _ in range(TRIES):
        page.goto(f"{url}{path}")
        page.wait_for_function(SETTLED, timeout=LIMIT_MS)
        seconds = time.monotonic() - began
        page.wait_for_timeout(700)
        if not page.get_by_text(NOT_LOADED).count():
            break
    found = {
        "url": page.url,
        "seconds": seconds,
        "metrics": page.evaluate(METRICS),
        "texts": page.evaluate(TEXTS, "[data-testid=stText], [data-testid=stMarkdownContainer] code"),
        "alerts": page.evaluate(TEXTS, "[data-testid=stAlert]"),
        "headings": page.evaluate(TEXTS, "h1, h2, h3"),
        "exceptions": page.evaluate(TEXTS, "[data-testid=stException]"),
        "plots": page.locator("[data-testid=stVegaLiteChart] :is(svg, canvas)").count(),
        "images": page.locator("[data-testid=stMain] img").count(),
        "links": page.eval_on_selector_all("[data-testid=stMain] a", "all => all.map(each => each.href)"),
        "too_wide_by": page.evaluate(WIDTH),
        "body": page.evaluate("() => document.body.innerText"),
    }
    if shot:
        _photograph(page, Path(shot))
    return {**found, "focus": _by_keyboard(page)}


def _by_keyboard(page: Page) -> list[str]:
    """What is reached by the tabulator, one after the other."""
    found = list[str]()
    for _ in range(TABS):
        page.keyboard.press("Tab")
        found.append(page.evaluate(FOCUS))
    return found


def _photograph(page: Page, file: Path) -> None:
    """All of the page, as far as it is not longer than two screens and a half."""
    page.set_viewport_size({"width": 1280, "height": min(int(page.evaluate(HEIGHT)), 2200)})
    page.wait_for_timeout(900)
    page.screenshot(path=file)
    page.set_viewport_size({"width": 1280, "height": 900})


if __name__ == "__main__":
    main()

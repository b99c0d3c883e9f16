"""The report for auditors in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, sync_playwright

from tests.deployment import Production
from tests.e2e.operators import ops
from tests.environment import PROJECT

CHROMIUM = shutil.which("chromium")

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium here: apt-get update && apt-get install chromium"
)

_QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
A4_WIDTH = 688
"""CSS pixels between the margins of 14 mm, at 96 a inch."""

_OUTSIDE = """() => {
    const width = document.documentElement.clientWidth;
    const scrolled = (each) => each.parentElement.closest('.scroll');
    return [...document.querySelectorAll('body *')]
        .filter((each) => !scrolled(each) && !each.closest('.skip'))
        .filter((each) => each.getBoundingClientRect().right > width + 1)
        .map((each) => each.outerHTML.slice(0, 120));
}"""
"""Elements that reach beyond the page, but for what can be scrolled."""

_CUT = """() => [...document.querySelectorAll('table')].flatMap((table) => {
    const room = document.querySelector('main').getBoundingClientRect().right + 1;
    return [table, ...table.querySelectorAll('td, th')]
        .filter((each) => each.getBoundingClientRect().right > room
            || (each !== table && each.scrollWidth > each.clientWidth + 1))
        .map((each) => each.outerHTML.slice(0, 160));
})"""
"""Tables that reach beyond the page, and cells whose text does not fit."""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made as a user would, who has no assembly."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    subprocess.run(
        [sys.executable, "-m", "ops", "report", "--output", str(path)],
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("chromium"),
            executable_path=CHROMIUM,
            args=[*_QUIET, *as_root],
            viewport={"width": 1280, "height": 900},
        )
        yield context
        context.close()


@pytest.fixture
def page(browser: BrowserContext, file: Path) -> Iterator[Page]:
    opened = browser.new_page()
    opened.goto(file.as_uri())
    yield opened
    opened.close()


def test_it_opens_without_errors_and_asks_for_nothing_else(
    browser: BrowserContext, file: Path
) -> None:
    page, said, asked = browser.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri(), wait_until="networkidle")
    assert (said, asked) == ([], [file.as_uri()])
    assert page.title().startswith("PaymentsProd: evidence for an audit")
    page.close()


def test_each_entry_of_the_contents_jumps_to_its_section(page: Page) -> None:
    entries = page.locator("nav a")
    assert entries.count() == 11
    for number in range(entries.count()):
        entry = entries.nth(number)
        target = (entry.get_attribute("href") or "").removeprefix("#")
        page.evaluate("scrollTo(0, 0)")
        entry.click()
        heading = page.locator(f"h2[id={target}]")
        box = heading.bounding_box()
        assert box is not None
        assert 0 <= box["y"] < 900
        assert (entry.text_content() or "") in (heading.text_content() or "")


@pytest.mark.parametrize("width", [320, 375, 768, 1280])
def test_nothing_is_wider_than_the_page(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(_OUTSIDE) == []


def test_on_a_phone_wide_tables_can_be_scrolled(page: Page) -> None:
    page.set_viewport_size({"width": 375, "height": 800})
    scrolled = page.locator(".scroll", has=page.locator("table.alarms")).first
    assert scrolled.evaluate("each => each.scrollWidth > each.clientWidth")
    assert scrolled.evaluate("each => getComputedStyle(each).overflowX") == "auto"
    assert scrolled.evaluate("each => (each.scrollLeft = 9999, each.scrollLeft > 0)")


def test_on_paper_no_table_is_cut(page: Page) -> None:
    page.set_viewport_size({"width": A4_WIDTH, "height": 1000})
    page.emulate_media(media="print")
    assert page.evaluate(_CUT) == []
    assert page.evaluate(_OUTSIDE) == []
    picture = page.locator(".picture").bounding_box()
    assert picture is not None
    assert picture["width"] <= A4_WIDTH
    assert page.locator("thead").first.evaluate("each => getComputedStyle(each).display") == (
        "table-header-group"  # so that it is repeated on each page
    )


def test_it_prints_as_pages_of_a4(page: Page, tmp_path: Path) -> None:
    printed = page.pdf(prefer_css_page_size=True)
    assert printed.startswith(b"%PDF")
    assert printed.count(b"/MediaBox [0 0 594.95") + printed.count(b"/MediaBox [0 0 595") > 10


def test_live_values_fit_as_well(
    browser: BrowserContext, production: Production, tmp_path: Path
) -> None:
    file = tmp_path / "report.html"
    assembly = str(production.environment.directory / "cdk.out")
    answer = ops(
        production, "report", "--live", "--assembly", assembly, "--output", str(file), "--json"
    )
    assert answer.code in (0, 1), answer
    page = browser.new_page()
    page.goto(file.as_uri())
    assert page.locator("nav a").count() == 12
    page.set_viewport_size({"width": 375, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    assert page.evaluate(_OUTSIDE) == []
    page.set_viewport_size({"width": A4_WIDTH, "height": 1000})
    page.emulate_media(media="print")
    assert page.evaluate(_CUT) == []
    assert page.evaluate(_OUTSIDE) == []
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_the_paper(page: Page, scheme: str) -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1."""
    page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
    ratios = page.evaluate(
        """() => {
        const light = (color) => {
            const [r, g, b] = color.match(/[\\d.]+/g).map(Number).slice(0, 3)
                .map((c) => c / 255)
                .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
            return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const paper = (each) => {
            const color = getComputedStyle(each).backgroundColor;
            return color.endsWith(', 0)') ? paper(each.parentElement) : color;
        };
        const selectors = ['p', 'td', 'thead th', 'caption', 'dt', 'a', 'td.deny', 'td.allow',
            'td.critical', 'td.warning', '.impact', '.verdict', '.value b', 'tr.traffic td'];
        return Object.fromEntries(selectors.map((selector) => {
            const each = document.querySelector(selector);
            const [one, other] = [getComputedStyle(each).color, paper(each)].map(light);
            return [selector, (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)];
        }));
    }"""
    )
    assert len(ratios) == 14
    assert {name: ratio for name, ratio in ratios.items() if ratio < 4.5} == {}

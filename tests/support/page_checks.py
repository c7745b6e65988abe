"""What a program can see of a page, for the stand-in run and for whole ones."""

import re
from contextlib import contextmanager
from pathlib import Path

from bs4 import BeautifulSoup

from helpers.paths import ROOT

AXE = ROOT / ".cache" / "axe-core" / "package" / "axe.min.js"
CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@contextmanager
def headless_chromium():
    """A browser; playwright is imported by who asks for it, because it may be missing."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


def open_page(browser, address, width=1440, height=900, **options):
    """A page with what it asked for and complained of."""
    context = browser.new_context(viewport={"width": width, "height": height}, **options)
    page = context.new_page()
    page.asked, page.complaints = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto(address)
    return page


def axe_violations(browser, address: str) -> list[str]:
    """Every violation that axe-core reports, in light and dark, at 390 and 1,440 pixels."""
    found = []
    for theme in ("light", "dark"):
        page = open_page(
            browser, address, color_scheme=theme, bypass_csp=True
        )  # the policy would keep axe out
        page.evaluate(AXE.read_text(encoding="utf-8"))
        for width in (1440, 390):
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_timeout(100)
            result = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
            found += [
                f"{width} {theme}: {rule['id']}: {node['html'][:200]}"
                for rule in result["violations"]
                for node in rule["nodes"]
            ]
        page.context.close()
    return found


def article_screens(browser, address: str) -> float:
    """How many screens of 1,440 x 900 pixels stand above the supplement."""
    page = open_page(browser, address)
    top = page.evaluate("document.querySelector('section.supplement').getBoundingClientRect().top + scrollY")
    page.context.close()
    return top / 900


PAPER = 672  # CSS pixels between the margins of an A4 sheet


def on_paper(browser, address: str) -> dict:
    """How the page prints: its sheets, what is cut at the right, and which of its tools would be printed."""
    page = open_page(browser, address, width=PAPER)
    page.emulate_media(media="print")
    page.wait_for_timeout(100)
    found = page.evaluate(
        """(width) => ({
        outside: Array.from(document.querySelectorAll("main *"), (e) => [e, e.getBoundingClientRect()])
            .filter(([e, box]) => box.width && box.right > width + 1)
            .filter(([e]) => !e.closest(".visually-hidden, .repeat, svg"))
            .map(([e]) => e.outerHTML.slice(0, 120)),
        tools: Array.from(document.querySelectorAll("button.copy, .bar, .contents, .skip, details.source"))
            .filter((e) => e.getBoundingClientRect().height).length })""",
        PAPER,
    )
    pdf = page.pdf(prefer_css_page_size=True)
    page.context.close()
    return found | {"sheets": len(re.findall(rb"/Type\s*/Page\b", pdf))}


def check_text(page: str, limit: int) -> BeautifulSoup:
    """Assert what can be read off the file: its size, no address to load from, one script, alternative texts,
    captions, headings, ids, valid HTML.
    """
    assert len(page.encode()) < limit
    soup = BeautifulSoup(page, "html.parser")
    sources = [
        tag[key] for tag in soup.find_all(True) for key in ("src", "srcset", "data", "poster") if tag.get(key)
    ]
    assert sources and all(source.startswith("data:") for source in sources)
    assert not soup.find_all("link", rel="stylesheet") and "@import" not in page and "url(" not in page
    assert len(soup.find_all("script")) == 1 and not [
        tag for tag in soup.find_all(True) for key in tag.attrs if key.startswith("on")
    ]
    figures = soup.select("main figure.figure")
    assert all(figure.img["alt"].strip() for figure in figures)
    assert all(
        len(figure.figcaption.get_text()) > 20 for figure in figures if not figure.find_parent("details")
    )
    levels = [int(tag.name[1]) for tag in soup.find_all(re.compile("^h[1-6]$"))]
    assert levels.count(1) == 1 and all(
        after <= before + 1 for before, after in zip(levels, levels[1:], strict=False)
    )
    ids = [tag["id"] for tag in soup.find_all(id=True)]
    assert len(ids) == len(set(ids))
    assert {link["href"][1:] for link in soup.find_all("a", href=re.compile("^#"))} <= set(ids)
    assert parse_errors(page) == []
    return soup


def parse_errors(page: str) -> list[str]:
    """What the HTML standard's own parser complains of."""
    from bleach._vendor.html5lib import HTMLParser
    from bleach._vendor.html5lib.constants import E

    parser = HTMLParser()
    parser.parse(page)
    return [f"{place}: {E[code] % details}" for place, code, details in parser.errors]

"""How soon does a browser show a report's page? Processor time to open it, its height, its bytes.

Run: python benchmarks/page_opening.py [PAGE ...] [--rounds 5] [--browser /usr/bin/chromium]

PAGE is a rendered report (default: reports/quick/report.html). The pages are opened in turn, ``--rounds``
times each, at 1,440 x 900 pixels and, for the height alone, at a phone's 390. Printed: median, least and most
of the seconds of processor time in which the browser lays out and runs the page, which other work on the
machine hardly changes. Needs playwright and a Chromium.
"""

import argparse
import statistics
from pathlib import Path
from typing import Any

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def seconds_to_open(browser: Any, address: str) -> float:
    """Seconds of processor time in which the browser lays out and runs the page at ``address``."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.goto(address)
    measured = {entry["name"]: entry["value"] for entry in session.send("Performance.getMetrics")["metrics"]}
    page.context.close()
    return float(measured["TaskDuration"])


def height(browser: Any, address: str, width: int) -> int:
    """Pixels from the top of the page to its end, in a window of this width."""
    page = browser.new_context(viewport={"width": width, "height": 900}).new_page()
    page.goto(address)
    found = page.evaluate("document.documentElement.scrollHeight")
    page.context.close()
    return int(found)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("pages", type=Path, nargs="*", default=[Path("reports/quick/report.html")])
    parser.add_argument("--rounds", type=int, default=5, help="how often each is opened (default: 5)")
    parser.add_argument("--browser", default="/usr/bin/chromium", help="a Chromium (default: Debian's)")
    options = parser.parse_args(arguments)
    if missing := [str(page) for page in options.pages if not page.exists()]:
        parser.error(f"no such page: {', '.join(missing)}; python run_all.py makes the default one")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=options.browser, args=ARGUMENTS)
        addresses = {page: page.resolve().as_uri() for page in options.pages}
        times: dict[Path, list[float]] = {page: [] for page in options.pages}
        for _ in range(options.rounds):
            for page, address in addresses.items():
                times[page].append(seconds_to_open(browser, address))
        for page, address in addresses.items():
            found = times[page]
            print(
                f"{page}: opened in {statistics.median(found):.2f} s of processor time "
                f"({min(found):.2f} to {max(found):.2f}); {height(browser, address, 1440):,} pixels tall, "
                f"{height(browser, address, 390):,} on a phone; {page.stat().st_size / 1e6:.1f} MB"
            )
        browser.close()


if __name__ == "__main__":
    main()

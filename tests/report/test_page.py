"""The page in a browser: no request, no error, and everything that a reader can press."""

import csv
import io
import time

import pytest

from helpers.report.page.compare import render_comparison
from helpers.report.page.render import render_report
from support.page_checks import AXE, CHROMIUM, axe_violations, headless_chromium, on_paper, open_page
from support.report_run import EVIL, build_run, fake_params

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A run of two replicates with a script for a class, and another of three.

    Also their comparison, and the list of runs.
    """
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("page")
        build_run(folder, patch, lesion_class=EVIL, params=fake_params(gan={"seeds": [0, 1]}, replicates=2))
        build_run(folder, patch, run="second", lesion_class=EVIL)
        for run in ("fake", "second"):
            render_report(run)
        render_comparison("fake", "second")
        return folder / "reports"


@pytest.fixture(scope="module")
def address(base):
    return (base / "fake" / "report.html").as_uri()


@pytest.fixture(scope="module")
def browser():
    with headless_chromium() as browser:
        yield browser


def wait_until(page, expression, seconds=20):
    """Wait for an expression to become true.

    It is asked from outside, because the page's own policy forbids it to evaluate text.
    """
    end = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < end, f"never came true: {expression}"
        page.wait_for_timeout(50)


def colours(page, selector):
    """Relative contrast of an element's text with the nearest background behind it, as WCAG defines it."""
    return page.evaluate(
        """(selector) => {
        const parse = (text) => text.match(/[\\d.]+/g).map(Number);
        const linear = (v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
        const light = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, k, i) => sum + k * linear(c[i] / 255), 0);
        const element = document.querySelector(selector);
        let behind = element, back;
        while (behind) {
            back = parse(getComputedStyle(behind).backgroundColor);
            if (back.length < 4 || back[3] > 0) break;
            behind = behind.parentElement;
        }
        const [a, b] = [light(parse(getComputedStyle(element).color)), light(back)].sort((x, y) => y - x);
        return (a + .05) / (b + .05); }""",
        selector,
    )


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not in .cache/ (.ci/run fetches it)")
@pytest.mark.parametrize("name", ["fake/report.html", "compare-fake-second/report.html", "index.html"])
def test_axe_finds_no_violation(browser, base, name):
    assert axe_violations(browser, (base / name).as_uri()) == []


@pytest.mark.parametrize("name", ["compare-fake-second/report.html", "index.html"])
def test_the_other_pages_ask_for_nothing(browser, base, name):
    page = open_page(browser, (base / name).as_uri(), width=390)
    assert [url for url in page.asked if not url.startswith("data:")] == [
        (base / name).as_uri()
    ] and page.complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.context.close()


def test_words_in_a_drawing_stay_legible_on_a_telephone(browser, address):
    """Figures drawn for the whole width pan in their box instead of shrinking: 8 pt stay above 9 px."""
    page = open_page(browser, address, width=390)
    page.evaluate("document.querySelector('#figure-3 img').width = 864")  # the stand-in's drawings are small
    page.evaluate("document.querySelector('#figure-3').classList.add('broad')")
    assert (
        page.evaluate("document.querySelector('#figure-3 img').getBoundingClientRect().width")
        >= 9 / (8 * 4 / 3) * 864
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.context.close()


@pytest.mark.parametrize("script", [True, False])
def test_a_box_that_is_narrower_than_its_figure_says_that_it_scrolls(browser, base, tmp_path, script):
    """The words are the style's, stay in view while the figure pans, and are not printed."""
    text = (base / "fake" / "report.html").read_text(encoding="utf-8")
    broad = tmp_path / "broad.html"
    broad.write_text(text.replace('<figure class="figure"', '<figure class="figure broad"', 1))
    page = open_page(browser, broad.as_uri(), width=390, java_script_enabled=script)
    pans = "document.querySelectorAll('figure.figure .pan')"
    told = f"(which) => getComputedStyle({pans}[which], '::before').content"
    page.wait_for_function(f"() => ({told})(0).includes('Scroll sideways \u2192')")
    assert page.evaluate(told, 1) == "none"
    says_nothing = f"() => ({told})(0) === 'none'"
    page.emulate_media(media="print")
    page.wait_for_function(says_nothing)  # a busy browser takes its time with a new medium or width
    page.emulate_media(media="screen")
    page.wait_for_function(f"() => ({told})(0) !== 'none'")
    for width in (1280, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(says_nothing)
    page.context.close()


@pytest.mark.parametrize("width", [1440, 390])
def test_figures_of_the_article_do_not_shrink(browser, address, width):
    """At 864 px the smallest words of a drawing are 11 px; a telephone pans a figure of that width."""
    page = open_page(browser, address, width=width)
    shown = page.evaluate(
        """Array.from(document.querySelectorAll(".article figure.figure"), (figure) => {
        const image = figure.querySelector("img");
        image.width = 864; image.height = 516;  // the stand-in's drawings are small
        image.style.width = "864px";
        figure.classList.add("broad");
        return image.getBoundingClientRect().width; })"""
    )
    assert shown and min(shown) >= (864 if width == 1440 else 9 / 11 * 864)
    page.context.close()


def test_it_prints(browser, address):
    """Nothing sticks out of the sheet, and the page's own tools stay off the paper."""
    found = on_paper(browser, address)
    assert found["outside"] == [] and found["tools"] == 0 and 2 <= found["sheets"] <= 30
    page = open_page(browser, address)
    told = page.locator(".on-paper")
    assert not told.is_visible()
    page.emulate_media(media="print")
    assert told.is_visible() and "folded are not printed" in told.inner_text()
    page.context.close()


@pytest.mark.parametrize("width", [390, 660, 820, 1000, 1100, 1440])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_asked_for_and_nothing_overflows(browser, address, width, theme):
    page = open_page(browser, address, width=width, color_scheme=theme)
    page.click('[data-action="code"]')
    page.wait_for_timeout(100)
    assert [url for url in page.asked if not url.startswith("data:")] == [address]
    assert page.complaints == [] and page.title().endswith("fake")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for selector in (
        "body",
        "h1",
        ".facts dt",
        "figcaption",
        "thead th",
        ".contents a",
        ".banner",
        ".note",
        "details.source summary",
        ".code .k",
        ".code .kn",
        ".copy",
        ".run",
    ):
        if page.query_selector(selector):
            assert colours(page, selector) >= 4.5, selector
    page.context.close()


def test_theme_button(browser, address):
    page = open_page(browser, address, color_scheme="light")
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click('[data-action="theme"]')
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.context.close()


def unfolded(page):
    """The page with all its folds open."""
    page.click(".unfold")
    return page


def test_tables_are_sorted_and_copied(browser, address):
    page = unfolded(open_page(browser, address, permissions=["clipboard-read", "clipboard-write"]))
    table = 'figure[data-name="headline"]'
    column = f"{table} tbody tr td:nth-child(4)"
    heading = page.locator(f"{table} thead th:nth-child(4) button")
    heading.click()
    values = [float(text) for text in page.locator(column).all_text_contents()]
    assert len(values) == 18 and values == sorted(values)
    heading.press("Enter")
    values = [float(text) for text in page.locator(column).all_text_contents()]
    assert values == sorted(values, reverse=True)
    assert page.get_attribute(f"{table} thead th:nth-child(4)", "aria-sort") == "descending"
    page.click(f"{table} .copy")
    wait_until(page, f"document.querySelector('{table} .copy').textContent === 'Copied'")
    rows = list(csv.reader(io.StringIO(page.evaluate("navigator.clipboard.readText()"))))
    assert (
        len(rows) == 19 and rows[0][:3] == ["Metric", "Arm", "Paper, %"] and rows[1][3] == f"{values[0]:.0f}"
    )
    assert all(len(row) == len(rows[0]) for row in rows)
    page.context.close()


def test_a_differences_sign_is_sorted_and_copied_as_a_number(browser, address):
    page = unfolded(open_page(browser, address, permissions=["clipboard-read", "clipboard-write"]))
    table = 'figure[data-name="headline"]'
    column = (
        page.evaluate(
            f"Array.from(document.querySelectorAll('{table} thead th'), (cell) => "
            "cell.textContent).indexOf('Change in this run')"
        )
        + 1
    )
    page.click(f"{table} thead th:nth-child({column}) button")
    texts = page.locator(f"{table} tbody tr td:nth-child({column})").all_text_contents()
    values = [float(text.replace("\u2212", "-")) for text in texts if text]
    assert (
        values == sorted(values) and len(values) == 12 and texts[12:] == [""] * 6
    )  # the reference's cells are empty, and stay last
    page.context.close()


def test_figures_enlarge_from_the_keyboard(browser, address):
    page = open_page(browser, address)
    page.focus("#figure-3 .enlarge")
    page.keyboard.press("Enter")
    assert page.evaluate("document.querySelector('dialog.viewer').open")
    assert page.inner_text("dialog.viewer figcaption").startswith("Figure 3")
    assert page.get_attribute("dialog.viewer img", "alt") == "Bars of different heights"
    page.keyboard.press("Escape")
    assert not page.evaluate("document.querySelector('dialog.viewer').open")
    assert page.evaluate("document.activeElement.closest('figure').id") == "figure-3"
    page.context.close()


def test_what_stands_behind_an_image_opens_from_the_keyboard(browser, address):
    page = open_page(browser, address)
    spots, panel = page.locator("#figure-4 .spot"), page.locator("#figure-4 .behind")
    assert spots.count() == 2 and not panel.is_visible()
    spots.nth(1).focus()
    page.keyboard.press("Enter")
    panel.locator("canvas").nth(1).wait_for()
    assert panel.inner_text().startswith("Image 1. How near?") and "distance 7" in panel.inner_text()
    assert [spot.get_attribute("aria-expanded") for spot in spots.all()] == ["false", "true"]
    image, spot = page.locator("#figure-4 .enlarge img").bounding_box(), spots.nth(1).bounding_box()
    assert abs(spot["x"] - image["x"] - image["width"] / 2) < 2
    page.keyboard.press("Enter")
    assert not panel.is_visible() and page.complaints == []
    page.context.close()


def test_code_opens_all_at_once(browser, address):
    page = open_page(browser, address)
    folded = "Array.from(document.querySelectorAll('details.source'), (fold) => fold.open)"
    assert not any(page.evaluate(folded))
    page.click('[data-action="code"]')
    assert all(page.evaluate(folded)) and page.get_attribute('[data-action="code"]', "aria-pressed") == "true"
    seen = "Array.from(document.querySelectorAll('details.source pre'), (code) => code.checkVisibility())"
    assert all(page.evaluate(seen)), "the folds around the code are open, too"
    page.context.close()


@pytest.mark.parametrize("chosen", [None, "dark"])
def test_paper_is_light_whatever_the_screen_is(browser, address, chosen):
    page = open_page(browser, address, color_scheme="dark")
    if chosen:
        page.evaluate(f"document.documentElement.dataset.theme = '{chosen}'")
    colour = "(name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()"
    assert page.evaluate(colour, "--band") == "#293136"
    page.emulate_media(media="print", color_scheme="dark")
    names = ("--paper", "--ink", "--band", "--up")
    assert [page.evaluate(colour, name) for name in names] == ["#fff", "#000", "#e6e9ea", "#00684a"]
    page.context.close()


def test_words_among_numbers_are_sorted_last(browser, address):
    page = unfolded(open_page(browser, address))
    table = 'figure[data-name="headline"]'
    column = f"{table} tbody tr td:nth-child(4)"
    page.evaluate("(cell) => { document.querySelector(cell).textContent = 'too few'; }", column)
    for _ in range(2):
        page.click(f"{table} thead th:nth-child(4) button")
        texts = page.locator(column).all_text_contents()
        assert texts[-1] == "too few"
    values = [float(text) for text in texts[:-1]]
    assert values == sorted(values, reverse=True) and len(values) > 5
    page.context.close()


def test_a_table_that_scrolls_says_so_and_keeps_the_names_of_its_rows(browser, address):
    page = unfolded(open_page(browser, address, width=390))
    wide = page.locator(".scroll[data-wide][data-pinned]").first
    wide.scroll_into_view_if_needed()
    told = "(box) => getComputedStyle(box, '::before').content"
    assert "Scroll sideways" in wide.evaluate(told)
    place = "(box) => box.querySelector('tbody th').getBoundingClientRect().x - box.getBoundingClientRect().x"
    before = wide.evaluate(place)
    wide.evaluate("(box) => { box.scrollLeft = box.scrollWidth; }")
    wait_until(page, "document.querySelectorAll('.scroll[data-wide]:not([data-more])').length > 0")
    assert wide.evaluate(place) == pytest.approx(before, abs=1.5)
    page.context.close()


def test_contents_follow_the_reading(browser, address):
    page = open_page(browser, address, reduced_motion="reduce")
    current = "document.querySelector('.contents [aria-current]')?.hash"
    assert page.evaluate(current) == "#answer"
    page.evaluate("document.querySelector('#classifier').scrollIntoView()")
    wait_until(page, f"{current} === '#classifier'")
    page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    wait_until(page, f"{current} === '#provenance'")
    page.context.close()


def test_contents_are_closed_on_a_telephone(browser, address):
    page = open_page(browser, address, width=390)
    assert not page.evaluate("document.querySelector('.contents details').open")
    shown = page.evaluate("getComputedStyle(document.querySelector('.contents summary')).display")
    assert shown == "list-item"  # which has the arrow of what opens
    page.context.close()


def test_first_tab_skips_to_the_text(browser, address):
    page = open_page(browser, address)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.context.close()


def test_every_link_into_a_fold_opens_it(browser, address):
    page = open_page(browser, address, reduced_motion="reduce")
    links = page.evaluate(
        "Array.from(document.querySelectorAll('main a[href^=\"#\"]'), (link) => link.hash.slice(1))"
        ".filter((id) => document.getElementById(id).closest('details'))"
    )
    assert len(links) >= 5
    for anchor in links:
        fold = f"document.getElementById('{anchor}').closest('details')"
        page.evaluate(f"{fold}.open = false")
        page.evaluate(f"document.querySelector('main a[href=\"#{anchor}\"]').click()")
        wait_until(page, f"{fold}.open")
    page.context.close()


def test_an_address_into_a_fold_opens_it(browser, base, address):
    page = open_page(browser, f"{address}#more-provenance")
    assert page.evaluate("document.getElementById('more-provenance').open")
    page.context.close()


def test_folds_open_and_close_all_at_once(browser, address):
    page = unfolded(open_page(browser, address))
    folds = "Array.from(document.querySelectorAll('details.part'), (fold) => fold.open)"
    assert all(page.evaluate(folds))
    wait_until(page, "document.querySelector('.unfold').textContent === 'Close all folds'")
    page.click(".unfold")
    assert not any(page.evaluate(folds))
    wait_until(page, "document.querySelector('.unfold').textContent === 'Open all folds'")
    page.evaluate("document.querySelectorAll('details.part').forEach((part) => { part.open = true; })")
    wait_until(page, "document.querySelector('.unfold').textContent === 'Close all folds'")
    page.context.close()


def test_another_metric_can_be_chosen_for_the_picture(browser, address):
    page = open_page(browser, address)
    shown = "Array.from(document.querySelectorAll('#contrasts table')).filter((t) => !t.hidden)"
    assert page.evaluate(f"{shown}.map((t) => t.dataset.metric)") == ["target_recall"]
    page.select_option("#metric", "accuracy")
    assert page.evaluate(f"{shown}.map((t) => t.dataset.metric)") == ["accuracy"]
    legends = page.locator("#contrasts figcaption span")
    told = [legend.get_attribute("data-metric") for legend in legends.all() if legend.is_visible()]
    assert told == ["accuracy"]
    page.context.close()


def test_without_a_script_everything_is_there(browser, address):
    """The article stands open, every fold opens by its title, and no tool is shown that would do nothing."""
    page = open_page(browser, address, java_script_enabled=False)
    assert page.locator("section.article figure").first.is_visible()
    assert not page.locator(".pick").is_visible() and not page.locator(".spot, .hint").count()
    entries = page.locator(".contents a")
    assert page.locator(".contents ol ol a").count() > 3
    assert all(entries.nth(n).is_visible() for n in range(entries.count()))
    folds = page.locator("section.supplement details.part")
    for place in range(folds.count()):
        fold = folds.nth(place)
        fold.locator("summary").first.click()
        inside = fold.locator("summary ~ *")
        assert any(inside.nth(n).is_visible() for n in range(inside.count())), fold.inner_text()
    assert page.locator('figure[data-name="headline"] tbody tr').count() == 18
    page.context.close()

"""The page of a reader study in a browser: keys, touch, going on later, the saved file, who can use it."""

import json
from pathlib import Path

import numpy as np
import pytest

from helpers.paths import RunPaths
from helpers.readers.answers import read_readings
from helpers.readers.key import Chosen, read_key, write_key
from helpers.readers.page import study_page
from support.page_checks import AXE, CHROMIUM, axe_violations, headless_chromium, open_page
from support.reader_run import runs_below

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="Chromium is not installed")

CLASSES = {"bcc": "basal cell carcinoma", "mel": "melanoma", "nv": "melanocytic naevus"}
COUNT = 10
NO_STORAGE = "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('no'); } });"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A study of ten images: its run, its key and the address of its page."""
    folder = tmp_path_factory.mktemp("reader page")
    with runs_below(folder):
        run, random = RunPaths("study"), np.random.default_rng(0)
        images = [
            Chosen(random.integers(0, 255, (8, 8, 3), dtype=np.uint8), {"kind": kind})
            for kind in ["real", "synthetic"] * (COUNT // 2)
        ]
        images.sort(key=lambda each: each.id)
        path = write_key(run, images, "mel", list(CLASSES), {"from": "all"})
        key = read_key(run, path.stem.removeprefix("key-"))
        page = study_page(key.study, {each.id: each.pixels for each in images}, CLASSES, True)
        (folder / "reader study.html").write_text(page, encoding="utf-8")
        yield run, key, (folder / "reader study.html").as_uri()


@pytest.fixture(scope="module")
def browser():
    with headless_chromium() as browser:
        yield browser


def start(page, code="R1"):
    page.fill("#code", code)
    page.click("text=Start")


def by_keys(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def title(page):
    return page.inner_text("#task-title")


def saved(page, button="#save"):
    """The file that the page gives."""
    with page.expect_download() as download:
        page.click(button)
    return download.value.suggested_filename, json.loads(Path(download.value.path()).read_text("utf-8"))


def kept(page):
    return page.evaluate("Object.fromEntries(Object.entries(localStorage))")


def test_a_whole_study_by_keys_is_saved_as_a_file_that_counts(browser, made):
    run, key, address = made
    page = open_page(browser, address, accept_downloads=True)
    page.select_option("#experience", "2 to 5 years")
    start(page)
    for number in range(COUNT):
        assert title(page) == f"Image {number + 1} of {COUNT}"
        by_keys(page, "c" if number % 2 else "P", "4", "2", "Enter")
    assert page.inner_text("#end-title") == "Thank you"
    name, content = saved(page)
    assert name == f"answers-{key.study}-R1.json"
    assert set(content) == {"format", "version", "study", "reader", "experience", "answers"}
    assert [each["position"] for each in content["answers"]] == list(range(1, COUNT + 1))
    assert {each["image"] for each in content["answers"]} == set(key.origins)
    assert all(each["confidence"] == 4 and each["diagnosis"] == "mel" for each in content["answers"])
    assert [each["computed"] for each in content["answers"]] == [False, True] * (COUNT // 2)
    run.reader_answers.mkdir(exist_ok=True)
    (run.reader_answers / name).write_text(json.dumps(content), encoding="utf-8")
    found = read_readings(run)
    assert found.problems == [] and found.readers == ["R1"] and len(found.table) == COUNT
    assert set(found.table["experience"]) == {"2 to 5 years"}
    assert [url for url in page.asked if not url.startswith(("data:", "blob:"))] == [address]
    assert page.complaints == []
    page.context.close()


def test_digits_go_to_the_first_open_question_and_s_and_d_change_an_answer(browser, made):
    page = open_page(browser, made[2])
    start(page)
    values = (
        "['computed', 'confidence', 'diagnosis'].map((name) => document.forms.answer.elements[name].value)"
    )
    by_keys(page, "2", "3")
    assert page.evaluate(values) == ["", "2", "nv"]
    by_keys(page, "s", "5", "d", "1", "c")
    assert page.evaluate(values) == ["computed", "5", "bcc"]
    by_keys(page, "9")  # there is no ninth diagnosis
    assert page.evaluate(values) == ["computed", "5", "bcc"]
    page.context.close()


def test_nothing_goes_on_before_all_three_questions_are_answered(browser, made):
    page = open_page(browser, made[2])
    start(page)
    by_keys(page, "c", "Enter")
    assert title(page).startswith("Image 1 ")
    assert page.inner_text("#missing") == "Still to say: how sure you are; the diagnosis."
    by_keys(page, "1")
    assert page.inner_text("#missing") == ""
    by_keys(page, "1", "Enter")
    assert title(page).startswith("Image 2 ")
    assert page.evaluate("document.querySelectorAll('#answer input:checked').length") == 0
    page.context.close()


def test_without_single_keys_the_form_is_used_as_any_other(browser, made):
    page = open_page(browser, made[2])
    page.uncheck("#keys")
    start(page)
    by_keys(page, "c")
    assert page.evaluate("document.querySelectorAll('#answer input:checked').length") == 0
    assert not page.is_visible("#key-help")
    for _ in range(3):  # Tab enters a question, the space bar takes its first answer
        by_keys(page, "Tab", " ")
    by_keys(page, "Enter")
    assert title(page).startswith("Image 2 ")
    page.context.close()


def test_it_is_done_by_touch_on_a_telephone(browser, made):
    page = open_page(browser, made[2], width=390, height=844, has_touch=True, is_mobile=True)
    page.fill("#code", "R1")
    page.tap("text=Start")
    for label in ("Photograph", "certain", "melanoma"):
        page.tap(f"#answer label:has-text('{label}')")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.tap("#answer button")
    assert title(page).startswith("Image 2 ")
    small = "e => { const b = e.getBoundingClientRect(); return Math.min(b.width, b.height); }"
    for choice in page.query_selector_all("#answer .choice, #answer button"):
        assert choice.evaluate(small) >= 40
    page.context.close()


def test_an_interrupted_study_goes_on_where_it_was(browser, made):
    page = open_page(browser, made[2], accept_downloads=True)
    start(page)
    for _ in range(3):
        by_keys(page, "p", "1", "1", "Enter")
    by_keys(page, "c")  # the fourth is not finished
    page.reload()
    page.click(f"text=Go on as R1 (3 of {COUNT} answered)")
    assert title(page) == f"Image 4 of {COUNT}"
    assert page.evaluate("document.querySelectorAll('#answer input:checked').length") == 0
    first = saved(page, "#save-part")[1]["answers"]
    page.reload()
    start(page, "R1")  # the same code goes on, too
    assert title(page) == f"Image 4 of {COUNT}" and saved(page, "#save-part")[1]["answers"] == first
    page.reload()
    start(page, "R2")
    assert title(page) == f"Image 1 of {COUNT}" and len(kept(page)) == 1
    page.context.close()


def test_what_another_page_left_in_the_browser_does_no_harm(browser, made):
    _, key, address = made
    page = open_page(browser, address)
    for code, text in {"A": "{", "B": "null", "C": '{"code": "C", "answers": [{"image": "x"}]}'}.items():
        page.evaluate(
            "([name, text]) => localStorage.setItem(name, text)", [f"reader-study:{key.study}:{code}", text]
        )
    page.reload()
    assert not page.is_visible("#unfinished")
    start(page, "C")
    assert title(page) == f"Image 1 of {COUNT}" and page.complaints == []
    page.context.close()


def test_where_the_browser_keeps_nothing_it_says_so_and_works(browser, made):
    context = browser.new_context(accept_downloads=True)
    page = context.new_page()
    page.add_init_script(NO_STORAGE)
    page.goto(made[2])
    assert page.is_visible("#no-storage") and "keeps nothing" in page.inner_text("#no-storage")
    start(page)
    by_keys(page, "p", "1", "1", "Enter")
    assert title(page).startswith("Image 2 ")
    assert len(saved(page, "#save-part")[1]["answers"]) == 1
    context.close()


def test_each_reader_has_an_order_of_their_own_that_says_nothing_of_the_kind(browser, made):
    _, key, address = made
    orders = {}
    for code in ("R1", "R2", "R1"):
        page = open_page(browser, address, accept_downloads=True)
        start(page, code)
        for _ in range(COUNT):
            by_keys(page, "p", "1", "1", "Enter")
        order = [each["image"] for each in saved(page)[1]["answers"]]
        assert orders.setdefault(code, order) == order
        page.context.close()
    assert orders["R1"] != orders["R2"] and sorted(orders["R1"]) == sorted(key.origins)
    assert orders["R1"] != sorted(orders["R1"])


def test_seconds_are_those_that_an_image_was_seen(browser, made):
    page = open_page(browser, made[2], accept_downloads=True)
    page.clock.install()
    page.reload()
    start(page)
    page.evaluate("document.querySelector('#picture').decode()")
    page.clock.run_for(7000)
    by_keys(page, "p", "1", "1", "Enter")
    page.evaluate("document.querySelector('#picture').decode()")
    page.clock.run_for(2000)
    by_keys(page, "p", "1", "1", "Enter")
    seconds = [each["seconds"] for each in saved(page, "#save-part")[1]["answers"]]
    assert 7 <= seconds[0] < 8 and 2 <= seconds[1] < 3
    page.context.close()


def test_a_code_that_names_a_person_in_full_is_no_code(browser, made):
    page = open_page(browser, made[2])
    start(page, "Dr Jane Doe")
    assert "letters, digits and dashes" in page.inner_text("#code-error") and page.is_visible("#start")
    assert page.evaluate("document.activeElement.id") == "code"
    page.context.close()


def test_answers_are_removed_from_the_browser_on_request(browser, made):
    page = open_page(browser, made[2])
    start(page)
    for _ in range(COUNT):
        by_keys(page, "p", "1", "1", "Enter")
    assert len(kept(page)) == 1
    page.on("dialog", lambda dialog: dialog.accept())
    page.click("#forget")
    assert kept(page) == {} and page.is_visible("#removed-here") and not page.is_visible("#kept-here")
    page.click("#another")
    start(page, "R2")
    for _ in range(COUNT):
        by_keys(page, "c", "1", "1", "Enter")
    assert len(kept(page)) == 1 and page.is_visible("#forget") and not page.is_visible("#removed-here")
    page.context.close()


def test_without_scripts_it_says_what_is_missing(browser, made):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(made[2])
    assert page.locator("noscript .banner").is_visible()
    assert "works by JavaScript" in page.locator("noscript .banner").inner_text()
    context.close()


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_overflows_and_the_theme_changes(browser, made, width):
    page = open_page(browser, made[2], width=width, height=800, color_scheme="light")
    for part in ("start", "task"):
        assert page.is_visible(f"#{part}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        before = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.click("#theme")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
        if part == "start":
            start(page)
    page.context.close()


def test_the_focus_is_seen_on_every_answer(browser, made):
    page = open_page(browser, made[2])
    start(page)
    by_keys(page, "Tab")
    outline = "getComputedStyle(document.activeElement.nextElementSibling).outlineStyle"
    assert page.evaluate("document.activeElement.name") == "computed" and page.evaluate(outline) == "solid"
    page.context.close()


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not in .cache/ (.ci/run fetches it)")
@pytest.mark.parametrize("part", ["start", "task", "end"])
def test_axe_finds_no_violation(browser, made, part, tmp_path):
    """axe looks at one state of the page, so the file is opened with that state shown."""
    address = made[2]
    if part != "start":
        text = Path(address.removeprefix("file://").replace("%20", " ")).read_text("utf-8")
        text = text.replace('<section id="start"', '<section hidden id="start"')
        text = text.replace(f'aria-labelledby="{part}-title" hidden', f'aria-labelledby="{part}-title"')
        (tmp_path / "part.html").write_text(text, encoding="utf-8")
        address = (tmp_path / "part.html").as_uri()
    assert axe_violations(browser, address) == []

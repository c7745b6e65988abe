"""A notebook in a real JupyterLab, driven in Chromium as a reader would: open it, run all cells, look."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from helpers.engine.stages import Job, papermill_parameters
from helpers.params import load_params
from helpers.report.notebooks import execute_notebook

CHROMIUM = Path("/usr/bin/chromium")
PATIENCE = 300  # seconds; 20 are enough on an idle machine
FEW = 160  # drawn lesions
WITHOUT_NEWS = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
SETTINGS = {
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"}
}  # cells that are out of sight are there, too
PROMPTS = "[...document.querySelectorAll('.jp-Notebook .jp-CodeCell .jp-InputPrompt')].map(each => each.textContent)"

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="there is no Chromium")


def start_lab(folder: Path, home: Path) -> tuple[subprocess.Popen, str]:
    """JupyterLab on a loopback port of its own, and its address with the token; nothing of the user's settings is read."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    for path, content in (
        (home / "config/labconfig/page_config.json", WITHOUT_NEWS),
        *((home / f"settings/{k}.jupyterlab-settings", v) for k, v in SETTINGS.items()),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    places = {
        "HOME": home,
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "IPYTHONDIR": home / "ipython",
    }
    environment = {key: value for key, value in os.environ.items() if not key.startswith("REPORT_")}
    environment |= {key: str(path) for key, path in places.items()} | {"PYTHONPATH": str(folder / "src")}
    options = [
        "--no-browser",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        "--allow-root",
    ]
    options += [
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.user_settings_dir={home / 'settings'}",
        f"--LabApp.workspaces_dir={home / 'workspaces'}",
    ]
    with open(home / "lab.log", "w") as log:
        lab = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}/lab/tree/{{}}?token={token}"
    until = time.monotonic() + PATIENCE
    while lab.poll() is None and time.monotonic() < until:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token={token}", timeout=5)
            return lab, address
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    os.killpg(lab.pid, signal.SIGKILL)
    raise AssertionError((home / "lab.log").read_text()[-2000:])


def run_all(page, address: str, notebook: Path) -> None:
    """Open a notebook, run all cells, wait for the last one, save."""
    from playwright.sync_api import TimeoutError

    page.set_default_timeout(1000 * PATIENCE)
    # a slow server lets the window ask something, such as which kernel; the first answer is the notebook's own
    page.add_locator_handler(
        page.locator("dialog.jp-Dialog"), lambda dialog: dialog.locator(".jp-mod-accept").first.click()
    )
    page.goto(address.format(f"notebooks/{notebook.name}"))
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    page.locator('.jp-Notebook-ExecutionIndicator[data-status="idle"]').first.wait_for()
    # the window may call a kernel idle that the server is still starting, and what is sent to it then is lost
    page.wait_for_function(
        "async () => (await (await fetch('/api/kernels')).json()).every(each => each.execution_state === 'idle' && each.connections > 0)"
    )
    for _ in range(5):  # a click that comes before the menu is alive does nothing
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        with suppress(TimeoutError):
            page.wait_for_function(f"() => {PROMPTS}.some(each => each !== '[ ]:')", timeout=20_000)
            break
    page.wait_for_function(
        f"""() => {PROMPTS}.every(each => /\\[\\d+\\]/.test(each))
                 || document.querySelector('.jp-Notebook .jp-OutputArea-output[data-mime-type="application/vnd.jupyter.error"]')"""
    )
    before = notebook.stat().st_mtime_ns
    page.keyboard.press("Control+s")
    until = time.monotonic() + 60
    while notebook.stat().st_mtime_ns == before and time.monotonic() < until:
        time.sleep(0.2)


@pytest.fixture(scope="module")
def lab(project_copy, tmp_path_factory):
    """A copied project whose first notebook was run in JupyterLab, and the page that shows it."""
    playwright = pytest.importorskip("playwright.sync_api")
    project = project_copy("lab")
    notebook = project.folder / "notebooks/01_eda.ipynb"
    text = notebook.read_text(encoding="utf-8")
    assert text.count('\\"images\\": 1200') == 1
    notebook.write_text(text.replace('\\"images\\": 1200', f'\\"images\\": {FEW}'), encoding="utf-8")
    server, address = start_lab(project.folder, tmp_path_factory.mktemp("home"))
    try:
        with playwright.sync_playwright() as driver:
            browser = driver.chromium.launch(
                executable_path=str(CHROMIUM),
                args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            )
            page = browser.new_page(viewport={"width": 1440, "height": 1000})
            run_all(page, address, notebook)
            yield project, page
            browser.close()
    finally:
        server.terminate()
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)


def test_every_cell_runs_and_pictures_are_shown(lab):
    project, page = lab
    cells = [
        cell
        for cell in json.loads((project.folder / "notebooks/01_eda.ipynb").read_text(encoding="utf-8"))[
            "cells"
        ]
        if cell["cell_type"] == "code"
    ]
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert all(cell["execution_count"] for cell in cells)
    assert not [
        output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"
    ]
    pictures = page.locator(
        ".jp-Notebook .jp-RenderedImage img, .jp-Notebook .jp-RenderedSVG img, .jp-Notebook .jp-RenderedSVG svg"
    )
    assert pictures.count() >= 2
    for number in range(pictures.count()):
        pictures.nth(number).scroll_into_view_if_needed()
        box = pictures.nth(number).bounding_box()
        assert box["width"] > 300 and box["height"] > 80
    # no table runs out of the window
    assert page.evaluate(
        "() => [...document.querySelectorAll('.jp-Notebook table')].every(each => each.scrollWidth <= each.closest('.jp-OutputArea').clientWidth + 1)"
    )


def test_the_page_would_get_the_same_tables(lab):
    project, _ = lab
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(project.folder / "src"))
        given = papermill_parameters(
            Job("eda"), load_params("quick", [f"data.phantom.images={FEW}"]), "headless"
        )
        executed = project.folder / "artifacts/headless/notebooks/01_eda.ipynb"
        execute_notebook(
            project.folder / "notebooks/01_eda.ipynb",
            executed,
            given,
            project.folder / "artifacts/headless/logs/eda.log",
        )
    for kind in ("reports/{}/tables/*.csv", "artifacts/{}/data/split.csv", "artifacts/{}/data/manifest.json"):
        one, other = (sorted(project.folder.glob(kind.format(run))) for run in ("quick", "headless"))
        assert [path.name for path in one] == [path.name for path in other] and one
        assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]

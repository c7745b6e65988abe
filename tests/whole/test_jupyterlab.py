"""A notebook in a real JupyterLab, driven in Chromium as a reader would: open it, run all cells, look."""

import json
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.engine.notebook import execute_notebook
from helpers.engine.stages import Job, job_parameters
from helpers.files import write_json
from helpers.params import load_params
from support.lab import port_of

CHROMIUM = Path("/usr/bin/chromium")
PATIENCE = 300  # seconds; 20 are enough on an idle machine
FEW = 160  # drawn lesions
WITHOUT_NEWS = {"disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}}
SETTINGS = {
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"}
}  # cells that are out of sight are there, too

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="there is no Chromium")


def start_lab(folder: Path, home: Path) -> tuple[subprocess.Popen, str]:
    """JupyterLab on a loopback port of its own, and its address with the token; nothing of the user's
    settings is read.
    """
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
        "--port=0",
        f"--IdentityProvider.token={token}",
        "--allow-root",
        "--expose-app-in-browser",
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
    try:
        port = port_of(lab, home / "runtime", home / "lab.log", PATIENCE)
    except BaseException:
        if lab.poll() is None:
            os.killpg(lab.pid, signal.SIGKILL)
        raise
    return lab, f"http://127.0.0.1:{port}/lab?token={token}"


RUN_ALL = """
async ([path, patience]) => {
  let step = "the window's layout is restored";
  const run = async () => {
    const app = window.jupyterapp;
    await app.restored;
    step = "the server tells which kernels it has";
    await app.serviceManager.ready;
    step = "the notebook opens";
    const panel = await app.commands.execute("docmanager:open", {path});
    await panel.context.ready;
    step = "the session gets its kernel";
    await panel.sessionContext.ready;
    step = "the kernel answers";
    await panel.sessionContext.session.kernel.info;
    step = "all cells are run";
    app.shell.activateById(panel.id);
    const succeeded = await app.commands.execute("notebook:run-all-cells");
    step = "the notebook is saved";
    await panel.context.save();
    return succeeded;
  };
  const late = new Promise((_, reject) => setTimeout(
    () => reject(new Error(`after ${patience} s it still waits until ${step}`)), 1000 * patience));
  return await Promise.race([run(), late]);
}
"""


def run_all(page, address: str, notebook: Path) -> bool:
    """Open a notebook, run all cells and save, by JupyterLab's own commands; whether every cell succeeded.

    A command's promise is awaited, where a click on a menu may come before the menu or the kernel is ready.
    """
    page.set_default_timeout(1000 * PATIENCE)
    page.goto(address)
    page.wait_for_function("() => window.jupyterapp")
    return page.evaluate(RUN_ALL, [f"notebooks/{notebook.name}", PATIENCE])


@pytest.fixture(scope="module")
def lab(project_copy, tmp_path_factory):
    """A copied project whose first notebook was run in JupyterLab, and the page that shows it."""
    playwright = pytest.importorskip("playwright.sync_api")
    project = project_copy("lab")
    notebook = project.folder / "notebooks/01_eda.ipynb"
    text = notebook.read_text(encoding="utf-8")
    assert text.count('"data = {}  #') == 1
    changed = text.replace('"data = {}  #', f'"data = {{\\"phantom\\": {{\\"images\\": {FEW}}}}}  #')
    notebook.write_text(changed, encoding="utf-8")
    server, address = start_lab(project.folder, tmp_path_factory.mktemp("home"))
    try:
        with playwright.sync_playwright() as driver:
            browser = driver.chromium.launch(
                executable_path=str(CHROMIUM),
                args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            )
            page = browser.new_page(viewport={"width": 1440, "height": 1000})
            yield project, page, run_all(page, address, notebook)
            browser.close()
    finally:
        server.terminate()
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)


def test_every_cell_runs_and_pictures_are_shown(lab):
    project, page, succeeded = lab
    cells = [
        cell
        for cell in json.loads((project.folder / "notebooks/01_eda.ipynb").read_text(encoding="utf-8"))[
            "cells"
        ]
        if cell["cell_type"] == "code"
    ]
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert all(cell["execution_count"] for cell in cells) and succeeded is True
    assert not [
        output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"
    ]
    pictures = page.locator(
        ".jp-Notebook .jp-RenderedImage img, .jp-Notebook .jp-RenderedSVG img, .jp-Notebook .jp-RenderedSVG "
        "svg"
    )
    assert pictures.count() >= 2
    for number in range(pictures.count()):
        pictures.nth(number).scroll_into_view_if_needed()
        box = pictures.nth(number).bounding_box()
        assert box["width"] > 300 and box["height"] > 80
    # no table runs out of the window
    assert page.evaluate(
        "() => [...document.querySelectorAll('.jp-Notebook table')].every(each => each.scrollWidth <= "
        "each.closest('.jp-OutputArea').clientWidth + 1)"
    )


def test_the_page_would_get_the_same_tables(lab):
    project, _, _ = lab
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(project.folder / "src"))
        params = load_params("quick", [f"data.phantom.images={FEW}"])
        given = job_parameters(Job("eda"), "headless")
        write_json(project.folder / given["params_file"], params.as_dict())
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

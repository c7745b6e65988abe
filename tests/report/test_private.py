"""Photographs that may not be passed on, and names that are code.

The first notebooks run on a real folder, through to the page.

The data set is a chessboard of pure magenta, which neither a figure nor a barely trained generator paints by
itself, so that one magenta pixel on the page is a pixel of the data set.
"""

import base64
import io
import json
import re

import nbformat
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from PIL import Image

from helpers.params import load_params
from helpers.paths import NOTEBOOKS, RunPaths
from helpers.report import publish
from helpers.report.page.render import render_report
from support.page_checks import check_text
from support.report_run import build_run

EVIL = "<script>document.title='broken'</script>"
EVIL_FILE = "ISIC_<img src=x onerror=document.title=1>"
WITH_PHOTOGRAPHS = ["01_eda", "02_gan_training", "03_generation_filtering"]


def put_photographs(root):
    """Sixty chessboards of two classes, with a script in every text column and in a file's name."""
    (root / "HAM10000_images_part_1").mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = []
    for n in range(60):
        image_id = f"{EVIL_FILE}{n}" if n % 2 else f"ISIC_{n:07d}"
        squares = np.roll((np.indices((120, 160)) // 10).sum(axis=0), rng.integers(20), axis=1)[..., None] % 2
        board = np.where(squares, np.array([255, 0, 255]), rng.integers(0, 60, 3)) + rng.integers(
            -15, 15, (120, 160, 1)
        )
        Image.fromarray(board.clip(0, 255).astype(np.uint8)).save(
            root / "HAM10000_images_part_1" / f"{image_id}.jpg", quality=95, subsampling=0
        )
        words = {name: EVIL for name in ("dx_type", "sex", "localization")}
        rows.append(
            {
                "lesion_id": f"{EVIL}{n // 2}",
                "image_id": image_id,
                "dx": "mel" if n % 3 == 0 else "nv",
                "age": 50,
            }
            | words
        )
    pd.DataFrame(rows).to_csv(root / "HAM10000_metadata.csv", index=False)
    return root


def execute(name, given, monkeypatch):
    """Run a notebook's code in this process and keep what it displays.

    That is what papermill would leave, without a kernel.
    """
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    shown, names = [], {}
    monkeypatch.setattr(
        publish,
        "_display",
        lambda data, metadata: shown.append(
            nbformat.v4.new_output("display_data", data=data, metadata=metadata)
        ),
    )
    for cell in notebook.cells:
        if cell.cell_type == "code":
            shown.clear()
            exec(compile(cell.source, f"{name}/{cell.id}", "exec"), names)
            names |= given if cell.id == "parameters" else {}
            cell.outputs = list(shown)
    return notebook


def run_notebooks(folder, monkeypatch, policy, names):
    """Execute the named notebooks on the photographs; the run's other parts are made up.

    Returns artifacts/private.
    """
    overrides = ["data.source=ham10000", f"report.real_images={policy}"]
    overrides += [
        f"data.root={json.dumps(str(put_photographs(folder / 'photographs')))}",
        "gan.steps=4",
        "gan.sample_every=2",
    ]
    overrides += [
        "synthesis.count=12",
        "synthesis.fidelity_draws=3",
        "synthesis.keep_fraction=0.5",
        "gan.batch_size=4",
    ]
    params = load_params("smoke", overrides)
    made = build_run(folder, monkeypatch, run="private", params=params)
    for name in names:
        given = {"run": "private", "params_file": made / "params.json"}
        given |= {} if name == "01_eda" else {"gan_seed": 0}
        given |= {"second_opinion": False} if name == "03_generation_filtering" else {}
        suffix = "" if name == "01_eda" else "-seed-0"
        nbformat.write(execute(name, given, monkeypatch), made / "notebooks" / f"{name}{suffix}.ipynb")
    return made


def pictures(page, made, reports):
    """Every picture that could be passed on.

    They are those of the page, of the executed notebooks, and of the figures' folder.
    """
    found = [
        base64.b64decode(text)
        for text in re.findall(r"data:image/(?:png|webp|jpeg);base64,([A-Za-z0-9+/=]+)", page)
    ]
    for path in (made / "notebooks").glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            found += [
                base64.b64decode(output.data["image/png"])
                for output in cell.get("outputs", [])
                if "image/png" in output.get("data", {})
            ]
    for path in reports.rglob("*.svg"):
        found += [
            base64.b64decode(text)
            for text in re.findall(
                r"data:image/png;base64,\s*([A-Za-z0-9+/=\s]+)", path.read_text(encoding="utf-8")
            )
        ]
    return found + [path.read_bytes() for path in reports.rglob("*.png")]


def magenta(raw):
    """How many pixels of a picture are the data set's."""
    red, green, blue = np.asarray(Image.open(io.BytesIO(raw)).convert("RGB")).astype(int).transpose(2, 0, 1)
    return int(((red > 215) & (green < 70) & (blue > 215)).sum())


def test_omitted_photographs_leave_no_pixel(tmp_path, monkeypatch):
    made = run_notebooks(tmp_path, monkeypatch, "omit", WITH_PHOTOGRAPHS)
    page = render_report("private").read_text(encoding="utf-8")
    found = pictures(page, made, RunPaths("private").report.parent)
    assert (
        len(found) >= 12
    )  # samples, film strip, synthetic samples and nearest pairs: page, notebooks, PNG and SVG
    assert sum(map(magenta, found)) == 0
    captions = [found.get_text() for found in BeautifulSoup(page, "html.parser").find_all("figcaption")]
    told = [text for text in captions if "Photographs of the data set are not shown on this page" in text]
    assert len(told) >= 2  # of synthetic samples and of nearest pairs
    asked = "Compare the target class|Look for the same lesion|Real training images|grey tile"
    assert not [text for text in captions if re.search(asked, text)]


@pytest.mark.parametrize(("policy", "seen"), [("show", True), ("blur", False)])
def test_shown_photographs_are_seen_and_blurred_ones_are_not(tmp_path, monkeypatch, policy, seen):
    made = run_notebooks(tmp_path, monkeypatch, policy, ["01_eda"])
    page = render_report("private").read_text(encoding="utf-8")
    found = pictures(page, made, RunPaths("private").report.parent)
    count = sum(map(magenta, found))
    assert (
        count > 10_000 if seen else count < 100
    )  # the made-up notebooks show noise, of which a few pixels are magenta
    soup = check_text(page, limit=5_000_000)
    assert EVIL not in page and "onerror=document" not in re.sub(r"&lt;.*?&gt;", "", page)
    assert str(tmp_path) not in page and len(soup.select("main figure.figure")) > 5

"""A small made-up run for the tests of the page: parameters, tables, records and executed notebooks."""

import base64
import io
import json
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd

from helpers.data.duplicates import COLUMNS
from helpers.evaluation.metrics import METRICS
from helpers.params import Params, load_params, validate
from helpers.report.table import Table

DEVICE = "CPU (a processor)"  # as describe_device says it
EVIL = "<script>document.title='broken'</script>"
SVG = (
    '<svg viewBox="0 0 360 180" role="img"><defs><path id="dot" d="M0 0h4v4z"/></defs>'
    '<use href="#dot" x="40" y="40"/><rect x="60" y="20" width="200" height="120" fill="#0072B2"/></svg>'
)


def png(seed: int = 0, size: int = 48) -> str:
    """A noisy picture as base64."""
    from PIL import Image

    pixels = np.random.default_rng(seed).integers(0, 255, (size, size, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def display(data: dict, **label) -> nbformat.NotebookNode:
    """An output; with a label, as helpers.report.publish writes it."""
    return nbformat.v4.new_output("display_data", data=data, metadata={"report": label} if label else {})


def figure(
    name: str, number: int | None = None, drawing: bool = True, alt: str = "Bars of different heights"
) -> nbformat.NotebookNode:
    data = {"text/plain": "Figure", **({"image/svg+xml": SVG} if drawing else {"image/png": png()})}
    return display(
        data, kind="figure", name=name, caption=f"The bars of {name} differ.", alt=alt, number=number
    )


def synthetic_images() -> nbformat.NotebookNode:
    """A figure of two images behind each of which another stands."""
    shown = figure("synthetic", 4, drawing=False)
    spots = [
        {"box": [10 + 40 * n, 20, 30, 60], "name": f"Image {n}", "tiles": [[n, "this"], [0, "distance 7"]]}
        for n in range(2)
    ]
    sprite = f"data:image/png;base64,{png(size=8)}"
    shown.metadata["report"]["behind"] = {"sprite": sprite, "side": 4, "spots": spots, "note": "How near?"}
    return shown


def table(name: str, cell: str = "nv") -> nbformat.NotebookNode:
    frame = pd.DataFrame(
        {"class": [cell, "mel", "bkl"], "images": [670, 111, 1099], "share": [0.356, 0.059, 0.585]}
    )
    return display(
        {"text/html": frame.to_html(index=False), "text/plain": "…"},
        kind="table",
        name=name,
        caption=f"Classes of {name}.",
        number=None,
        table=Table(frame).as_shown().as_dict(),
    )


def cell_code(
    name: str, source: str, outputs: list | None = None, tags: list[str] | None = None
) -> nbformat.NotebookNode:
    cell = nbformat.v4.new_code_cell(source, outputs=outputs or [], id=name)
    cell.metadata["tags"] = tags or []
    return cell


def cell_text(name: str, source: str, tags: list[str] | None = None) -> nbformat.NotebookNode:
    return nbformat.v4.new_markdown_cell(source, id=name, metadata={"tags": tags} if tags else {})


def notebook(title: str, shown: list, subject: str) -> nbformat.NotebookNode:
    """An executed notebook as papermill leaves it; a text and what it shows are in the article."""
    cells = [
        cell_text(
            "title", f"# {title}\n\nThis notebook reads `split.csv` and looks at {subject}. Old prose."
        ),
        cell_code("parameters", 'run = "quick"', tags=["parameters"]),
        cell_code("injected", 'run = "fake"', tags=["injected-parameters"]),
        cell_code("imports", "from helpers.paths import RunPaths\nimport numpy as np"),
        cell_text(
            "first",
            f"## What to look at in {subject}\n\nThe penalty holds the critic. It costs $5 and $6.\n\n"
            "### A detail\n\nSome **words** and `code`.",
            ["article"],
        ),
        cell_code("show", "show(1)  # what is shown", shown, ["article"]),
        cell_text("second", "## What is left to see"),
        cell_code(
            "print",
            "print('done')",
            [
                nbformat.v4.new_output("stream", name="stderr", text="a warning of no interest"),
                nbformat.v4.new_output("stream", name="stdout", text="\x1b[31mdone\x1b[0m\n"),
                display(
                    {"text/markdown": "**Figure.** A caption that the page sets itself.", "text/plain": "x"},
                    kind="caption",
                ),
                display(
                    {"text/markdown": "A *sentence* written from numbers.", "text/plain": "x"}, kind="text"
                ),
            ],
        ),
    ]
    return nbformat.v4.new_notebook(
        cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    )


def fake_params(**changes) -> Params:
    """Parameters of the made-up run: drawn lesions, three arms, three replicates."""
    values = load_params("paper").as_dict()
    values["data"]["source"] = "phantom"
    values |= {"replicates": 3, "description": "made up"}
    for key, value in changes.items():
        values[key] = (
            {**values[key], **value} if isinstance(values.get(key), dict) and key != "arms" else value
        )
    return validate(values)


def build_run(
    base: Path, monkeypatch, run: str = "fake", params: Params | None = None, lesion_class: str = "nv"
) -> Path:
    """Write a whole run below ``base`` and point the project's paths there; return artifacts/<run>."""
    from helpers import paths

    for name in ("artifacts", "reports", "notebooks"):
        (base / name).mkdir(exist_ok=True)
        if monkeypatch is None:
            setattr(paths, name.upper(), base / name)
        else:
            monkeypatch.setattr(paths, name.upper(), base / name)
    params = params or fake_params()
    folder = base / "artifacts" / run
    for part in ("data", "evaluation", "notebooks", "logs"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "params.json").write_text(json.dumps(params.as_dict()))
    _data(folder, lesion_class)
    _evaluation(folder, params)
    _trainings(folder, params)
    _notebooks(base, folder, params, lesion_class)
    _records(folder, params)
    return folder


def _data(folder: Path, lesion_class: str) -> None:
    counts = {lesion_class: 60, "mel": 40}
    rows = [
        {
            "image_id": f"ISIC_{n:07d}",
            "lesion_id": f"HAM_{n // 2:07d}",
            "dx": "mel" if n % 5 < 2 else lesion_class,
            "split": ("train", "test", "validation")[n % 3],
        }
        for n in range(100)
    ]
    pd.DataFrame(rows).to_csv(folder / "data" / "split.csv", index=False)
    manifest = {
        "source": "phantom",
        "layout": "official",
        "images": 100,
        "lesions": 50,
        "classes": counts,
        "checksum": "sha256:0123abcd",
        "image_width": 128,
        "image_height": 96,
    }
    (folder / "data" / "manifest.json").write_text(json.dumps(manifest))
    pd.DataFrame(columns=list(COLUMNS)).to_csv(folder / "data" / "duplicates.csv", index=False)


def _evaluation(folder: Path, params: Params) -> None:
    rng = np.random.default_rng(3)
    rows = [
        {"arm": arm, "replicate": r, "images": 33}
        | {metric: 0.7 + 0.02 * place + 0.01 * rng.random() for metric in METRICS}
        for place, arm in enumerate(params.arms)
        for r in range(params.replicates)
    ]
    metrics = pd.DataFrame(rows)
    metrics.to_csv(folder / "evaluation" / "metrics.csv", index=False)
    means = metrics.groupby("arm")[list(METRICS)].mean()
    compared = []
    for arm in params.arms:
        for metric in METRICS:
            if arm != params.evaluation.reference:
                d = means.at[arm, metric] - means.at[params.evaluation.reference, metric]
                width = 0.01 if metric == "accuracy" else 0.08
                known = params.replicates >= 3
                compared.append(
                    {
                        "arm": arm,
                        "reference": params.evaluation.reference,
                        "metric": metric,
                        "arm_mean": means.at[arm, metric],
                        "reference_mean": means.at[params.evaluation.reference, metric],
                        "difference": d,
                        "low": d - width if known else None,
                        "high": d + width if known else None,
                        "replicates": params.replicates,
                        "method": "bootstrap",
                    }
                )
    pd.DataFrame(compared).to_csv(folder / "evaluation" / "comparisons.csv", index=False)
    arms = [
        {
            "arm": arm,
            "metric": metric,
            "mean": means.at[arm, metric],
            "low": means.at[arm, metric] - 0.03,
            "high": means.at[arm, metric] + 0.03,
        }
        | {
            "standard_deviation": 0.01,
            "standard_error": 0.01,
            "degrees_of_freedom": 2.5,
            "replicates": params.replicates,
            "method": "t interval",
        }
        for arm in params.arms
        for metric in METRICS
    ]
    arms = pd.DataFrame(arms)
    if params.replicates < 3:
        arms[["low", "high", "standard_error", "degrees_of_freedom"]] = np.nan
        arms["method"] = "single runs"
    arms.to_csv(folder / "evaluation" / "arms.csv", index=False)
    arms[arms["metric"] == "macro_recall"].assign(metric="recall", **{"class": "mel"}).to_csv(
        folder / "evaluation" / "arms_per_class.csv", index=False
    )


def _trainings(folder: Path, params: Params) -> None:
    for arm in params.arms:
        for replicate in range(params.replicates):
            place = folder / "classifier" / arm / f"replicate-{replicate}"
            place.mkdir(parents=True, exist_ok=True)
            summary = {
                "arm": arm,
                "replicate": replicate,
                "seed": 1000 + replicate,
                "gan_seed": 0,
                "training_images": 7010,
                "synthetic_images": 300,
                "epochs": 12 + replicate,
            }
            summary |= {
                "best_epoch": 7,
                "best_validation_accuracy": 0.81234,
                "best_validation_loss": 0.5,
                "parameters": 10,
                "trainable_parameters": 5,
            }
            (place / "summary.json").write_text(json.dumps(summary))
            timing = {"seconds": 61.5, "images_per_second": 600, "device": DEVICE, "threads": 2}
            (place / "timing.json").write_text(json.dumps(timing))
    for seed in params.gan.seeds:
        place = folder / "gan" / f"seed-{seed}"
        place.mkdir(parents=True, exist_ok=True)
        (place / "timing.json").write_text(json.dumps({"seconds": 180.0}))


def _notebooks(base: Path, folder: Path, params: Params, lesion_class: str) -> None:
    executed = {
        "01_eda": notebook(
            "01 - What the images are",
            [figure("samples", 1, drawing=False), figure("classes", 2), table("classes", lesion_class)],
            "classes",
        ),
        "05_evaluation": notebook(
            "Evaluation",
            [
                figure("overall", 5),
                figure("melanoma", 6),
                figure("confusion", 7),
                figure("forest"),
                table("per_class", EVIL),
            ],
            "scores",
        ),
    }
    sources = dict(executed)
    for seed in params.gan.seeds:
        executed[f"02_gan_training-seed-{seed}"] = notebook(
            "Training the GAN", [figure("gan_training", 3), figure("film")], "losses"
        )
        executed[f"03_generation_filtering-seed-{seed}"] = notebook(
            "Generating and filtering", [synthetic_images()], "synthetic images"
        )
    for arm in params.arms:
        for replicate in range(params.replicates):
            executed[f"04_classifier_training-{arm}-replicate-{replicate}"] = notebook(
                "Training the classifier", [figure("curves", 8)], "curves"
            )
    first = {"02_gan_training": params.gan.seeds[0], "03_generation_filtering": params.gan.seeds[0]}
    sources |= {stem: executed[f"{stem}-seed-{seed}"] for stem, seed in first.items()}
    sources["04_classifier_training"] = executed[
        f"04_classifier_training-{next(iter(params.arms))}-replicate-0"
    ]
    for name, made in executed.items():
        nbformat.write(made, folder / "notebooks" / f"{name}.ipynb")
    for stem, made in sources.items():
        source = nbformat.from_dict(json.loads(json.dumps(made)))
        source.cells = [cell for cell in source.cells if cell.id != "injected"]
        source.cells[0].source = source.cells[0].source.replace("Old prose.", f"New prose of {stem}.")
        for cell in source.cells:
            if cell.cell_type == "code":
                cell.outputs = []
        nbformat.write(source, base / "notebooks" / f"{stem}.ipynb")


def _records(folder: Path, params: Params) -> None:
    jobs = ["eda", *(f"gan-seed-{seed}" for seed in params.gan.seeds), "evaluation"]
    (folder / "run.json").write_text(
        json.dumps({"accepted": {"evaluation": {"code": "new", "made_by": "old"}}})
    )
    for place, job in enumerate(jobs):
        record = {
            "job": job,
            "stage": job.split("-")[0],
            "seconds": 60.0,
            "started": f"2026-03-01T10:{place:02d}:00+00:00",
            "finished": f"2026-03-01T10:{place + 1:02d}:00+00:00",
            "code": "abc123",
            "versions": {"python": "3.13.1", "torch": "2.15.0"},
            "threads": 2,
            "host_cpu": "a processor",
            "peak_memory_mb": 800,
        }
        (folder / "logs" / f"{job}.record.json").write_text(json.dumps(record))

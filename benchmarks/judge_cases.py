"""What the page says of four sets of images whose answer is known, drawn by the project itself.

    python benchmarks/judge_cases.py                # half an hour on two cores
    python benchmarks/judge_cases.py --until synthesis      # without the arms: some minutes

copies: training images again. blurred: new images, blurred. another-class: new naevi that are called
melanomas. new: new melanomas, drawn with another seed. One run judges them in turn. Only the
last set should raise no alarm.
docs/judge-your-generator.md holds a result.
"""

import argparse
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
from PIL import Image, ImageFilter

from helpers.paths import ARTIFACTS, ROOT, RunPaths

RUN, IMAGES = "judge-cases", ARTIFACTS / "judge-images"
BLUR = 6.0  # pixels, standard deviation; the drawings are 600 x 450
SEED = 2  # of the drawing of new images; the photographs have seed 1
FILTERED = "{synthetic: {select: top, rank: classifier, fraction: 0.3}}"
PARAMETERS = (
    *("--params", "params/quick.yaml", "--set", "data.split.by=lesion"),
    *("--set", f"arms.filtered={FILTERED}", "--set", "arms.oversampled={oversample: {count: 120}}"),
)
CELLS = {  # of notebook 03, whose sentences are printed
    "alarms-words": "Alarms",
    "fidelity-words": "Fidelity",
    "probe": "Source probe",
    "memorisation-words": "Memorisation",
    "held-out-words": "Held-out photographs",
    "sharpness-words": "Sharpness",
    "called-words": "Classifier",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--until", choices=["synthesis"], help="stop before the arms are trained")
    parser.add_argument("--images", type=int, default=1200, help="drawn photographs of each of the two sets")
    parser.add_argument("--cases", nargs="*", default=["copies", "blurred", "another-class", "new"])
    options = parser.parse_args()
    folders = draw_cases(IMAGES, options.images)
    for case in options.cases:  # in one run: what does not depend on the folder is made once
        more = ["--until", options.until] if options.until else []
        call(case, options.images, "--set", f"synthesis.folder={folders[case]}", *more)
        print(f"\n== {case}", flush=True)
        for name, sentences in said().items():
            print(f"{name}: {sentences}", flush=True)


def call(case: str, images: int, *more: str) -> None:
    """One command of the front door, whose output goes to a file beside the images."""
    command = [sys.executable, "run_all.py", *PARAMETERS, "--set", f"data.phantom.images={images}"]
    log = IMAGES / f"{case}.txt"
    with open(log, "w", encoding="utf-8") as file:
        done = subprocess.run([*command, "--run", RUN, *more], cwd=ROOT, stdout=file, stderr=file)
    if done.returncode:
        sys.exit(f"{case} failed: see {log}")


def draw_cases(folder: Path, images: int) -> dict[str, Path]:
    """The four sets as folders of JPEG files, by name."""
    from helpers.data.phantom.writing import draw_dataset

    folder.mkdir(parents=True, exist_ok=True)
    first = RunPaths(RUN)
    call("split", images, "--set", f"synthesis.folder={folder}", "--until", "eda")
    split = pd.read_csv(first.split)
    trained = split[(split["dx"] == "mel") & (split["split"] == "train")]["image_id"]
    photographs, other = first.data / "phantom", draw_dataset(folder / "drawn", images, SEED)
    drawn = pd.read_csv(other / "HAM10000_metadata.csv").groupby("dx")["image_id"].agg(list)
    sets = {"copies": (photographs, list(trained)), "new": (other, drawn["mel"])}
    sets |= {"another-class": (other, drawn["nv"][: len(drawn["mel"])]), "blurred": (other, drawn["mel"])}
    made = {}
    for case, (source, names) in sets.items():
        made[case] = folder / case
        shutil.rmtree(made[case], ignore_errors=True)
        made[case].mkdir()
        for name in names:
            file = next(source.rglob(f"{name}.jpg"))
            if case == "blurred":
                image = Image.open(file).filter(ImageFilter.GaussianBlur(BLUR))
                image.save(made[case] / file.name, quality=95)
            else:
                shutil.copy(file, made[case])
    return made


def said() -> dict[str, str]:
    """What notebook 03 of the run says, and what the arms found where they were trained."""
    paths = RunPaths(RUN)
    notebook = nbformat.read(paths.notebooks / "03_generation_filtering-seed-0.ipynb", as_version=4)
    found = {}
    for cell in notebook.cells:
        if cell.id in CELLS:
            texts = [output.get("data", {}).get("text/markdown", "") for output in cell.outputs]
            found[CELLS[cell.id]] = " ".join(" ".join(texts).split())
    changes = paths.evaluation / "comparisons.csv"
    if changes.exists():
        table = pd.read_csv(changes)
        recall = table[table["metric"] == "target_recall"]
        rows = [
            f"{row.arm} {100 * row.difference:+.1f} ({100 * row.low:+.1f} to {100 * row.high:+.1f})"
            for row in recall.itertuples()
        ]
        found["Change of recall, points"] = "; ".join(rows)
    return {name: re.sub(r"\*\*", "", text) for name, text in found.items()}


if __name__ == "__main__":
    main()

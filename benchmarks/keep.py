"""Keep what a finished run found, under ``reports/examples/<run>``: its page, tables, histories and
provenance, and no image of it.

Run: python benchmarks/keep.py RUN [RUN ...] [--without page predictions gans] [--comparison FIRST SECOND]

A run on photographs is kept only if its page leaves them out (``report.real_images: omit``): what is kept
is published, and git forgets nothing. Written there: report.html, provenance.json, evaluation/ (every
table), trainings.csv and, where the run trains a GAN, gan.csv (the histories of all trainings, and of the
GANs that the page shows, long), synthesis/ (fidelity, filter, memorisation), and jobs.csv (seconds and peak
memory of every job).

Also predictions.csv.xz, from which recall, accuracy, the area under the ROC curve of the target class and
any other contrast of them can be computed anew: a row for each training and each validation, test and
external image (arm, replicate, split, image_id, label), with the class that the classifier answers and its
probability of the target class to five digits. It is not kept of a user's own images, whose names may name a
patient, nor of a run whose parts are kept (reports/parts/RUN, by run_all.py --pack), which hold all
probabilities. ``--without`` leaves out some of it, where a repository has no room: the page, the predictions,
and the GANs' histories (gan.csv), as of a run whose GANs are those of another kept one.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

import pandas as pd

from helpers.data.external import PREDICTIONS as EXTERNAL_PREDICTIONS
from helpers.data.sources import SOURCES
from helpers.errors import UserError
from helpers.files import write_table
from helpers.paths import REPORTS, RunPaths, require
from helpers.report.page.records import read_json, read_params, read_records

EXAMPLES, PACKED = REPORTS / "examples", REPORTS / "parts"
CAN_BE_LEFT_OUT = ("page", "predictions", "gans")
SYNTHESIS_TABLES = (
    "fidelity",
    "filter-sweep",
    "filter-correlation",
    "score-stability",
    "memorisation",
    "source-probe",
)


def keep(
    run: RunPaths,
    examples: Path = EXAMPLES,
    packed: Path = PACKED,
    without: Collection[str] = (),
) -> Path:
    """Copy ``run`` into ``examples``/<run>, in place of what was there; returns that folder.

    ``without`` names what is left out, of CAN_BE_LEFT_OUT.

    Raises MissingStageError for a run that is not finished, and UserError for one whose page shows
    photographs.
    """
    params = read_params(run)
    page, provenance = require(run.report, "report"), require(run.provenance, "report")
    page_too = "page" not in without
    if page_too and SOURCES.get(params.data.source).private and params.report.real_images != "omit":
        raise UserError(
            f"The page of '{run.run}' may show photographs (report.real_images is "
            f"'{params.report.real_images}'), and what is kept here is published: "
            "make it again with --set report.real_images=omit."
        )
    predictions_too = "predictions" not in without and not (packed / run.run).is_dir()
    gans_too = params.trains_gan and "gans" not in without
    examples.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=examples, prefix=".") as place:  # until all is read
        new = Path(place) / run.run
        _copy_tables(run, params, new)
        for path in [page, provenance] if page_too else [provenance]:
            shutil.copy(path, new)
        if gans_too:
            write_table(new / "gan.csv", pd.concat(_gans(run, params), ignore_index=True))
        if predictions_too and params.data.source != "folder":
            predictions = pd.concat(_predictions(run, params), ignore_index=True)
            predictions.to_csv(new / "predictions.csv.xz", index=False, float_format="%.5g")
        shutil.rmtree(examples / run.run, ignore_errors=True)
        return Path(shutil.move(new, examples / run.run))


def _copy_tables(run: RunPaths, params, folder: Path) -> None:
    """The tables of evaluation, synthesis, trainings and jobs."""
    (folder / "evaluation").mkdir(parents=True)
    for path in sorted(run.evaluation.glob("*.csv")):
        shutil.copy(path, folder / "evaluation")
    for name in SYNTHESIS_TABLES:
        parts = [
            pd.read_csv(require(run.synthetic(gan) / f"{name}.csv", "synthesis")).assign(gan_seed=gan)
            for gan in params.gans()
        ]
        write_table(folder / "synthesis" / f"{name}.csv", pd.concat(parts, ignore_index=True))
    write_table(folder / "trainings.csv", pd.concat(_trainings(run, params), ignore_index=True))
    write_table(folder / "jobs.csv", _jobs(run, params))


def keep_comparison(first: str, second: str, examples: Path = EXAMPLES) -> Path:
    """Copy the page and table of ``run_all.py --compare first second``, which hold no image; raises UserError
    where they were not made.
    """
    source = REPORTS / f"compare-{first}-{second}"
    if not (source / "report.html").is_file():
        raise UserError(
            f"There is no comparison in {source}: make it by python run_all.py --compare {first} {second}."
        )
    folder = examples / source.name
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("report.html", "comparison.csv"):
        shutil.copy(source / name, folder)
    return folder


def _gans(run: RunPaths, params) -> Iterator[pd.DataFrame]:
    for seed in params.gan.seeds:
        yield pd.read_csv(require(run.gan(seed) / "history.csv", "gan")).assign(gan_seed=seed)


def _trainings(run: RunPaths, params) -> Iterator[pd.DataFrame]:
    for arm in params.arms:
        for replicate in range(params.replicates):
            history = pd.read_csv(require(run.classifier(arm, replicate) / "history.csv", "classifier"))
            images = read_json(run.classifier(arm, replicate) / "summary.json", {})
            yield history.assign(
                arm=arm,
                replicate=replicate,
                **{key: images.get(key) for key in ("training_images", "synthetic_images")},
            )


def _predictions(run: RunPaths, params) -> Iterator[pd.DataFrame]:
    target = params.data.target_class
    for arm in params.arms:
        for replicate in range(params.replicates):
            folder = run.classifier(arm, replicate)
            predictions = require(folder / "predictions.csv", "classifier")
            yield _named(pd.read_csv(predictions), arm, replicate, target)
            if params.data.external_root:
                external = pd.read_csv(folder / EXTERNAL_PREDICTIONS).assign(split="external")
                yield _named(external, arm, replicate, target)


def _named(predictions: pd.DataFrame, arm: str, replicate: int, target: str) -> pd.DataFrame:
    answers = predictions.filter(like="p_").idxmax(axis=1).str.removeprefix("p_")
    frame = predictions.assign(arm=arm, replicate=replicate, answer=answers)
    return frame[["arm", "replicate", "split", "image_id", "label", "answer", f"p_{target}"]]


def _jobs(run: RunPaths, params) -> pd.DataFrame:
    columns = ["job", "stage", "seconds", "peak_memory_mb", "threads", "host_cpu", "finished"]
    return pd.DataFrame(
        [{name: record.get(name) for name in columns} for record in read_records(run, params)],
        columns=columns,
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("runs", nargs="*", metavar="RUN", help="names of finished runs")
    parser.add_argument(
        "--without",
        nargs="+",
        default=[],
        choices=CAN_BE_LEFT_OUT,
        help="leave out the page, predictions.csv.xz, or the histories of the GANs",
    )
    parser.add_argument(
        "--comparison",
        nargs=2,
        metavar=("FIRST", "SECOND"),
        help="keep the page of these two runs side by side as well",
    )
    options = parser.parse_args(arguments)
    try:
        folders = [keep(RunPaths(name), without=options.without) for name in options.runs]
        folders += [keep_comparison(*options.comparison)] if options.comparison else []
    except UserError as mistake:
        print(f"keep.py: {mistake}", file=sys.stderr)
        return 2
    for folder in folders:
        print(
            f"{folder}: "
            f"{sum(path.stat().st_size for path in folder.rglob('*') if path.is_file()) / 1e6:.1f} MB"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

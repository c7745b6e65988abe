"""How far two trainings of the baseline lie apart on one split by lesion, and whose part it is: the adapted
trunk's or the head's.

Adapts the trunk anew several times with other seeds and trains several heads on each. A balanced nested
analysis of variance (Searle, Casella and McCulloch, Variance Components, 1992, section 3.5) gives the
deviation between trunks, that between heads of one trunk, and that of a training with both new. What is
finished in --folder is kept, so that the same command goes on after an interruption; other parameters need
another --folder.

Run: python benchmarks/trunk_deviation.py --data-root DIR [--params study.yaml] [--trunks 5] [--heads 3]
  [--set classifier.image_size=64]
"""

import argparse
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from scipy.stats import chi2

from helpers import paths
from helpers.classifier.arms import ON_TRUNK, compose_training_set
from helpers.classifier.training import train_classifier
from helpers.data.arrays import load_images
from helpers.data.manifest import load_split
from helpers.data.prepare import prepare_data
from helpers.device import pick_device
from helpers.engine.start import jobs_at_once
from helpers.evaluation.inference import Inference
from helpers.evaluation.study import open_studies
from helpers.params import Arm, Params, load_params
from helpers.progress import show_no_progress

METRICS = ("accuracy", "target_recall", "target_operating_recall", "target_roc_auc")
ONE_SPLIT = ("data.split.folds=0", "data.split.repeats=1", "gan.seeds=[0]", "evaluation.primary_contrasts=[]")


def main() -> None:
    """Read the command line, train, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--params", default="study.yaml", help="parameter file (default: study.yaml)")
    parser.add_argument("--data-root", help="folder of HAM10000, where the parameters read one")
    parser.add_argument("--trunks", type=int, default=5, help="trunks that are adapted (default: 5)")
    parser.add_argument("--heads", type=int, default=3, help="heads trained on each (default: 3)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as in run_all.py")
    parser.add_argument("--folder", type=Path, default=Path("artifacts"), help="where the run's files go")
    words = parser.parse_args()
    show_no_progress()
    root = [f"data.root={Path(words.data_root).resolve()}"] if words.data_root else []
    params = load_params(words.params, [*ONE_SPLIT, f"replicates={words.heads}", *root, *words.set])
    folder = words.folder.resolve()
    paths.ARTIFACTS = folder
    run = paths.RunPaths("trunk-deviation")
    run.data.mkdir(parents=True, exist_ok=True)
    if not run.split.exists():
        prepare_data(run, params.data)
    load_images(run, params.data, params.classifier.image_size, "bilinear")  # once, for all processes
    with ProcessPoolExecutor(jobs_at_once(params, None), multiprocessing.get_context("spawn")) as pool:
        waiting = [pool.submit(train, folder, params, trunk) for trunk in range(words.trunks)]
        for done in waiting:
            print(done.result(), flush=True)
    show(run, params, [_named(trunk) for trunk in range(words.trunks)])


def _named(trunk: int) -> str:
    return f"trunk-{trunk}"


def train(folder: Path, params: Params, trunk: int) -> str:
    """Adapt one trunk and train its heads, each unless it is finished; says that it is done."""
    paths.ARTIFACTS = folder
    run, config, seed = (
        paths.RunPaths("trunk-deviation"),
        params.classifier,
        params.classifier.seed + 100 * trunk,
    )
    split, images = load_split(run), load_images(run, params.data, config.image_size, "bilinear")
    chosen = compose_training_set(split, images, Arm(), params.data.target_class)
    device, adapted = pick_device(params.compute), run.trunk(_named(trunk))
    if not (adapted / "summary.json").exists():
        train_classifier(chosen, split, images, config.adapting(), adapted, device, seed, name=_named(trunk))
    on_trunk = config.model_copy(update={"weights": str(adapted / "model.safetensors")})
    for head in range(params.replicates):
        place = run.classifier(_named(trunk), head)
        if not (place / "summary.json").exists():
            train_classifier(
                *(chosen, split, images, on_trunk, place, device, seed + ON_TRUNK + head),
                name=_named(trunk),
                replicate=head,
                bank_folder=run.banks(_named(trunk)),
            )
    return f"trunk {trunk} and its {params.replicates} heads are trained"


def components(values: np.ndarray) -> dict[str, float]:
    """Deviations of a balanced nested design, ``values`` of shape (trunks, heads), and the trunks' share.

    ``both`` is that of a training whose trunk and head are new. A negative estimate of a variance is 0.
    """
    trunks, heads = values.shape
    within = values.var(axis=1, ddof=1).mean()
    between = max(0.0, values.mean(axis=1).var(ddof=1) - within / heads)
    both = between + within
    return {
        "trunks": float(np.sqrt(between)),
        "heads": float(np.sqrt(within)),
        "both": float(np.sqrt(both)),
        "share": float(between / both) if both else 0.0,
    }


def show(run: paths.RunPaths, params: Params, arms: list[str]) -> None:
    """Print each training's metrics and the deviations, in points."""
    evaluation = params.evaluation.model_copy(update={"reference": arms[0]})
    changed = {"arms": {name: Arm() for name in arms}, "evaluation": evaluation}
    every = params.model_copy(update=changed)
    studies = open_studies(run, every)
    inference = Inference(studies, every)
    truth = studies[0].truth
    print(f"{len(truth):,} test images, {(truth == studies[0].target).sum()} of the target; points")
    for metric in (name for name in METRICS if name in inference.values):
        values = 100 * inference.values[metric]
        for name, row in zip(arms, values, strict=True):
            print(f"  {metric:25}{name:10}" + " ".join(f"{value:6.1f}" for value in row))
        found = components(values)
        first = values[:, 0]  # trunk and head of each are its own
        low, high = interval(first.std(ddof=1), len(first) - 1)
        print(f"{metric}: mean {values.mean():.1f}; standard deviation of {len(first)} trainings with trunk")
        print(
            f"  and head new, {first.std(ddof=1):.2f} (95 % {low:.1f} to {high:.1f}); by all {values.size}:",
            end=" ",
        )
        print(f"between trunks {found['trunks']:.2f}, between heads {found['heads']:.2f}, both", end=" ")
        print(f"{found['both']:.2f}; the trunks make {100 * found['share']:.0f} % of the variance")


def interval(deviation: float, degrees: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a standard deviation of values from a normal distribution (chi square)."""
    ends = chi2.ppf([(1 + confidence) / 2, (1 - confidence) / 2], degrees)
    low, high = deviation * np.sqrt(degrees / ends)
    return float(low), float(high)


if __name__ == "__main__":
    main()

"""What the bank does to the result: the baseline trained with fresh augmentation in every epoch and from K
banked variations, seed by seed.

Prints the difference between the two procedures with its interval (docs/statistics.md) for some metrics.
Run: python benchmarks/bank_effect.py [--params quick.yaml] [--bank 5] [--replicates 5]
  [--set classifier.image_size=64]
"""

import argparse
import tempfile
from pathlib import Path

from helpers.progress import show_no_progress

METRICS = ("accuracy", "macro_recall", "target_recall", "target_roc_auc", "calibration_error")


def main() -> None:
    """Read the command line, train both ways, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--params",
        default="quick.yaml",
        help="parameter file whose data and classifier are taken (default: quick.yaml)",
    )
    parser.add_argument(
        "--bank",
        type=int,
        help="variations per image (default: the file's, or as many as it has epochs, at most 8)",
    )
    parser.add_argument(
        "--replicates", type=int, default=5, help="trainings of each way (default: 5; an interval needs 3)"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change a parameter, as in run_all.py"
    )
    words = parser.parse_args()
    show_no_progress()
    with tempfile.TemporaryDirectory() as folder:
        measure(words, Path(folder))


def measure(words: argparse.Namespace, folder: Path) -> None:
    """Train ``live`` and ``bank`` in ``folder`` and print their comparison."""
    from helpers import paths
    from helpers.classifier.arms import compose_training_set
    from helpers.classifier.training import train_classifier
    from helpers.data.arrays import load_images
    from helpers.data.prepare import prepare_data
    from helpers.evaluation.inference import Inference
    from helpers.evaluation.study import open_studies
    from helpers.params import Arm, load_params

    paths.ARTIFACTS = folder
    params, run = load_params(words.params, words.set), paths.RunPaths("bank-effect")
    run.data.mkdir(parents=True)
    split = prepare_data(run, params.data)
    images = load_images(run, params.data, params.classifier.image_size, "bilinear")
    copies = words.bank or params.classifier.bank or min(params.classifier.max_epochs, 8)
    for name, bank in (("live", 0), ("bank", copies)):
        config = params.classifier.model_copy(update={"bank": bank})
        for replicate in range(words.replicates):
            chosen = compose_training_set(split, images, Arm(), params.data.target_class)
            place = run.classifier(name, replicate)
            train_classifier(
                chosen,
                split,
                images,
                config,
                place,
                seed=config.seed + replicate,
                name=name,
                replicate=replicate,
            )
            print(
                f"{name}, replicate {replicate}: {(place / 'timing.json').read_text()}".replace("\n", " "),
                flush=True,
            )
    evaluation = params.evaluation.model_copy(update={"reference": "live"})
    both = params.model_copy(
        update={
            "arms": {"live": Arm(), "bank": Arm()},
            "replicates": words.replicates,
            "evaluation": evaluation,
        }
    )
    inference = Inference(open_studies(run, both), both)
    print(
        f"{copies} banked variations less fresh augmentation, {words.replicates} replicates, "
        f"{(split['split'] == 'test').sum():,} test images; points"
    )
    for row in (
        inference.compare("bank", "live", metric) for metric in METRICS if metric in inference.values
    ):
        ends = f"{100 * row['low']:+.1f} to {100 * row['high']:+.1f}"
        print(
            f"{row['metric']:20}{100 * row['reference_mean']:8.1f}{100 * row['arm_mean']:8.1f}"
            f"{100 * row['difference']:+8.1f}   {ends}"
        )


if __name__ == "__main__":
    main()

"""Is it the synthesis, is it the blur, or can it not be told? How often small studies answer rightly.

Run: python benchmarks/cause_rates.py [--studies 20] [--images 6000] [--only KIND ...]

Drawn lesions, described once by the frozen ImageNet trunk of EfficientNet-Lite0 (96 pixels), as they are and
after the synthetic images' way (32 pixels and back). A study deals them by lesion into a training and a test
part and trains the head of a classifier, several times, for four arms: baseline, *oversampled* and *blurred*
(real melanomas repeated as they are and after that way) and *synthetic*. Their melanoma recalls go through
the project's own intervals and the rule of ``helpers.evaluation.verdicts.cause``. Kinds of studies:

- blur: the "synthetic" images are other photographs of the training part after that way; nothing is new
- blur, classes weighted: the same with four times as many, and every class weighs alike in the loss, so that
  more melanomas do not raise their recall by themselves, and what is left of a change is the blur's
- help: they are melanomas that no other arm has seen, as sharp as the rest
- help, no image sharper: the same, and every image of the study took that way (``data.detail: gan``)
- small: like blur, on a tenth of the test images and three trainings
"""

import argparse
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from helpers.evaluation.inference import Inference
from helpers.evaluation.study import Study
from helpers.evaluation.verdicts import Cause, cause
from helpers.params import Params, validate

ARMS = ("baseline", "oversampled", "blurred", "synthetic")
HIDDEN, DROPOUT, RATE, BATCH, EPOCHS = 64, 0.5, 1e-3, 64, 15  # of the head, as small as the features allow
SIDE, REDUCED = 96, 32


@dataclass(frozen=True)
class Kind:
    """What a study's last arm adds, how large the study is, and the answer that is right."""

    right: Cause
    new: bool = False  # synthetic images show lesions that no other arm has
    equal: bool = False  # every image of the study took the way of synthetic images
    trainings: int = 8
    tested: float = 1.0  # share of the test part
    weighted: bool = False  # classes weigh alike in the loss, so that more images of one do not favour it
    added: int = 100  # images in every arm that adds any


KINDS = {
    "blur": Kind(Cause.BLUR),
    "help": Kind(Cause.SYNTHESIS, new=True),
    "help, no image sharper": Kind(Cause.SYNTHESIS, new=True, equal=True),
    "blur, classes weighted": Kind(Cause.BLUR, weighted=True, added=400),
    "small": Kind(Cause.UNTOLD, trainings=3, tested=0.1),
}


@dataclass(frozen=True)
class Pool:
    """Drawn lesions: class positions and lesions (n,), and features (n, D) as they are and after the way."""

    classes: tuple[str, ...]
    truth: np.ndarray
    lesion: np.ndarray
    sharp: np.ndarray
    blurred: np.ndarray

    @property
    def target(self) -> int:
        return self.classes.index("mel")


def draw_pool(images: int, seed: int = 1) -> Pool:
    """Draw ``images`` lesions and describe them by the trunk; takes some minutes for thousands."""
    from helpers.classifier.inference import trunk_features
    from helpers.data.decoding import decode, resize_image
    from helpers.data.ham10000 import open_dataset
    from helpers.data.phantom.writing import draw_dataset
    from helpers.data.resizing import resize_images
    from helpers.params import load_params

    config = load_params("quick").classifier.model_copy(update={"image_size": SIDE})
    with tempfile.TemporaryDirectory() as folder:
        dataset = open_dataset(draw_dataset(Path(folder), images=images, seed=seed))
        table = dataset.metadata
        decoded = [decode(dataset.read(name)) for name in table["image_id"]]
    sharp = np.stack([resize_image(image, SIDE, "bilinear") for image in decoded])
    reduced = np.stack([resize_image(image, REDUCED, "area") for image in decoded])
    classes = tuple(sorted(table["dx"].unique()))
    return Pool(
        classes,
        table["dx"].map(classes.index).to_numpy(),
        pd.factorize(table["lesion_id"])[0],
        trunk_features(config, sharp),
        trunk_features(config, resize_images(reduced, SIDE)),
    )


def run_study(pool: Pool, kind: Kind, seed: int) -> Cause:
    """One study of ``kind``: the answer of the rule."""
    rng = np.random.default_rng(seed)
    training, new, test = _dealt(pool, rng, kind.tested)
    images = pool.blurred if kind.equal else pool.sharp
    fake = pool.sharp if kind.new and not kind.equal else pool.blurred
    targets = training[pool.truth[training] == pool.target]
    sources = {
        "oversampled": (images, targets),
        "blurred": (pool.blurred, targets),
        "synthetic": (fake, new if kind.new else targets),
    }
    center, spread = images[training].mean(axis=0), images[training].std(axis=0) + 1e-6
    probabilities = np.empty((len(ARMS), kind.trainings, len(test), len(pool.classes)))
    for replicate in range(kind.trainings):
        for place, arm in enumerate(ARMS):
            features, truth = images[training], pool.truth[training]
            if arm in sources:
                own, rows = sources[arm]
                chosen = rng.choice(rows, kind.added, replace=kind.added > len(rows))
                features = np.concatenate([features, own[chosen]])
                truth = np.concatenate([truth, pool.truth[chosen]])
            weights = _weights(truth, len(pool.classes)) if kind.weighted else None
            scaled, number = (features - center) / spread, seed * 1000 + replicate
            model = _trained(scaled, truth, len(pool.classes), number, weights)
            probabilities[place, replicate] = model((images[test] - center) / spread)
    return _answer(pool, test, probabilities)


def _dealt(pool: Pool, rng: np.random.Generator, tested: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of a training part, of melanomas beside it, and of a test part; no lesion is in two of them."""
    share = rng.random(pool.lesion.max() + 1)[pool.lesion]
    training, test = share < 0.25, share > 1 - 0.6 * tested
    new = (share >= 0.25) & (share < 0.4) & (pool.truth == pool.target)
    return np.flatnonzero(training), np.flatnonzero(new), np.flatnonzero(test)


def _weights(truth: np.ndarray, classes: int) -> torch.Tensor:
    """Weights (classes,) by which every class has the same part in the loss."""
    counts = np.bincount(truth, minlength=classes).clip(1)
    return torch.from_numpy(len(truth) / (classes * counts)).float()


def _trained(features: np.ndarray, truth: np.ndarray, classes: int, seed: int, weights: torch.Tensor | None):
    """A head of two layers, trained by Adam; a function from features to probabilities."""
    torch.manual_seed(seed)
    x, y = torch.from_numpy(features).float(), torch.from_numpy(truth)
    head = nn.Sequential(
        nn.Linear(x.shape[1], HIDDEN), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(HIDDEN, classes)
    )
    optimiser = torch.optim.Adam(head.parameters(), RATE)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(BATCH):
            optimiser.zero_grad()
            nn.functional.cross_entropy(head(x[rows]), y[rows], weight=weights).backward()
            optimiser.step()
    head.eval()

    @torch.no_grad()
    def predict(given: np.ndarray) -> np.ndarray:
        return torch.softmax(head(torch.from_numpy(given).float()).double(), dim=1).numpy()

    return predict


def _answer(pool: Pool, test: np.ndarray, probabilities: np.ndarray) -> Cause:
    """The rule's answer from the project's own intervals of melanoma recall."""
    lesion, names = pd.factorize(pool.lesion[test])
    trainings = probabilities.shape[1]
    study = Study(
        arms=list(ARMS),
        replicates=list(range(trainings)),
        classes=list(pool.classes),
        target=pool.target,
        truth=pool.truth[test],
        probabilities=probabilities,
        lesion=lesion,
        lesion_names=names.astype(str),
        seen=np.zeros(len(test), int),
        thresholds=np.full((len(ARMS), trainings), 0.5),
        metadata=pd.DataFrame(index=range(len(test)), columns=["age", "sex", "localization"]),
    )
    inference = Inference([study], _params(trainings))
    pairs = (
        ("synthetic", "baseline"),
        ("synthetic", "blurred"),
        ("blurred", "baseline"),
        ("blurred", "oversampled"),
    )
    found = [inference.difference(*pair, "target_recall") for pair in pairs]
    return cause(*({"low": each.low, "high": each.high, "replicates": each.replicates} for each in found))


def _params(trainings: int) -> Params:
    return validate({"arms": {name: {} for name in ARMS}, "replicates": trainings}, "cause_rates")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--studies", type=int, default=20, help="of each kind (default: 20)")
    parser.add_argument("--images", type=int, default=6000, help="drawn lesions of the pool (default: 6,000)")
    parser.add_argument("--only", nargs="+", choices=KINDS, help="these kinds alone")
    options = parser.parse_args()
    began = time.monotonic()
    pool = draw_pool(options.images)
    print(f"{len(pool.truth):,} images drawn and described in {time.monotonic() - began:.0f} s", flush=True)
    print(f"| kind of study | {' | '.join(Cause)} | right answer |\n|---|{'--:|' * len(Cause)}---|")
    for name, kind in KINDS.items():
        if options.only and name not in options.only:
            continue
        found = Counter(run_study(pool, kind, seed) for seed in range(options.studies))
        print(f"| {name} | {' | '.join(str(found[each]) for each in Cause)} | {kind.right} |", flush=True)


if __name__ == "__main__":
    main()

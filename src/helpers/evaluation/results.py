"""From the predictions on disk to every table of ``evaluation/``."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.errors import DataError
from helpers.evaluation import metrics, statistics
from helpers.evaluation.paper import audit, claims
from helpers.files import write_table
from helpers.params import Params
from helpers.paths import RunPaths, require

TOLERANCE = 1e-3  # probabilities are written in single precision, and may come from bfloat16
COMPARED = (*metrics.METRICS, "target_roc_auc")


# --- reading ------------------------------------------------------------------------------------


def load_predictions(run: RunPaths, arms: Iterable[str], replicates: int | Iterable[int]) -> pd.DataFrame:
    """The predictions of every (arm, replicate): arm, replicate, then the columns of predictions.csv.

    ``replicates`` is their number or their list. Every file is checked against split.csv and against
    the others. Raises MissingStageError for an absent file and DataError, a sentence, for a training
    image, a missing or doubled image, a label that split.csv contradicts, or probabilities that are
    none.
    """
    numbers = range(replicates) if isinstance(replicates, int) else list(replicates)
    split = _read_split(run)
    frames, columns = [], None
    for arm in arms:
        for replicate in numbers:
            path = require(run.classifier(arm, replicate) / "predictions.csv", "classifier")
            frame = pd.read_csv(path, dtype={"image_id": str, "label": str, "split": str})
            _check(frame, split, f"{arm}/replicate-{replicate}/predictions.csv")
            found = [name for name in frame.columns if name.startswith("p_")]
            if columns is not None and found != columns:
                raise DataError(
                    f"{arm}/replicate-{replicate}/predictions.csv holds the classes {', '.join(found)}, and an earlier file {', '.join(columns)}: train the arms again."
                )
            columns = found
            frames.append(frame.assign(arm=arm, replicate=replicate))
    if not frames:
        raise DataError("There is nothing to evaluate: no arm, or no replicate, was asked for.")
    predictions = pd.concat(frames, ignore_index=True)
    return predictions[["arm", "replicate", "image_id", "split", "label", *columns]]


def _read_split(run: RunPaths) -> pd.DataFrame:
    """split.csv with names as texts, even where they are digits."""
    return pd.read_csv(require(run.split, "eda"), dtype={"image_id": str, "dx": str, "split": str})


def _check(frame: pd.DataFrame, split: pd.DataFrame, name: str) -> None:
    """Raise DataError, naming the file and the first image at fault, where predictions cannot be this run's."""
    missing = [column for column in ("image_id", "split", "label") if column not in frame.columns]
    columns = [column for column in frame.columns if column.startswith("p_")]
    if missing or len(columns) < 2:
        raise DataError(f"{name} lacks the column {missing[0] if missing else 'p_<class>'}: train this replicate again.")
    if frame["image_id"].duplicated().any():
        raise DataError(f"{name} holds the image {frame['image_id'][frame['image_id'].duplicated()].iloc[0]} twice: train this replicate again.")
    known = split.set_index("image_id")
    expected = known.reindex(frame["image_id"])

    def refuse(wrong: np.ndarray, sentence: str) -> None:
        if wrong.any():
            row = int(np.argmax(wrong))
            image, dx, part = frame["image_id"].iloc[row], expected["dx"].iloc[row], expected["split"].iloc[row]
            raise DataError(f"{name}: " + sentence.format(image=image, dx=dx, part=part, label=frame["label"].iloc[row]) + " Train this replicate again.")

    refuse(expected["split"].isna().to_numpy(), "the image {image} is not in split.csv.")
    refuse((expected["split"] == "train").to_numpy(), "the image {image} is a training image; only validation and test may be predicted.")
    refuse((expected["split"].to_numpy() != frame["split"].to_numpy()), "the image {image} belongs to the {part} part of split.csv, not to the one given.")
    refuse((expected["dx"].to_numpy() != frame["label"].to_numpy()), "the image {image} is labelled {label}, and split.csv says {dx}.")
    refuse(~frame["label"].map(lambda label: f"p_{label}" in columns).to_numpy(bool), "the class {label} of the image {image} has no probability column.")
    test = known.index[known["split"] == "test"]
    absent = test.difference(frame["image_id"])
    if len(absent):
        raise DataError(f"{name} lacks {len(absent)} of the {len(test)} test images, {absent[0]} first: train this replicate again.")
    if not len(test):
        raise DataError("split.csv names no test image: prepare the data again.")
    values = frame[columns].to_numpy(float)
    wrong = ~np.isfinite(values).all(axis=1) | (values < -TOLERANCE).any(axis=1)
    refuse(wrong | ~(np.abs(values.sum(axis=1) - 1) <= TOLERANCE), "the probabilities of the image {image} are not shares that sum to 1.")


@dataclass(frozen=True)
class Study:
    """Test predictions as arrays: A arms, R replicates, n images of L lesions, K classes."""

    arms: list[str]
    replicates: list[int]
    classes: list[str]
    target: int | None
    truth: np.ndarray  # (n,) class positions
    probabilities: np.ndarray  # (A, R, n, K)
    predicted: np.ndarray  # (A, R, n) class positions
    lesion: np.ndarray  # (n,) lesion positions
    strata: np.ndarray  # (L,) class position of each lesion
    seen: np.ndarray  # (n,) 1 seen, 0 unseen, -1 unknown: the lesion is in the training set

    @property
    def confusion(self) -> np.ndarray:
        """Counts (A, R, K, K) over all test images."""
        return metrics.confusion_counts(self.truth, self.predicted, len(self.classes))

    def of_lesions(self, values: np.ndarray) -> np.ndarray:
        """Sums (..., L) of values (..., n) over each lesion's images."""
        order = np.argsort(self.lesion, kind="stable")
        starts = np.searchsorted(self.lesion[order], np.arange(len(self.strata)))
        return np.add.reduceat(values[..., order], starts, axis=-1)


def open_study(run: RunPaths, arms: Sequence[str], replicates: int, target: str) -> Study:
    """Load, check and align the test predictions of a run."""
    predictions = load_predictions(run, arms, replicates)
    split = _read_split(run)
    test = split[split["split"] == "test"].reset_index(drop=True)
    columns = [name for name in predictions.columns if name.startswith("p_")]
    classes = [name.removeprefix("p_") for name in columns]
    tested = predictions[predictions["split"] == "test"]
    stacked = np.stack(
        [frame.set_index("image_id")[columns].reindex(test["image_id"]).to_numpy(float) for _, frame in tested.groupby(["arm", "replicate"], sort=False)]
    )
    probabilities = stacked.reshape(len(arms), replicates, len(test), len(classes))

    lesions = test["lesion_id"] if "lesion_id" in test else pd.Series(np.nan, index=test.index)
    # an image without a lesion id stands for a lesion of its own
    names = lesions.where(lesions.notna(), "image " + test["image_id"]).astype(str)
    lesion, _ = pd.factorize(names)
    truth = metrics.class_indices(test["dx"].to_numpy(str), classes, "labels")
    _, first = np.unique(lesion, return_index=True)
    trained = set(split.loc[split["split"] == "train", "lesion_id"].dropna()) if "lesion_id" in split else set()
    seen = np.where(lesions.isna(), -1, lesions.isin(trained).astype(int))
    position = classes.index(target) if target in classes else None
    return Study(list(arms), list(range(replicates)), classes, position, truth, probabilities, probabilities.argmax(axis=-1), lesion, truth[first], seen)


# --- tables -------------------------------------------------------------------------------------


def evaluate(run: RunPaths, params: Params) -> dict[str, pd.DataFrame]:
    """Write every table of ``evaluation/`` and return them by name.

    metrics, per_class, confusion (one file an arm), arms (mean, standard deviation and interval),
    comparisons (each arm against the reference), contrasts (the contrasts named beforehand),
    metrics_by_lesion and per_class_by_lesion (test images whose lesion was, or was not, trained on),
    mcnemar, claims, audit. All metrics are shares in 0..1. Raises as ``load_predictions``.
    """
    study = open_study(run, list(params.arms), params.replicates, params.data.target_class)
    inference = _Inference(study, params)
    tables = {
        "metrics": _metrics(study),
        "per_class": _per_class(study, study.confusion),
        "confusion": _confusion(study),
        "arms": inference.arms(),
        "comparisons": inference.comparisons(),
        "contrasts": inference.contrasts(),
        **_by_lesion(study),
        "mcnemar": _mcnemar(study, params.evaluation.reference),
        "audit": audit(),
    }
    settings = params.evaluation
    tables["claims"] = claims(tables, settings.smallest_effect, params.data.target_class, roles(params), settings.confidence)
    _write(run.evaluation, tables)
    return tables


def _write(folder: Path, tables: dict[str, pd.DataFrame]) -> None:
    """Write each table as <name>.csv, the confusion matrices one file an arm; drop those of arms that are gone."""
    written = {write_table(folder / f"confusion-{arm}.csv", counts.drop(columns="arm")) for arm, counts in tables["confusion"].groupby("arm", sort=False)}
    for name, table in tables.items():
        if name != "confusion":
            write_table(folder / f"{name}.csv", table)
    for stale in set(folder.glob("confusion-*.csv")) - written:
        stale.unlink()


def roles(params: Params) -> dict[str, str]:
    """Which arm of the run plays each of the paper's: baseline, filtered, all; and random, where there is one.

    An arm of that name is taken, or else the first whose recipe is the role's and nothing more.
    """
    chosen = {"baseline": params.evaluation.reference}
    for role, select in (("filtered", "top"), ("all", "all"), ("random", "random")):
        fitting = [name for name, arm in params.arms.items() if arm.uses_gan and arm.synthetic.select == select and arm == type(arm)(synthetic=arm.synthetic)]
        if fitting:
            chosen[role] = role if role in fitting else fitting[0]
    return chosen


def _keys(study: Study, repeat: int = 1) -> dict[str, np.ndarray]:
    """Columns arm and replicate, each pair ``repeat`` times."""
    pairs = [(arm, replicate) for arm in study.arms for replicate in study.replicates]
    return {"arm": np.repeat([arm for arm, _ in pairs], repeat), "replicate": np.repeat([replicate for _, replicate in pairs], repeat)}


def _metrics(study: Study) -> pd.DataFrame:
    summary = metrics.summarise(study.confusion, study.target)
    table = {**_keys(study), "images": len(study.truth)} | {name: summary[name].ravel() for name in metrics.METRICS}
    if study.target is not None:
        positive = study.truth == study.target
        scores = study.probabilities[..., study.target].reshape(-1, len(positive))
        table["target_roc_auc"] = [metrics.roc_auc(positive, score) for score in scores]
        table["target_average_precision"] = [metrics.average_precision(positive, score) for score in scores]
    return pd.DataFrame(table)


def _per_class(study: Study, confusion: np.ndarray) -> pd.DataFrame:
    ratios = metrics.class_ratios(confusion)
    classes = len(study.classes)
    columns = {"class": np.tile(study.classes, confusion.size // classes**2), "support": confusion.sum(axis=-1).ravel()}
    return pd.DataFrame({**_keys(study, classes), **columns, **{name: ratios[name].ravel() for name in metrics.CLASS_RATIOS}})


def _confusion(study: Study) -> pd.DataFrame:
    classes = len(study.classes)
    pairs = len(study.arms) * len(study.replicates)
    columns = {"label": np.tile(np.repeat(study.classes, classes), pairs), "prediction": np.tile(study.classes, pairs * classes)}
    return pd.DataFrame({**_keys(study, classes**2), **columns, "count": study.confusion.ravel()})


def _by_lesion(study: Study) -> dict[str, pd.DataFrame]:
    """Metrics over test images of seen and of unseen lesions; macro figures over the classes present there.

    The two groups differ in their mix of classes, so only within a class do they compare.
    """
    overall, within = [], []
    for name, value in (("seen", 1), ("unseen", 0)):
        inside = study.seen == value
        if not inside.any():
            continue
        confusion = metrics.confusion_counts(study.truth[inside], study.predicted[..., inside], len(study.classes))
        present = np.bincount(study.truth[inside], minlength=len(study.classes)) > 0
        summary = metrics.summarise(confusion, study.target)
        for ratio, values in metrics.class_ratios(confusion).items():
            summary[f"macro_{ratio}"] = values[..., present].mean(axis=-1)
        summary["balanced_accuracy"] = summary["macro_recall"]
        summary["paper_bma"] = (summary["macro_recall"] + summary["macro_specificity"]) / 2
        counts = {"lesions": name, "images": int(inside.sum()), "classes": int(present.sum())}
        counts["target_images"] = int((study.truth[inside] == study.target).sum()) if study.target is not None else 0
        overall.append(pd.DataFrame({**_keys(study), **counts, **{metric: summary[metric].ravel() for metric in metrics.METRICS}}))
        table = _per_class(study, confusion)
        table.insert(2, "lesions", name)
        within.append(table[table["support"] > 0])
    first = ["arm", "replicate", "lesions"]
    # without lesion ids nothing is known, and the tables have their columns and no row
    empty = pd.DataFrame(columns=[*first, "images", "classes", "target_images", *metrics.METRICS])
    empty_within = pd.DataFrame(columns=[*first, "class", "support", *metrics.CLASS_RATIOS])
    return {
        "metrics_by_lesion": pd.concat(overall, ignore_index=True)[list(empty)] if overall else empty,
        "per_class_by_lesion": pd.concat(within, ignore_index=True)[list(empty_within)] if within else empty_within,
    }


def _mcnemar(study: Study, reference: str) -> pd.DataFrame:
    """Exact McNemar test of each replicate of each arm against the reference's, over all and over target images."""
    right = study.predicted == study.truth
    base = right[study.arms.index(reference)]
    groups = {"all": np.ones(len(study.truth), bool)}
    if study.target is not None:
        groups[study.classes[study.target]] = study.truth == study.target
    rows = []
    for arm, hits in zip(study.arms, right, strict=True):
        for group, inside in groups.items() if arm != reference else ():
            gained = (hits & ~base)[:, inside].sum(axis=1)
            lost = (base & ~hits)[:, inside].sum(axis=1)
            for replicate, b, c, p in zip(study.replicates, gained, lost, statistics.mcnemar(gained, lost), strict=True):
                rows.append((arm, reference, replicate, group, int(inside.sum()), int(b), int(c), float(p), "these two trained models, clustering ignored"))
    columns = ["arm", "reference", "replicate", "images_of", "images", "only_arm_right", "only_reference_right", "p", "scope"]
    return pd.DataFrame(rows, columns=columns)


class _Inference:
    """Values, influences and bootstrap of a study, computed once for all of its intervals."""

    def __init__(self, study: Study, params: Params):
        self.study, self.params = study, params
        confusion = study.confusion
        summary, slopes = metrics.summarise(confusion, study.target), metrics.influences(confusion, study.target)
        recalls = metrics.class_ratios(confusion)["recall"]
        self.values = {name: summary[name] for name in metrics.METRICS if study.target is not None or not name.startswith("target_")}
        self.recalls = {f"recall_{name}": f"recall_{k}" for k, name in enumerate(study.classes)}
        self.values |= {name: recalls[..., k] for k, name in enumerate(self.recalls)}
        self.influence = {name: study.of_lesions(self._at_images(slopes[self.recalls.get(name, name)])) for name in self.values}
        if study.target is not None:
            self._add_roc_auc()
        self.resampled = self._bootstrap() if len(study.replicates) >= statistics.MINIMUM_REPLICATES else {}

    def _at_images(self, slopes: np.ndarray) -> np.ndarray:
        """Influence (A, R, n) of each image from slopes (A, R, K, K)."""
        arm, replicate = np.ogrid[: len(self.study.arms), : len(self.study.replicates)]
        return slopes[arm[..., None], replicate[..., None], self.study.truth, self.study.predicted]

    def _add_roc_auc(self) -> None:
        positive = self.study.truth == self.study.target
        scores = self.study.probabilities[..., self.study.target]
        self.values["target_roc_auc"] = np.apply_along_axis(lambda score: metrics.roc_auc(positive, score), -1, scores)
        self.influence["target_roc_auc"] = self.study.of_lesions(np.apply_along_axis(lambda score: metrics.roc_auc_influence(positive, score), -1, scores))

    def _bootstrap(self) -> dict[str, np.ndarray]:
        study, classes = self.study, len(self.study.classes)
        arms, replicates, lesions = len(study.arms), len(study.replicates), len(study.strata)
        pair = np.arange(arms * replicates).reshape(arms, replicates, 1)
        cells = ((pair * lesions + study.lesion) * classes + study.truth) * classes + study.predicted
        counts = np.bincount(cells.ravel(), minlength=arms * replicates * lesions * classes**2)
        evaluation = self.params.evaluation
        return statistics.crossed_bootstrap(
            counts.reshape(arms, replicates, lesions, classes, classes),
            study.strata,
            lambda c: metrics.summarise(c, study.target),
            evaluation.bootstrap,
            evaluation.seed,
        )

    def compare(self, arm: str, reference: str, metric: str) -> dict[str, object]:
        """One row: the arm minus the reference on one metric."""
        study, values, influence = self.study, self.values[metric], self.influence[metric]
        first, second = study.arms.index(arm), study.arms.index(reference)
        confidence = self.params.evaluation.confidence
        found = statistics.paired_difference(values[first], values[second], influence[first], influence[second], study.strata, confidence)
        low = high = np.nan
        if metric in self.resampled and np.isfinite(found.standard_error):
            spread = statistics.crossed_error(self.resampled[metric][..., first] - self.resampled[metric][..., second])
            half = statistics.student_quantile(0.5 + confidence / 2, found.degrees_of_freedom) * spread
            low, high = found.estimate - half, found.estimate + half
        return {
            "arm": arm,
            "reference": reference,
            "metric": metric,
            "arm_mean": values[first].mean(),
            "reference_mean": values[second].mean(),
            "difference": found.estimate,
            "low": found.low,
            "high": found.high,
            "replicates": found.replicates,
            "method": _method(found),
            "standard_error": found.standard_error,
            "degrees_of_freedom": found.degrees_of_freedom,
            "p": found.p,
            "bootstrap_low": low,
            "bootstrap_high": high,
        }

    def comparisons(self) -> pd.DataFrame:
        """Each arm against the reference, all metrics: exploratory."""
        reference = self.params.evaluation.reference
        pairs = [(arm, reference) for arm in self.study.arms if arm != reference]
        return self._table([self.compare(*pair, metric) for pair in pairs for metric in COMPARED if metric in self.values])

    def contrasts(self) -> pd.DataFrame:
        """The contrasts named beforehand, all metrics and each class's recall; primary ones adjusted by Holm.

        Primary: target recall of filtered - baseline, filtered - random, all - baseline. The rest is
        exploratory.
        """
        part = roles(self.params)
        named = (("filtered", "baseline"), ("filtered", "random"), ("all", "baseline"), ("filtered", "all"))
        rows = []
        for first, second in named:
            if first in part and second in part and part[first] != part[second]:
                rows += [
                    {"contrast": f"{first} - {second}"} | self.compare(part[first], part[second], metric)
                    for metric in (*COMPARED, *self.recalls)
                    if metric in self.values
                ]
        table = self._table(rows, "contrast")
        primary = table["contrast"].ne("filtered - all") & table["metric"].eq("target_recall")
        table["role"] = np.where(primary, "primary", "exploratory")
        table["p_holm"] = np.nan
        table.loc[primary, "p_holm"] = statistics.holm(table.loc[primary, "p"].to_numpy(float))
        return table

    @staticmethod
    def _table(rows: list[dict[str, object]], *first: str) -> pd.DataFrame:
        columns = [*first, "arm", "reference", "metric", "arm_mean", "reference_mean", "difference", "low", "high", "replicates", "method"]
        columns += ["standard_error", "degrees_of_freedom", "p", "bootstrap_low", "bootstrap_high"]
        table = pd.DataFrame(rows, columns=columns)
        numbers = [name for name in columns if name not in (*first, "arm", "reference", "metric", "method", "replicates")]
        return table.astype(dict.fromkeys(numbers, float))

    def arms(self) -> pd.DataFrame:
        """Each arm's mean, standard deviation over replicates and interval, by metric."""
        rows = []
        for index, arm in enumerate(self.study.arms):
            for metric in (name for name in COMPARED if name in self.values):
                values = self.values[metric][index]
                found = statistics.mean_interval(values, self.influence[metric][index], self.study.strata, self.params.evaluation.confidence)
                deviation = values.std(ddof=1) if len(values) > 1 else np.nan
                rows.append((arm, metric, values.mean(), deviation, np.clip(found.low, 0, 1), np.clip(found.high, 0, 1), len(values), _method(found)))
        table = pd.DataFrame(rows, columns=["arm", "metric", "mean", "standard_deviation", "low", "high", "replicates", "method"])
        return table.astype({"low": float, "high": float})


def _method(found: statistics.Difference) -> str:
    """What the interval is, or why there is none."""
    if found.replicates < statistics.MINIMUM_REPLICATES:
        return "single runs"
    return "t interval, replicates and lesions" if np.isfinite(found.standard_error) else "no variation"

"""From the predictions on disk to every table of ``evaluation/``, and two runs side by side."""

from pathlib import Path

import numpy as np
import pandas as pd

from helpers.evaluation import metrics, statistics
from helpers.evaluation.inference import Inference, roles
from helpers.evaluation.paper import audit, claims
from helpers.evaluation.study import Study, open_external_study, open_study
from helpers.files import write_table
from helpers.params import Params
from helpers.paths import RunPaths, require

CURVE_GRID = np.arange(101) / 100
EXTERNAL_METRICS = (
    "balanced_accuracy",
    "accuracy",
    "macro_roc_auc",
    "target_recall",
    "target_specificity",
    "target_precision",
    "target_roc_auc",
)
EXTERNAL_METRICS += ("target_operating_recall", "target_operating_specificity", "calibration_error")


def evaluate(run: RunPaths, params: Params) -> dict[str, pd.DataFrame]:
    """Write every table of ``evaluation/`` and return them by name.

    metrics, per_class, confusion (one file an arm): each replicate. arms, arms_per_class: mean, standard deviation and interval.
    comparisons (each arm against the reference), contrasts (those named beforehand), controls (arms that test the study). leak, metrics_by_lesion,
    per_class_by_lesion: test images whose lesion was, or was not, trained on. reliability, curves, decision_curve: what the probabilities
    are worth. external: the second test set, empty where there is none. mcnemar, claims, audit. Shares are in 0..1. Raises as
    ``load_predictions`` and ``open_external_study``.
    """
    study = open_study(run, params)
    inference = Inference(study, params)
    settings = params.evaluation
    tables = {
        "metrics": _metrics(study),
        "per_class": _per_class(study, study.confusion).assign(**_class_areas(study)),
        "confusion": _confusion(study),
        "arms": inference.arms(),
        "arms_per_class": inference.arms_per_class(),
        "comparisons": inference.comparisons(),
        "contrasts": inference.contrasts(),
        "controls": inference.controls(),
        "leak": inference.leak(),
        **_by_lesion(study),
        "reliability": _reliability(study),
        "curves": _curves(study),
        "decision_curve": inference.decision_curve(),
        "external": _external(open_external_study(run, params, study), params),
        "mcnemar": _mcnemar(study, settings.reference),
        "audit": audit(),
    }
    one_gan, data = len(params.gan.seeds) == 1, params.data
    tables["claims"] = claims(
        tables,
        settings.smallest_effect,
        data.target_class,
        roles(params),
        settings.confidence,
        one_gan,
        data.source,
    )
    _write(run.evaluation, tables)
    return tables


def _write(folder: Path, tables: dict[str, pd.DataFrame]) -> None:
    """Write each table as <name>.csv, the confusion matrices one file an arm; drop those of arms that are gone."""
    written = {
        write_table(folder / f"confusion-{arm}.csv", counts.drop(columns="arm"))
        for arm, counts in tables["confusion"].groupby("arm", sort=False)
    }
    for name, table in tables.items():
        if name != "confusion":
            write_table(folder / f"{name}.csv", table)
    for stale in set(folder.glob("confusion-*.csv")) - written:
        stale.unlink()


def _keys(study: Study, repeat: int = 1) -> dict[str, np.ndarray]:
    """Columns arm and replicate, each pair ``repeat`` times."""
    pairs = [(arm, replicate) for arm in study.arms for replicate in study.replicates]
    return {
        "arm": np.repeat([arm for arm, _ in pairs], repeat),
        "replicate": np.repeat([replicate for _, replicate in pairs], repeat),
    }


def _metrics(study: Study) -> pd.DataFrame:
    summary = metrics.summarise(study.confusion, study.target)
    table = {**_keys(study), "images": len(study.truth)} | {
        name: summary[name].ravel() for name in metrics.METRICS
    }
    pairs = list(np.ndindex(study.thresholds.shape))
    scored = [
        metrics.probability_metrics(
            study.truth, study.probabilities[pair], study.target, study.thresholds[pair]
        )
        for pair in pairs
    ]
    table |= {name: [one[name][0] for one in scored] for name in metrics.PROBABILITY_METRICS}
    return pd.DataFrame(table | {"operating_threshold": study.thresholds.ravel()})


def _per_class(study: Study, confusion: np.ndarray) -> pd.DataFrame:
    ratios = metrics.class_ratios(confusion)
    classes = len(study.classes)
    columns = {
        "class": np.tile(study.classes, confusion.size // classes**2),
        "support": confusion.sum(axis=-1).ravel(),
    }
    return pd.DataFrame(
        {**_keys(study, classes), **columns, **{name: ratios[name].ravel() for name in metrics.CLASS_RATIOS}}
    )


def _class_areas(study: Study) -> dict[str, list[float]]:
    """Columns of per_class.csv from the probabilities."""
    found = [
        metrics.class_areas(study.truth, study.probabilities[pair])
        for pair in np.ndindex(study.thresholds.shape)
    ]
    return {
        name: [value for one in found for value, _ in one[name]] for name in ("roc_auc", "average_precision")
    }


def _confusion(study: Study) -> pd.DataFrame:
    classes = len(study.classes)
    pairs = len(study.arms) * len(study.replicates)
    columns = {
        "label": np.tile(np.repeat(study.classes, classes), pairs),
        "prediction": np.tile(study.classes, pairs * classes),
    }
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
        confusion = metrics.confusion_counts(
            study.truth[inside], study.predicted[..., inside], len(study.classes)
        )
        present = np.bincount(study.truth[inside], minlength=len(study.classes)) > 0
        summary = metrics.summarise(confusion, study.target)
        for ratio, values in metrics.class_ratios(confusion).items():
            summary[f"macro_{ratio}"] = values[..., present].mean(axis=-1)
        summary["balanced_accuracy"] = summary["macro_recall"]
        summary["paper_bma"] = (summary["macro_recall"] + summary["macro_specificity"]) / 2
        counts = {"lesions": name, "images": int(inside.sum()), "classes": int(present.sum())}
        counts["target_images"] = (
            int((study.truth[inside] == study.target).sum()) if study.target is not None else 0
        )
        overall.append(
            pd.DataFrame(
                {**_keys(study), **counts, **{metric: summary[metric].ravel() for metric in metrics.METRICS}}
            )
        )
        table = _per_class(study, confusion)
        table.insert(2, "lesions", name)
        within.append(table[table["support"] > 0])
    first = ["arm", "replicate", "lesions"]
    # without lesion ids nothing is known, and the tables have their columns and no row
    empty = pd.DataFrame(columns=[*first, "images", "classes", "target_images", *metrics.METRICS])
    empty_within = pd.DataFrame(columns=[*first, "class", "support", *metrics.CLASS_RATIOS])
    return {
        "metrics_by_lesion": pd.concat(overall, ignore_index=True)[list(empty)] if overall else empty,
        "per_class_by_lesion": pd.concat(within, ignore_index=True)[list(empty_within)]
        if within
        else empty_within,
    }


def _reliability(study: Study) -> pd.DataFrame:
    """Probability and frequency in equal bins, by replicate: of the predicted class being right, and of the target. Empty bins are left out."""
    rows = []
    bins = metrics.CALIBRATION_BINS
    for arm, replicate in np.ndindex(study.thresholds.shape):
        probabilities = study.probabilities[arm, replicate]
        events = {"predicted class": (probabilities.max(axis=1), probabilities.argmax(axis=1) == study.truth)}
        if study.target is not None:
            events["target"] = probabilities[:, study.target], study.truth == study.target
        for name, (score, happened) in events.items():
            place = metrics.calibration_bins(score)
            for k in np.unique(place):
                inside = place == k
                found = score[inside].mean(), happened[inside].mean()
                rows.append(
                    (
                        study.arms[arm],
                        study.replicates[replicate],
                        name,
                        k / bins,
                        (k + 1) / bins,
                        int(inside.sum()),
                        *found,
                    )
                )
    return pd.DataFrame(
        rows,
        columns=[
            "arm",
            "replicate",
            "probability_of",
            "bin_from",
            "bin_to",
            "images",
            "probability",
            "frequency",
        ],
    )


def _curves(study: Study) -> pd.DataFrame:
    """ROC (x: 1 - specificity, y: sensitivity) and precision-recall curves (x: recall, y: precision) of the target, by replicate, on one grid."""
    from sklearn.metrics import precision_recall_curve, roc_curve

    columns, rows = ["arm", "replicate", "curve", "x", "y"], []
    if study.target is None or len(np.unique(study.truth == study.target)) < 2:
        return pd.DataFrame(rows, columns=columns)
    positive = study.truth == study.target
    for arm, replicate in np.ndindex(study.thresholds.shape):
        score = study.probabilities[arm, replicate, :, study.target]
        false, true, _ = roc_curve(positive, score)
        precision, recall, _ = precision_recall_curve(positive, score)
        # the best threshold that still finds the share x: recall falls along its array
        at = np.searchsorted(-recall, -CURVE_GRID, side="right") - 1
        curves = {"roc": np.interp(CURVE_GRID, false, true), "precision_recall": precision[at]}
        for name, y in curves.items():
            keys = {"arm": study.arms[arm], "replicate": study.replicates[replicate], "curve": name}
            rows.append(pd.DataFrame({**keys, "x": CURVE_GRID, "y": y}))
    return pd.concat(rows, ignore_index=True)[columns]


def _external(study: Study | None, params: Params) -> pd.DataFrame:
    """Means, deviations and intervals on the external test set, the ISIC metric (balanced multiclass accuracy) first; empty without one."""
    if study is None:
        return pd.DataFrame(
            columns=[
                "arm",
                "metric",
                "images",
                "target_images",
                "mean",
                "standard_deviation",
                "low",
                "high",
                "replicates",
                "method",
            ]
        )
    table = Inference(study, params).arms()
    table = table[table["metric"].isin(EXTERNAL_METRICS)]
    order = table["metric"].map(EXTERNAL_METRICS.index)
    table = table.assign(
        images=len(study.truth), target_images=int((study.truth == study.target).sum()), order=order
    )
    return (
        table.sort_values("order", kind="stable")
        .drop(columns=["order", "standard_error", "degrees_of_freedom"])
        .reset_index(drop=True)
    )


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
            for replicate, b, c, p in zip(
                study.replicates, gained, lost, statistics.mcnemar(gained, lost), strict=True
            ):
                rows.append(
                    (
                        arm,
                        reference,
                        replicate,
                        group,
                        int(inside.sum()),
                        int(b),
                        int(c),
                        float(p),
                        "these two trained models, clustering ignored",
                    )
                )
    columns = [
        "arm",
        "reference",
        "replicate",
        "images_of",
        "images",
        "only_arm_right",
        "only_reference_right",
        "p",
        "scope",
    ]
    return pd.DataFrame(rows, columns=columns)


# --- two runs side by side -----------------------------------------------------------------------


def compare_runs(first: RunPaths, second: RunPaths, confidence: float = 0.95) -> pd.DataFrame:
    """Two evaluated runs, such as one split by image and one by lesion, side by side: a row per arm and metric that both have.

    Columns: arm, class (empty for metrics of all images), metric, then first_ and second_ mean, standard_deviation, low, high and replicates,
    then difference (first - second), its low and high, and method. The runs have different test images and trainings, so the difference is
    unpaired: variances add, with Satterthwaite's degrees of freedom (Welch, Biometrika 34:28, 1947). Test sets that share lesions make the
    interval somewhat too wide. Without an interval in both runs there is none. Raises MissingStageError where a run is not evaluated.
    """
    keys = ["arm", "class", "metric"]
    sides = [
        _side(run).set_index(keys).add_prefix(f"{name}_")
        for run, name in ((first, "first"), (second, "second"))
    ]
    table = sides[0].join(sides[1], how="inner").reset_index()
    errors = [table[f"{name}_standard_error"] for name in ("first", "second")]
    variance = errors[0] ** 2 + errors[1] ** 2
    parts = [
        error**4 / table[f"{name}_degrees_of_freedom"]
        for error, name in zip(errors, ("first", "second"), strict=True)
    ]
    half = statistics.student_quantile(0.5 + confidence / 2, variance**2 / (parts[0] + parts[1])) * np.sqrt(
        variance
    )
    table["difference"] = table["first_mean"] - table["second_mean"]
    table["low"], table["high"] = table["difference"] - half, table["difference"] + half
    table["method"] = np.where(table["low"].notna(), "t interval, unpaired runs", "no interval in both runs")
    shown = ["mean", "standard_deviation", "low", "high", "replicates"]
    return table[
        [
            *keys,
            *(f"{name}_{column}" for name in ("first", "second") for column in shown),
            "difference",
            "low",
            "high",
            "method",
        ]
    ]


def _side(run: RunPaths) -> pd.DataFrame:
    """arms.csv and arms_per_class.csv of a run in one table."""
    parts = [
        pd.read_csv(require(run.evaluation / f"{name}.csv", "evaluation"))
        for name in ("arms", "arms_per_class")
    ]
    return pd.concat([parts[0].assign(**{"class": ""}), parts[1]], ignore_index=True)

"""From the predictions on disk to every table of ``evaluation/``."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.evaluation import by_model
from helpers.evaluation.curves import curves, reliability
from helpers.evaluation.inference import Inference
from helpers.evaluation.leak import leak
from helpers.evaluation.paper import audit, claims
from helpers.evaluation.roles import roles
from helpers.evaluation.significance import mcnemar
from helpers.evaluation.study import Study, open_external_study, open_studies
from helpers.evaluation.subgroups import subgroups
from helpers.evaluation.tables import differences
from helpers.files import write_table
from helpers.params import Params
from helpers.paths import RunPaths

EXTERNAL_METRICS = (
    "balanced_accuracy",
    "accuracy",
    "macro_roc_auc",
    "target_recall",
    "target_specificity",
    "target_precision",
    "target_roc_auc",
    "target_operating_recall",
    "target_operating_specificity",
    "calibration_error",
)
EXTERNAL_COLUMNS = (
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
)
MCNEMAR_COLUMNS = (
    "arm",
    "reference",
    "replicate",
    "images_of",
    "images",
    "only_arm_right",
    "only_reference_right",
    "p",
    "scope",
)
SCOPE = "these two trained models, clustering ignored"


def evaluate(run: RunPaths, params: Params) -> dict[str, pd.DataFrame]:
    """Write every table of ``evaluation/`` and return them by name.

    metrics, per_class, confusion (one file an arm): each replicate. arms, arms_per_class: mean, standard
    deviation and interval. comparisons (each arm against the reference), contrasts (those named beforehand),
    controls (arms that test the study). leak, metrics_by_lesion, per_class_by_lesion: test images whose
    lesion was, or was not, trained on. reliability, curves, decision_curve: what the probabilities are worth.
    external, external_contrasts: the second test set, empty where there is none. subgroups,
    subgroup_contrasts: by age, sex and site. mcnemar, claims, audit. Shares are in 0..1. Raises as
    ``read_predictions`` and ``open_external_study``.
    """
    studies = open_studies(run, params)
    inference = Inference(studies, params)
    measured = list(zip(studies, inference.measured, strict=True))
    groups = [by_model.by_lesion(study) for study in studies]
    tables = {
        "metrics": _joined(by_model.metrics(*each) for each in measured),
        "per_class": _joined(by_model.per_class(*each) for each in measured),
        "confusion": _joined(map(by_model.confusion, studies)),
        "arms": inference.arms(),
        "arms_per_class": inference.arms_per_class(),
        "comparisons": inference.comparisons(),
        "contrasts": inference.contrasts(),
        "controls": inference.controls(),
        "leak": leak(studies[0], inference.confidence),  # empty for folds, which keep a lesion together
        **{name: _joined(each[name] for each in groups) for name in groups[0]},
        "reliability": _joined(map(reliability, studies)),
        "curves": _joined(map(curves, studies)),
        "decision_curve": inference.decision_curve(),
        **_external(open_external_study(run, params, studies), params),
        **subgroups(studies, params),
        "mcnemar": _joined(_mcnemar(study, params.evaluation.reference) for study in studies),
        "audit": audit(),
    }
    tables["claims"] = claims(
        tables,
        smallest_effect=params.evaluation.smallest_effect,
        target=params.data.target_class,
        arms=roles(params),
        confidence=params.evaluation.confidence,
        one_gan=params.one_gan,
        source=params.data.source,
    )
    _write(run.evaluation, tables)
    return tables


def _joined(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Tables of the studies of a run as one: an arm's replicates below each other, in their order."""
    first, *others = frames
    if not others:
        return first
    table = pd.concat([first, *others], ignore_index=True)
    order = {arm: place for place, arm in enumerate(first["arm"].unique())}
    return (
        table.assign(place=table["arm"].map(order))
        .sort_values(["place", "replicate"], kind="stable", ignore_index=True)
        .drop(columns="place")
    )


def _write(folder: Path, tables: dict[str, pd.DataFrame]) -> None:
    """Write each table as <name>.csv, confusion matrices one file an arm; remove those of former arms."""
    written = {
        write_table(folder / f"confusion-{arm}.csv", counts.drop(columns="arm"))
        for arm, counts in tables["confusion"].groupby("arm", sort=False)
    }
    for name, table in tables.items():
        if name != "confusion":
            write_table(folder / f"{name}.csv", table)
    for stale in set(folder.glob("confusion-*.csv")) - written:
        stale.unlink()


def _external(study: Study | None, params: Params) -> dict[str, pd.DataFrame]:
    """Means and contrasts on the external test set, in EXTERNAL_METRICS; empty tables without one.

    The ISIC challenge's metric, balanced multiclass accuracy, comes first. All contrasts are exploratory:
    each arm and the reference, the run's named contrasts and its controls.
    """
    if study is None:
        return {"external": pd.DataFrame(columns=EXTERNAL_COLUMNS), "external_contrasts": differences([])}
    inference = Inference([study], params)
    means, metrics = inference.arms(), [name for name in EXTERNAL_METRICS if name in inference.values]
    between = [inference.compare(*pair, name) for pair in inference.between_other_arms for name in metrics]
    changes = pd.concat([inference.comparisons(), *([differences(between)] if between else [])])
    changes = changes.drop(columns="p_holm").assign(role="exploratory")
    images = {"images": len(study.truth), "target_images": int((study.truth == study.target).sum())}
    return {
        "external": _of_external(means.assign(**images)).drop(
            columns=["standard_error", "degrees_of_freedom"]
        ),
        "external_contrasts": _of_external(changes),
    }


def _of_external(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of EXTERNAL_METRICS, in their order."""
    table = table[table["metric"].isin(EXTERNAL_METRICS)]
    order = table["metric"].map(EXTERNAL_METRICS.index)
    return table.iloc[np.argsort(order, kind="stable")].reset_index(drop=True)


def _mcnemar(study: Study, reference: str) -> pd.DataFrame:
    """Exact McNemar test of each replicate of each arm against the reference's: all images, target images."""
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
            found = zip(study.replicates, gained, lost, mcnemar(gained, lost), strict=True)
            rows += [
                (arm, reference, replicate, group, int(inside.sum()), int(b), int(c), float(p), SCOPE)
                for replicate, b, c, p in found
            ]
    return pd.DataFrame(rows, columns=MCNEMAR_COLUMNS)

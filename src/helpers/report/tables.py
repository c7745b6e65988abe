"""Every table of the report: its values as a DataFrame for the CSV, and an accessible HTML table of what is shown.

Shares are 0 to 1 in the DataFrame and percent in what is shown, with the digits that the number of images supports.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from helpers.params import Arm, Gan, Params, SyntheticImages, departures, parameter_rows
from helpers.paths import RunPaths, require
from helpers.report.table import Table, mean_and_spread, of_row, percent_range, points_range
from helpers.report.words import (
    MINUS,
    NONE,
    metric_name,
    missing,
    percent_of_images,
    plain,
    points_of_images,
    signed,
    with_interval,
)

Paper = Mapping[
    str, pd.DataFrame
]  # helpers.evaluation.paper.published_beside(source); without its results, the paper's columns stay away


# --- reading a run ------------------------------------------------------------------------------


def read_histories(run: RunPaths, arms: Iterable[str], replicates: int) -> pd.DataFrame:
    """The classifiers' history.csv in one table, with columns arm, replicate and best_epoch."""
    parts = []
    for arm, replicate in ((arm, replicate) for arm in arms for replicate in range(replicates)):
        folder = run.classifier(arm, replicate)
        history = pd.read_csv(require(folder / "history.csv", "classifier"))
        summary = json.loads(require(folder / "summary.json", "classifier").read_text(encoding="utf-8"))
        parts.append(history.assign(arm=arm, replicate=replicate, best_epoch=summary["best_epoch"]))
    return pd.concat(parts, ignore_index=True)


def read_summaries(run: RunPaths, arms: Iterable[str], replicates: int) -> pd.DataFrame:
    """The classifiers' summary.json, one row per (arm, replicate)."""
    files = [
        run.classifier(arm, replicate) / "summary.json" for arm in arms for replicate in range(replicates)
    ]
    return pd.DataFrame(
        [json.loads(require(file, "classifier").read_text(encoding="utf-8")) for file in files]
    )


def read_confusion(run: RunPaths, arms: Iterable[str]) -> dict[str, pd.DataFrame]:
    """evaluation/confusion-<arm>.csv by arm."""
    return {arm: pd.read_csv(require(run.evaluation / f"confusion-{arm}.csv", "evaluation")) for arm in arms}


# --- data ---------------------------------------------------------------------------------------


def paper_metrics(paper: Paper) -> pd.DataFrame:
    """The paper's metrics (shares), one row per arm, the columns as in evaluation/metrics.csv; no row where they are no yardstick."""
    if paper["metrics"].empty:
        return pd.DataFrame({"arm": []})
    wide = paper["metrics"].pivot_table(index="arm", columns="metric", values="value", sort=False)
    return wide.rename_axis(None, axis=1).reset_index()


def dataset_table(split: pd.DataFrame, names: Mapping[str, str], paper: Paper) -> Table:
    """Images, lesions and share of each class, and the paper's count."""
    grouped = split.groupby("dx")
    frame = pd.DataFrame({"images": grouped.size(), "lesions": grouped["lesion_id"].nunique()}).reset_index(
        names="class"
    )
    if names:
        frame.insert(1, "name", [names.get(name, name) for name in frame["class"]])
    frame["share"] = frame["images"] / len(split)
    frame = frame.sort_values("images", ascending=False, ignore_index=True)
    total = {
        "class": "all",
        **({"name": ""} if names else {}),
        "images": len(split),
        "lesions": split["lesion_id"].nunique(),
        "share": 1.0,
    }
    frame = pd.concat([frame, pd.DataFrame([total])], ignore_index=True)
    if not paper["dataset"].empty:
        known = paper["dataset"].set_index("class")["images"]
        known["all"] = known.sum()
        frame["paper_images"] = pd.array([known.get(name) for name in frame["class"]], dtype="Int64")
    return Table(
        frame,
        {"share": lambda share: percent_of_images(share, len(split))},
        {"share": "share, %", "paper_images": "images in the paper"},
    )


def split_table(split: pd.DataFrame, paper: Paper) -> Table:
    """Images per class and part of the split; the last row has the paper's sizes."""
    parts = ["train", "validation", "test"]
    frame = pd.crosstab(split["dx"], split["split"]).reindex(columns=parts, fill_value=0)
    frame = frame.loc[frame.sum(axis=1).sort_values(ascending=False).index]
    frame.loc["all"] = frame.sum()
    frame = frame.rename_axis("class").rename_axis(None, axis=1).reset_index()
    theirs = paper["split"].set_index("split")["images"]
    if not theirs.empty:
        frame = pd.concat(
            [frame, pd.DataFrame([{"class": "all, in the paper", **{part: theirs[part] for part in parts}}])],
            ignore_index=True,
        )
    return Table(frame)


def leak_table(quality: Mapping[str, Any], target: str) -> Table:
    """Test images whose lesion was also photographed in the training set: all, and of the target class.

    ``quality`` is helpers.data.splits.split_quality's answer.
    """
    rows = [
        {
            "test_images": "all classes",
            "n": quality["test_images"],
            "lesion_also_in_training": quality["test_seen"],
            "share": quality["test_seen_share"],
        },
        {
            "test_images": target,
            "n": quality["target_images"],
            "lesion_also_in_training": quality["target_seen"],
            "share": quality["target_seen_share"],
        },
    ]
    frame = pd.DataFrame(rows)
    return Table(
        frame,
        {"share": of_row(lambda row: percent_of_images(row["share"], row["n"]))},
        {"n": "images", "share": "share, %"},
    )


# --- methods ------------------------------------------------------------------------------------


def hyperparameters_table(params: Params, sections: Sequence[str]) -> Table:
    """Every parameter of some sections: the paper's value, this run's, whether they agree, and the meaning."""
    rows = [
        {
            "parameter": row["parameter"],
            "paper": _setting(row, "paper"),
            "this_run": _setting(row, "this_run"),
            "same": row["this_run"] == row["paper"],
            "meaning": row["meaning"],
        }
        for row in parameter_rows(params, sections)
    ]
    return Table(pd.DataFrame(rows), {}, {"paper": "paper's profile", "this_run": "this run"})


def departures_table(params: Params) -> Table:
    """What this run does otherwise than the paper, from the parameters alone."""
    rows = [
        {**row, "paper": _setting(row, "paper"), "this_run": _setting(row, "this_run")}
        for row in departures(params)
    ]
    frame = pd.DataFrame(rows, columns=["parameter", "paper", "this_run", "meaning"])
    return Table(frame, {}, {"paper": "paper's profile", "this_run": "this run"})


def _setting(row: Mapping[str, Any], side: str) -> str:
    """A value of ``departures`` in words; an arm without what it leaves at its default."""
    value = row[side]
    if not row["parameter"].startswith("arms."):
        return plain(None if value == {} else value)
    if value is None:
        return "no such arm"
    usual = Arm().model_dump(mode="json")
    changed = {key: part for key, part in value.items() if part != usual.get(key)}
    if "synthetic" in changed:
        fields = SyntheticImages.model_fields
        changed["synthetic"] = {
            key: part
            for key, part in changed["synthetic"].items()
            if key not in fields or part != fields[key].default
        }
    return plain(changed)


def architecture_table(gan: Gan, paper: Paper) -> Table:
    """Trainable parameters of both networks by part: of this run, and of the paper's size, counted on the networks."""
    from helpers.gan.stylegan2 import empty_networks

    published = paper["parameters"].set_index("network")["parameters"]
    rows = []
    for name, network, published_network in zip(
        ("generator", "discriminator"), empty_networks(gan), empty_networks(Gan()), strict=True
    ):
        ours, full = _counts(network), _counts(published_network)
        rows += [
            {"network": name, "part": part, "this_run": ours.get(part), "full_size": full[part]}
            for part in full
        ]
        rows.append(
            {
                "network": name,
                "part": "total",
                "this_run": sum(ours.values()),
                "full_size": sum(full.values()),
                "paper": published.get(name),
            }
        )
    frame = pd.DataFrame(rows)
    columns = [column for column in ("this_run", "full_size", "paper") if column in frame]
    frame[columns] = frame[columns].astype("Int64")
    return Table(
        frame, {}, {"this_run": "this run", "full_size": "at the paper's size", "paper": "published"}
    )


def _counts(network: Any) -> dict[str, int]:
    """Trainable parameters by first name of the part."""
    counts: dict[str, int] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            counts[name.split(".")[0]] = counts.get(name.split(".")[0], 0) + parameter.numel()
    return counts


MEASURE_NAMES = {  # and which way is better
    "kernel_distance": ("kernel distance", "lower"),
    "frechet_distance": ("Fréchet distance", "lower"),
    "precision": ("precision", "higher"),
    "recall": ("recall", "higher"),
    "density": ("density", "higher"),
    "coverage": ("coverage", "higher"),
}
ON_INCEPTION = {
    "kernel_distance": "KID",
    "frechet_distance": "FID",
}  # these names belong to that network's features
FEATURE_NAMES = {"efficientnet_lite0": "EfficientNet-Lite0", "inception": "Inception"}
SET_NAMES = {
    "kept": "kept by the filter",
    "dropped": "left out",
    "random": "drawn at random",
    "real": "real, held out",
}


def measure_name(measure: str, features: str) -> str:
    """The plain name of one of the fidelity's measures: KID and FID on Inception's features only."""
    return (
        ON_INCEPTION.get(measure, MEASURE_NAMES[measure][0])
        if features == "inception"
        else MEASURE_NAMES[measure][0]
    )


def fidelity_table(fidelity: pd.DataFrame) -> Table:
    """synthetic/seed-<g>/fidelity.csv with a row per measure and a column per set: mean over the draws, and the middle 95 % of them."""
    features = fidelity["features"].iloc[0]
    frame = _measure_column(fidelity)
    formats, hidden = {}, []
    for name in (name for name in SET_NAMES if name in set(fidelity["set"])):
        rows = fidelity[fidelity["set"] == name].set_index("measure").reindex(frame["measure"])
        frame[name], frame[f"{name}_low"], frame[f"{name}_high"] = (
            rows[column].to_numpy() for column in ("value", "low", "high")
        )
        formats[name] = of_row(
            lambda row, name=name: with_interval(row[name], row[f"{name}_low"], row[f"{name}_high"])
        )
        hidden += [f"{name}_low", f"{name}_high"]
    formats["measure"] = lambda measure: measure_name(measure, features)
    return Table(frame, formats, SET_NAMES, tuple(hidden))


def filter_effect_table(fidelity: pd.DataFrame) -> Table:
    """The same as differences to as many images drawn at random, and whether the interval excludes zero."""
    features = fidelity["features"].iloc[0]
    frame = _measure_column(fidelity)
    rows = {
        name: fidelity[fidelity["set"] == name].set_index("measure").reindex(frame["measure"])
        for name in ("kept", "dropped")
    }
    formats, hidden = {"measure": lambda measure: measure_name(measure, features)}, []
    for name, part in rows.items():
        low, high = f"{name}_low", f"{name}_high"
        frame[name], frame[low], frame[high] = (
            part[column].to_numpy() for column in ("difference", "difference_low", "difference_high")
        )
        formats[name] = of_row(
            lambda row, name=name: with_interval(
                row[name], row[f"{name}_low"], row[f"{name}_high"], signed=True
            )
        )
        hidden += [low, high]
    frame["filtering"] = [
        filter_outcome(*row)
        for row in zip(frame["measure"], frame["kept_low"], frame["kept_high"], strict=True)
    ]
    return Table(
        frame, formats, {"kept": "kept minus random", "dropped": "left out minus random"}, tuple(hidden)
    )


def filter_outcome(measure: str, low: float, high: float) -> str:
    """'improves' or 'worsens' where the interval of the difference excludes zero, else 'no difference shown'; 'not tested' without one."""
    if missing(float(low)) or missing(float(high)):
        return "not tested"
    if low <= 0 <= high:
        return "no difference shown"
    return "improves" if (high < 0) == (MEASURE_NAMES[measure][1] == "lower") else "worsens"


def _measure_column(fidelity: pd.DataFrame) -> pd.DataFrame:
    measures = [measure for measure in MEASURE_NAMES if measure in set(fidelity["measure"])]
    return pd.DataFrame({"measure": measures, "better": [MEASURE_NAMES[measure][1] for measure in measures]})


def stability_table(stability: pd.DataFrame) -> Table:
    """synthetic/seed-<g>/score-stability.csv: how far the critic's scores agree when other real images keep the scored ones company."""
    frame = stability.assign(
        companies=[f"{row.first_company} and {row.second_company}" for row in stability.itertuples()]
    )
    frame = frame[["companies", "rank_correlation", "low", "high", "kept_by_both", "keep_fraction", "images"]]
    formats = {
        "rank_correlation": of_row(
            lambda row: with_interval(row["rank_correlation"], row["low"], row["high"])
        ),
        "kept_by_both": of_row(
            lambda row: percent_of_images(
                row["kept_by_both"], max(1, round(row["keep_fraction"] * row["images"]))
            )
        ),
    }
    return Table(
        frame,
        formats,
        {"companies": "companies of real images", "kept_by_both": "kept by both, %"},
        ("low", "high", "keep_fraction"),
    )


def correlation_table(correlations: pd.DataFrame) -> Table:
    """synthetic/seed-<g>/filter-correlation.csv: Spearman's correlation of the critic's score with what others say of the same images."""
    frame = correlations[["meaning", "correlation", "low", "high", "images"]]
    formats = {
        "correlation": of_row(
            lambda row: with_interval(row["correlation"], row["low"], row["high"], signed=True)
        )
    }
    return Table(
        frame, formats, {"meaning": "critic's score and", "correlation": "rank correlation"}, ("low", "high")
    )


def memorisation_table(memorisation: pd.DataFrame) -> Table:
    """synthetic/seed-<g>/memorisation.csv: synthetic images nearer to a training image than 95 % of the real images of new lesions."""
    frame = memorisation[
        [
            "space",
            "synthetic_images",
            "held_out_images",
            "median_synthetic",
            "median_real",
            "threshold",
            "closer",
            "share",
            "low",
            "high",
        ]
    ]
    formats = {
        "space": lambda space: (
            f"{FEATURE_NAMES[space]} features" if space in FEATURE_NAMES else "pixels (grey levels)"
        ),
        "share": of_row(
            lambda row: _share_with_interval(row["share"], row["low"], row["high"], row["synthetic_images"])
        ),
        **dict.fromkeys(("median_synthetic", "median_real", "threshold"), lambda value: f"{value:.3g}"),
    }
    headers = {
        "space": "distances in",
        "synthetic_images": "synthetic images",
        "held_out_images": "new real images",
        "median_synthetic": "median distance, synthetic",
        "median_real": "median distance, new real",
        "threshold": "5 % of new real are nearer than",
        "closer": "synthetic nearer than that",
        "share": "share, % (expected: 5)",
    }
    return Table(frame, formats, headers, ("low", "high"))


def _share_with_interval(share: float, low: float, high: float, n: int) -> str:
    return (
        NONE
        if missing(share)
        else f"{percent_of_images(share, n)} ({percent_of_images(low, n)} to {percent_of_images(high, n)})"
    )


# --- results ------------------------------------------------------------------------------------


def gan_results_table(history: pd.DataFrame, scores: pd.DataFrame, paper: Paper) -> Table:
    """What the paper publishes of its GAN's training beside what history.csv and scores.csv of this run hold.

    The first tenth of the training is left out of the ranges.
    """
    theirs = {row.quantity: _bounds(row.low, row.high) for row in paper["gan_results"].itertuples()}
    late = history.iloc[len(history) // 10 :]
    low, middle, high = late["generator_loss"].quantile([0.05, 0.5, 0.95])
    kept = int(scores["selected"].sum())
    penalty = late["gradient_penalty"]
    rows = [
        (
            "generator_loss",
            "Generator loss: median (5th to 95th percentile)",
            f"{plain(middle)} ({plain(low)} to {plain(high)})",
        ),
        ("discriminator_loss", "Critic loss: median", plain(late["critic_loss"].median())),
        (
            "separation",
            "Logged steps with D(real) above D(fake)",
            f"{100 * (late['score_real'] > late['score_fake']).mean():.0f} %",
        ),
        (
            "gradient_penalty",
            "Gradient penalty: median (95th percentile)",
            f"{plain(penalty.median())} ({plain(penalty.quantile(0.95))})",
        ),
        ("epochs", "Epochs", plain(float(history["epoch"].max()))),
        ("steps", "Generator steps", plain(int(history["step"].max()))),
        ("synthetic_images", "Synthetic images", plain(len(scores))),
        ("kept_images", "Kept by the filter", plain(kept)),
        ("kept_percent", "Kept, %", f"{100 * kept / len(scores):.0f}"),
    ]
    frame = pd.DataFrame(
        [{"quantity": label, "paper": theirs.get(key, NONE), "this_run": ours} for key, label, ours in rows]
    )
    return Table(frame if theirs else frame.drop(columns="paper"), {}, {"this_run": "this run"})


def _bounds(low: float, high: float) -> str:
    """A published range in words."""
    return (
        f"under {plain(float(high))}"
        if missing(low)
        else plain(float(high))
        if low == high
        else f"{plain(float(low))} to {plain(float(high))}"
    )


def performance_table(
    metrics: pd.DataFrame, paper: Paper, columns: Sequence[str], n: int, arms: pd.DataFrame | None = None
) -> Table:
    """Metric by arm: the paper's value, ours (mean and standard deviation over replicates, with its interval), the difference.

    ``n`` is the number of images behind each share: the test set, or its images of the target class. ``arms`` is evaluation/arms.csv, whose
    intervals are shown where there are any.
    """
    published = paper_metrics(paper).set_index("arm")
    ends = (
        pd.DataFrame()
        if arms is None
        else arms.dropna(subset=["low", "high"]).set_index(["metric", "arm"])[["low", "high"]]
    )
    rows = []
    for column in columns:
        for arm in dict.fromkeys(metrics["arm"]):
            values = metrics.loc[metrics["arm"] == arm, column]
            theirs = (
                float(published.at[arm, column])
                if arm in published.index and column in published
                else math.nan
            )
            rows.append(
                {
                    "metric": metric_name(column),
                    "arm": arm,
                    "paper": theirs,
                    "mean": values.mean(),
                    "standard_deviation": values.std() if len(values) > 1 else math.nan,
                    **({} if ends.empty else dict(ends.reindex([(column, arm)]).iloc[0])),
                    "difference": values.mean() - theirs,
                    "replicates": len(values),
                }
            )
    formats = {
        "paper": lambda value: f"{100 * value:.2f}",
        "mean": mean_and_spread(n),
        "low": percent_range(n),
        "difference": lambda value: points_of_images(value, n),
    }
    headers = {
        "paper": "paper, %",
        "mean": "this run, % (mean ± sd)",
        "low": "interval, %",
        "difference": "run less paper, points",
    }
    frame = pd.DataFrame(rows)
    frame = frame.drop(columns=["paper", "difference"]) if published.empty else frame
    return Table(frame, formats, headers, hidden=("standard_deviation", "high"))


def recall_change_table(per_class: pd.DataFrame, reference: str, paper: Paper) -> Table:
    """Change of each class's recall against the reference arm: the paper's, and ours as the mean over replicates.

    ``per_class`` is evaluation/per_class.csv.
    """
    published = paper["per_class_change"].set_index("class")
    means = per_class.pivot_table(index="class", columns="arm", values="recall", aggfunc="mean")
    support = per_class.groupby("class")["support"].first()
    frame = pd.DataFrame(
        {
            "class": means.index,
            "n": support.reindex(means.index).to_numpy(dtype=int),
            "reference_recall": means[reference].to_numpy(),
        }
    )
    formats = {"reference_recall": of_row(lambda row: percent_of_images(row["reference_recall"], row["n"]))}
    headers = {"n": "test images", "reference_recall": f"recall of {reference}, %"}
    for arm in [arm for arm in dict.fromkeys(per_class["arm"]) if arm != reference]:
        if arm in published and len(published) and reference == "baseline":
            frame[f"{arm}_paper"] = published[arm].reindex(means.index).to_numpy(dtype=float)
            formats[f"{arm}_paper"] = lambda change: signed(change, 2)  # as printed
            headers[f"{arm}_paper"] = f"paper, {arm}"
        frame[f"{arm}_this_run"] = (means[arm] - means[reference]).to_numpy()
        formats[f"{arm}_this_run"] = of_row(
            lambda row, column=f"{arm}_this_run": points_of_images(row[column], row["n"])
        )
        headers[f"{arm}_this_run"] = f"this run, {arm}"
    return Table(frame, formats, headers)


def dynamics_table(summaries: pd.DataFrame, n: int, paper: Paper) -> Table:
    """Epochs, best epoch and best validation accuracy per arm; ``n`` is the number of validation images."""
    published = paper["dynamics"].query("quantity == 'best_validation_accuracy'").set_index("arm")["value"]
    rows = []
    for arm, part in summaries.groupby("arm", sort=False):
        accuracy = part["best_validation_accuracy"]
        rows.append(
            {
                "arm": arm,
                "training_images": int(part["training_images"].iloc[0]),
                "synthetic_images": int(part["synthetic_images"].iloc[0]),
                "epochs": _range(part["epochs"]),
                "best_epoch": _range(part["best_epoch"]),
                "paper": published.get(arm, math.nan),
                "mean": accuracy.mean(),
                "standard_deviation": accuracy.std() if len(accuracy) > 1 else math.nan,
                "replicates": len(part),
            }
        )
    formats = {
        "paper": lambda value: f"{100 * value:.2f}",
        "mean": mean_and_spread(n),
    }
    headers = {
        "paper": "paper: validation accuracy, %",
        "mean": "this run, % (mean ± sd)",
        "synthetic_images": "of them synthetic",
    }
    frame = pd.DataFrame(rows)
    return Table(
        frame.drop(columns="paper") if published.empty else frame,
        formats,
        headers,
        hidden=("standard_deviation",),
    )


def _range(values: pd.Series) -> str:
    low, high = int(values.min()), int(values.max())
    return str(low) if low == high else f"{low} to {high}"


def seen_unseen_table(seen: pd.DataFrame, target: str) -> Table:
    """evaluation/metrics_by_lesion.csv averaged over replicates."""
    order = seen.assign(arm=pd.Categorical(seen["arm"], list(dict.fromkeys(seen["arm"]))))
    grouped = order.groupby(["arm", "lesions"], observed=True)
    frame = grouped.agg(
        images=("images", "first"),
        accuracy=("accuracy", "mean"),
        target_images=("target_images", "first"),
        target_recall=("target_recall", "mean"),
    ).reset_index()
    formats = {
        "accuracy": of_row(lambda row: percent_of_images(row["accuracy"], row["images"])),
        "target_recall": of_row(lambda row: percent_of_images(row["target_recall"], row["target_images"])),
    }
    return Table(
        frame,
        formats,
        {
            "lesions": "lesion in training",
            "accuracy": "accuracy, %",
            "target_images": f"images of {target}",
            "target_recall": f"recall of {target}, %",
        },
    )


def comparisons_table(
    comparisons: pd.DataFrame, metrics: Sequence[str], n: int, target: str = "", target_n: int | None = None
) -> Table:
    """Differences to the reference arm with their intervals, in points.

    ``n`` is the number of test images, ``target_n`` (default: as many) that of the target's, whose metrics wear its digits.
    """
    frame = comparisons[comparisons["metric"].isin(metrics)].reset_index(drop=True)
    frame = frame[
        [
            column
            for column in ("arm", "reference", "metric", "difference", "low", "high", "replicates", "method")
            if column in frame
        ]
    ]

    def behind(row: pd.Series) -> int:
        return n if target_n is None or not row["metric"].startswith("target_") else target_n

    formats = {
        "metric": lambda metric: metric_name(metric, target),
        "difference": of_row(lambda row: points_of_images(row["difference"], behind(row))),
        "low": points_range(behind),
    }
    return Table(
        frame,
        formats,
        {"difference": "difference, points", "low": "interval"},
        hidden=("reference", "high", "method"),
    )


def claims_table(claims: pd.DataFrame) -> Table:
    """evaluation/claims.csv; the bare numbers behind its sentences are saved and not shown, nor are the paper's columns where they are empty."""
    numbers = tuple(name for name in ("metric", "difference", "low", "high") if name in claims)
    empty = tuple(
        name
        for name in ("paper", "paper_test_set")
        if name in claims and claims[name].fillna("").eq("").all()
    )
    return Table(claims.reset_index(drop=True), hidden=numbers + empty)


def audit_table(audit: pd.DataFrame) -> Table:
    """What the paper's numbers say of its statements."""
    return Table(audit.reset_index(drop=True), headers={"says": "the paper says"})


# --- evaluation ---------------------------------------------------------------------------------


def arms_table(arms: pd.DataFrame, metrics: Sequence[str], n: int, target: str = "") -> Table:
    """evaluation/arms.csv for some metrics: mean and deviation over replicates, and the interval, in percent.

    ``n`` is the number of images behind the shares.
    """
    frame = arms[arms["metric"].isin(metrics)]
    frame = (
        frame.assign(order=frame["metric"].map(list(metrics).index))
        .sort_values("order", kind="stable")
        .reset_index(drop=True)
    )
    frame = frame[["metric", "arm", "mean", "standard_deviation", "low", "high", "replicates", "method"]]
    formats = {
        "metric": lambda metric: metric_name(metric, target),
        "mean": mean_and_spread(n),
        "low": percent_range(n),
    }
    return Table(
        frame,
        formats,
        {"mean": "mean ± sd, %", "low": "interval, %"},
        hidden=("standard_deviation", "high", "method"),
    )


def contrasts_table(
    contrasts: pd.DataFrame, n: int, smallest_effect: float, metric: str = "target_recall"
) -> Table:
    """The contrasts named beforehand on one metric: difference, interval, bootstrap interval, p values and verdict.

    ``n`` is the number of images behind the metric. The verdict is that of ``helpers.evaluation.paper.judged``.
    """
    from helpers.evaluation.paper import judged

    columns = [
        "role",
        "difference",
        "low",
        "high",
        "bootstrap_low",
        "bootstrap_high",
        "degrees_of_freedom",
        "p",
        "p_holm",
        "replicates",
    ]
    rows = contrasts[contrasts["metric"] == metric].reset_index(drop=True)
    frame = pd.concat(
        [(rows["arm"] + f" {MINUS} " + rows["reference"]).rename("contrast"), rows[columns]], axis=1
    )
    frame["verdict"] = [
        judged(row.low, row.high, row.replicates, smallest_effect) for row in rows.itertuples()
    ]
    formats = {
        "difference": lambda value: points_of_images(value, n),
        "low": points_range(n),
        "bootstrap_low": points_range(n, "bootstrap_low", "bootstrap_high"),
        "degrees_of_freedom": lambda value: f"{value:.1f}",
        "p": _p,
        "p_holm": _p,
    }
    headers = {
        "difference": "difference, points",
        "low": "interval",
        "bootstrap_low": "by bootstrap",
        "degrees_of_freedom": "degrees of freedom",
        "p_holm": "p after Holm",
    }
    return Table(frame, formats, headers, hidden=("high", "bootstrap_high"))


CONTROL_METRICS = ("target_recall", "target_operating_recall", "target_roc_auc")


def controls_table(controls: pd.DataFrame, n: int, target: str) -> Table:
    """evaluation/controls.csv for the target's recall, at argmax and at the operating point, and its ROC AUC; all of it exploratory.

    ``n`` is the number of test images of the target.
    """
    columns = [
        "metric",
        "difference",
        "low",
        "high",
        "bootstrap_low",
        "bootstrap_high",
        "p",
        "replicates",
        "outcome",
    ]
    rows = controls[controls["metric"].isin(CONTROL_METRICS)].reset_index(drop=True)
    frame = pd.concat(
        [(rows["arm"] + f" {MINUS} " + rows["reference"]).rename("contrast"), rows[columns]], axis=1
    )
    formats = {
        "metric": lambda metric: metric_name(metric, target),
        "difference": lambda value: points_of_images(value, n),
        "low": points_range(n),
        "bootstrap_low": points_range(n, "bootstrap_low", "bootstrap_high"),
        "p": _p,
    }
    headers = {
        "difference": "difference, points",
        "low": "interval",
        "bootstrap_low": "by bootstrap",
        "outcome": "by its interval",
    }
    return Table(frame, formats, headers, hidden=("high", "bootstrap_high"))


def _p(value: float) -> str:
    from helpers.evaluation.paper import show_p

    return show_p(value)


def class_table(arms_per_class: pd.DataFrame) -> Table:
    """evaluation/arms_per_class.csv: every metric of every class and arm, the mean over replicates in percent, recall with its interval.

    The digits are those that the class's images support.
    """
    keys = ["class", "images", "arm"]
    frame = (
        arms_per_class.pivot_table(index=keys, columns="metric", values="mean", sort=False)
        .rename_axis(None, axis=1)
        .reset_index()
    )
    ends = arms_per_class[arms_per_class["metric"] == "recall"][[*keys, "low", "high"]]
    frame = (
        frame.merge(ends, on=keys, how="left")
        .sort_values(["class", "images"], kind="stable")
        .reset_index(drop=True)
    )
    shown = [
        column
        for column in ("precision", "specificity", "f1", "roc_auc", "average_precision")
        if column in frame
    ]
    frame = frame[[*keys, "recall", "low", "high", *shown]]
    formats = {
        column: of_row(lambda row, column=column: percent_of_images(row[column], row["images"]))
        for column in ("recall", *shown)
    }
    headers = {"low": "interval of recall", **{column: metric_name(column) for column in shown}}
    return Table(
        frame,
        formats | {"low": percent_range(lambda row: row["images"])},
        headers,
        hidden=("high",),
    )


def recall_gap_table(leak: pd.DataFrame) -> Table:
    """evaluation/leak.csv: recall on test lesions that were and were not trained on, by class, and the gap with its interval."""
    frame = leak.sort_values(
        "class",
        key=lambda names: names.map({name: place for place, name in enumerate(dict.fromkeys(leak["class"]))}),
        kind="stable",
    )
    frame = frame[
        ["class", "arm", *[column for column in leak if column not in ("class", "arm")]]
    ].reset_index(drop=True)
    formats = {
        "seen_recall": of_row(lambda row: percent_of_images(row["seen_recall"], row["seen_images"])),
        "unseen_recall": of_row(lambda row: percent_of_images(row["unseen_recall"], row["unseen_images"])),
        "difference": of_row(
            lambda row: points_of_images(row["difference"], min(row["seen_images"], row["unseen_images"]))
        ),
        "low": points_range(lambda row: min(row["seen_images"], row["unseen_images"])),
    }
    headers = {
        "seen_images": "images, lesion seen",
        "unseen_images": "images, lesion new",
        "seen_recall": "recall seen, %",
        "unseen_recall": "recall new, %",
        "difference": "gap, points",
        "low": "interval",
    }
    return Table(frame, formats, headers, hidden=("high", "replicates", "method"))


def mcnemar_table(mcnemar: pd.DataFrame) -> Table:
    """evaluation/mcnemar.csv: each pair of trained models by itself; the caption must say what the column scope says."""
    frame = mcnemar.rename(columns={"images_of": "images of"})
    headers = {
        "images": "n",
        "only_arm_right": "only the arm right",
        "only_reference_right": "only the reference right",
        "p": "exact p",
    }
    return Table(frame, {"p": _p}, headers, hidden=("scope",))  # the caption says it once


def external_table(external: pd.DataFrame, target: str) -> Table:
    """evaluation/external.csv: means, deviations and intervals in percent on the external test set."""

    def images(row: pd.Series) -> int:
        return (
            row["target_images"]
            if row["metric"] in ("target_recall", "target_operating_recall")
            else row["images"]
        )

    formats = {
        "metric": lambda metric: (
            "Balanced multiclass accuracy (ISIC)"
            if metric == "balanced_accuracy"
            else metric_name(metric, target)
        ),
        "mean": mean_and_spread(images),
        "low": percent_range(images),
    }
    frame = external[
        [
            "metric",
            "arm",
            "mean",
            "standard_deviation",
            "low",
            "high",
            "replicates",
            "images",
            "target_images",
        ]
    ]
    headers = {"mean": "mean ± sd, %", "low": "interval, %", "target_images": f"of them {target}"}
    return Table(frame, formats, headers, hidden=("standard_deviation", "high"))

"""The paper, read back: its published numbers, whether they agree with one another, and what became of its claims."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from scipy import special

from helpers.evaluation import statistics
from helpers.evaluation.controls import blind_spot, share_words

PAPER = Path(__file__).with_name("paper.yaml")
PAPER_ARMS = ("baseline", "filtered", "all")
ROUNDING = 0.02  # points; the published percentages were rounded more than once
LEVEL = 0.05


@cache
def _paper() -> dict[str, Any]:
    return yaml.safe_load(PAPER.read_text(encoding="utf-8"))


def published() -> dict[str, pd.DataFrame]:
    """The paper's tables as DataFrames, percentages as shares in 0..1, each row with its ``location``.

    dataset (class, images) · split (split, images) · parameters (network, parameters) · hyperparameters
    (parameter, value) · arms (arm, real_images, synthetic_images) · gan_results (quantity, low, high) ·
    overall (metric, paper_name, baseline, filtered, all, best) · melanoma (arm, target_precision, ...) ·
    per_class_change (class, printed, filtered, all, winner; share of recall against the baseline) ·
    dynamics (quantity, arm, value) · stated (quantity, arm, reference, value, unit; as printed) ·
    first_tried (parameter, value) · restated (metric, arm, reference, value; in percent or points, as printed) ·
    metrics (arm, metric, value: overall and melanoma in one long table, metric named as in metrics.csv).
    """
    paper = _paper()
    rows = {"dataset": "classes", "split": "parts", "parameters": "networks"}
    tables = {}
    for name, content in paper.items():
        # kept as objects where whole numbers and fractions share a column: 600 epochs stay 600
        mixed = {"dtype": object} if name == "hyperparameters" else {}
        table = pd.DataFrame(
            content if isinstance(content, list) else content[rows.get(name, "rows")], **mixed
        )
        if not isinstance(content, list):
            own = (
                table["location"] if "location" in table else pd.Series(None, index=table.index, dtype=object)
            )
            table["location"] = own.fillna(content["location"])
        tables[name] = table
    for name in ("overall", "melanoma", "per_class_change", "dynamics"):
        numbers = tables[name].select_dtypes("number").columns
        # rounding removes the last bit of a division by 100: 87.43 % is 0.8743
        tables[name][numbers] = (tables[name][numbers] / 100).round(6)
    overall = tables["overall"].melt(["metric", "location"], list(PAPER_ARMS), "arm", "value")
    melanoma = tables["melanoma"].melt(["arm", "location"], var_name="metric")
    tables["metrics"] = pd.concat([overall, melanoma], ignore_index=True)[
        ["arm", "metric", "value", "location"]
    ]
    return tables


# of the paper's data set: beside the results of another one they would be no yardstick
RESULTS = (
    "dataset",
    "split",
    "gan_results",
    "overall",
    "melanoma",
    "per_class_change",
    "dynamics",
    "metrics",
)


def published_beside(source: str) -> dict[str, pd.DataFrame]:
    """``published`` for a run on ``data.source``: where that is one's own images, the tables of RESULTS have their columns and no row.

    Drawn lesions have the paper's classes in the paper's mix, and keep its numbers beside theirs.
    """
    tables = published()
    return tables | {name: tables[name].iloc[:0] for name in RESULTS} if source == "folder" else tables


# --- the integers behind the percentages --------------------------------------------------------


@dataclass(frozen=True)
class Integers:
    """Whole test images behind the published percentages, found by search.

    ``support``: test images of each class. ``correct``: of each arm. ``hits`` and ``false_alarms``:
    melanomas found and other images called melanoma, of each arm. ``change``: correct images of each
    class against the baseline, (arm, class). ``images``: all test images.
    """

    images: int
    support: dict[str, int]
    correct: dict[str, int]
    hits: dict[str, int]
    false_alarms: dict[str, int]
    change: dict[tuple[str, str], int]


def _numerators(share: float, whole: int) -> list[int]:
    """Whole numbers x, negative ones too, with 100 x / whole within ROUNDING points of 100 share."""
    near = round(share * whole)
    return [x for x in range(near - 1, near + 2) if abs(x / whole - share) * 100 <= ROUNDING + 1e-9]


def _only(found: Sequence[Any], what: str) -> Any:
    """The one solution of a search; ValueError where there is none or more than one."""
    if len(found) != 1:
        raise ValueError(
            f"{len(found)} whole numbers of images fit the published {what}; exactly one was expected."
        )
    return found[0]


@cache
def integers() -> Integers:
    """Search for the whole numbers of images behind the published percentages, within ROUNDING points.

    Class supports: 15 % of the class, give or take one and a half, such that both published recall
    changes are ratios of whole images and the supports sum to the test set (section 3.2). Raises
    ValueError if a search finds none or several.
    """
    tables = published()
    images = int(tables["split"].set_index("split").loc["test", "images"])
    changes = tables["per_class_change"].set_index("class")
    share = images / tables["dataset"]["images"].sum()
    candidates = []
    for name, count in tables["dataset"].set_index("class")["images"].items():
        near = range(int(count * share - 0.5), int(count * share + 2.5))
        fitting = [n for n in near if all(_numerators(changes.loc[name, arm], n) for arm in PAPER_ARMS[1:])]
        candidates.append([(name, n) for n in fitting])
    support = dict(
        _only(
            [dict(choice) for choice in product(*candidates) if sum(n for _, n in choice) == images],
            "class supports",
        )
    )
    change = {
        (arm, name): _only(_numerators(changes.loc[name, arm], n), f"change of {name}")
        for arm in PAPER_ARMS[1:]
        for name, n in support.items()
    }
    accuracy = tables["overall"].set_index("metric").loc["accuracy"]
    correct = {arm: _only(_numerators(accuracy[arm], images), f"accuracy of {arm}") for arm in PAPER_ARMS}
    melanoma = tables["melanoma"].set_index("arm")
    pairs = {
        arm: _only(
            _melanoma_counts(melanoma.loc[arm], support["mel"], images - support["mel"]),
            f"melanoma row of {arm}",
        )
        for arm in PAPER_ARMS
    }
    return Integers(
        images,
        support,
        correct,
        {arm: tp for arm, (tp, _) in pairs.items()},
        {arm: fp for arm, (_, fp) in pairs.items()},
        change,
    )


def _melanoma_counts(row: pd.Series, positives: int, negatives: int) -> list[tuple[int, int]]:
    """(melanomas found, false alarms) that fit all four published figures of an arm."""
    fitting = []
    for hits, quiet in product(
        _numerators(row["target_recall"], positives), _numerators(row["target_specificity"], negatives)
    ):
        alarms = negatives - quiet
        precision, f1 = hits / (hits + alarms), 2 * hits / (positives + hits + alarms)
        if max(abs(precision - row["target_precision"]), abs(f1 - row["target_f1"])) * 100 <= ROUNDING + 1e-9:
            fitting.append((hits, alarms))
    return fitting


@dataclass(frozen=True)
class Discordance:
    """What the exact McNemar test could say of two published counts of right answers.

    ``images`` tested; ``net`` images gained; ``least`` and ``most`` images on which the two models can
    disagree (one right, the other wrong), given the counts; p at both ends; ``threshold``: the most
    disagreement with p < LEVEL whatever the counts allow (0: none).
    """

    images: int
    net: int
    least: int
    most: int
    threshold: int
    p_least: float
    p_most: float

    @property
    def words(self) -> str:
        """The range of p, for a table's cell."""
        if self.net == 0:
            return "p 1.00 whatever the pairs: the counts are equal"
        shown = f"p from {show_p(self.p_least)} to {show_p(self.p_most)}"
        if self.threshold >= self.most:
            return f"{shown}, so below {LEVEL} whatever the pairs: it stays there up to {self.threshold:,} disagreements, and the counts allow no more than {self.most:,}"
        return f"{shown}; below {LEVEL} if they disagree on at most {self.threshold:,} of {self.images:,} images, and the counts allow up to {self.most:,}"


def discordance(arm_right: int, reference_right: int, images: int) -> Discordance:
    """Range of exact McNemar p values over the discordant pairs that two counts of right answers allow."""
    net = arm_right - reference_right
    every = np.arange(abs(net), images + 1, 2)
    significant = every[statistics.mcnemar((every + net) // 2, (every - net) // 2) < LEVEL]
    # gained images are right by the arm and wrong by the reference; the lost ones follow from the net
    most = 2 * min(arm_right, images - reference_right) - net
    ends = statistics.mcnemar(
        (np.array([abs(net), most]) + net) // 2, (np.array([abs(net), most]) - net) // 2
    )
    return Discordance(
        images, net, abs(net), most, int(significant.max(initial=0)), float(ends[0]), float(ends[1])
    )


def two_proportions(first: int, second: int, images: int) -> tuple[float, float]:
    """z and two-sided p of first / images against second / images, as if tested on different images (pooled variance)."""
    pooled = (first + second) / (2 * images)
    z = (first - second) / np.sqrt(2 * images * pooled * (1 - pooled))
    return float(z), float(2 * special.ndtr(-abs(z)))


def show_p(p: float) -> str:
    """A p value with two digits after the leading zeros: 0.0039, 0.29, < 0.0001."""
    return "< 0.0001" if p < 0.0001 else f"{p:.2g}" if p < 0.095 else f"{p:.2f}"


# --- the audit ----------------------------------------------------------------------------------


class _Findings(list):
    """Rows of the audit."""

    def add(self, finding: str, table: str, says: Any, computed: Any, agrees: bool, arithmetic: str) -> None:
        self.append(
            {
                "finding": finding,
                "table": table,
                "says": str(says),
                "computed": str(computed),
                "agrees": "yes" if agrees else "no",
                "arithmetic": arithmetic,
            }
        )


def audit() -> pd.DataFrame:
    """The paper's numbers held against one another and against whole numbers of test images.

    Columns: finding, table (the paper's section), says (what is printed), computed, agrees (yes/no)
    and arithmetic. Everything computed comes from ``published()``; a percentage agrees within
    ROUNDING points.
    """
    tables, found, findings = published(), integers(), _Findings()
    parts = (
        _audit_data,
        _audit_overall,
        _audit_melanoma,
        _audit_classes,
        _audit_winners,
        _audit_text,
        _audit_detections,
        _audit_design,
        _audit_critic,
    )
    for part in (*parts, _audit_evidence):
        part(findings, tables, found)
    return pd.DataFrame(findings)


def _close(computed: float, printed: float) -> bool:
    """Whether two percentages are the same within the paper's rounding."""
    return abs(computed - printed) <= ROUNDING + 1e-9


def _stated(tables: Mapping[str, pd.DataFrame], quantity: str) -> pd.DataFrame:
    return tables["stated"][tables["stated"]["quantity"] == quantity]


def _audit_data(findings: _Findings, tables: Mapping[str, pd.DataFrame], found: Integers) -> None:
    paper, counts = _paper(), tables["dataset"].set_index("class")["images"]
    parts = tables["split"].set_index("split")["images"]
    total = paper["dataset"]["images"]
    findings.add(
        "The classes sum to the data set",
        "3.1",
        f"{total:,} images",
        f"{counts.sum():,}",
        counts.sum() == total,
        " + ".join(f"{n:,}" for n in counts),
    )
    findings.add(
        "The three parts sum to the data set",
        "3.2",
        f"{total:,} images",
        f"{parts.sum():,}",
        parts.sum() == total,
        " + ".join(f"{n:,}" for n in parts),
    )
    ratio = counts["nv"] / counts["mel"]
    printed = paper["dataset"]["nevi_per_melanoma"]
    findings.add(
        "Nevi to melanomas",
        "1.1",
        f"{printed}:1",
        f"{ratio:.2f}:1",
        round(ratio) == printed,
        f"{counts['nv']:,} / {counts['mel']:,}",
    )
    training, share = paper["split"]["melanoma_training_images"], parts["train"] / total
    findings.add(
        "Melanomas in training fit a stratified split",
        "3.2",
        training,
        f"{counts['mel'] * share:.1f}",
        abs(counts["mel"] * share - training) <= 0.5,
        f"{counts['mel']:,} x {parts['train']:,} / {total:,}",
    )
    words = ", ".join(f"{name} {n:,}" for name, n in found.support.items())
    findings.add(
        "Test images of each class, unpublished, follow from the recall changes",
        "5.5",
        f"{parts['test']:,} in all",
        words,
        True,
        f"the only whole numbers near 15 % of each class that fit both published changes and sum to {found.images:,}",
    )
    printed = int(_stated(tables, "df_training_images")["value"].iloc[0])
    inside = int(counts["df"] - 2 * found.support["df"])
    findings.add(
        "Dermatofibromas in training",
        "5.5",
        printed,
        inside,
        printed == inside,
        f"{counts['df']} is the whole data set: {counts['df']} - {found.support['df']} tested - as many for validation = {inside}",
    )


def _audit_overall(findings: _Findings, tables: Mapping[str, pd.DataFrame], found: Integers) -> None:
    overall = tables["overall"].set_index("metric")
    for arm in PAPER_ARMS:
        correct, printed = found.correct[arm], overall.loc["accuracy", arm] * 100
        findings.add(
            f"Accuracy of {arm} is a ratio of whole images",
            "5.2",
            f"{printed:.2f} %",
            f"{correct:,} of {found.images:,}",
            True,
            f"{correct:,} / {found.images:,} = {100 * correct / found.images:.3f} %, within {ROUNDING} points; no other whole number is",
        )
    for arm in PAPER_ARMS:
        recall, specificity, printed = (
            100 * overall.loc[name, arm] for name in ("macro_recall", "macro_specificity", "paper_bma")
        )
        mean = (recall + specificity) / 2
        findings.add(
            f"BMA of {arm} is the mean of macro recall and macro specificity",
            "5.2",
            f"{printed:.2f} %",
            f"{mean:.3f} %",
            _close(mean, printed),
            f"({recall:.2f} + {specificity:.2f}) / 2",
        )
        findings.add(
            f"BMA of {arm} is balanced multiclass accuracy as the ISIC challenge defines it",
            "5.2",
            f"{printed:.2f} %",
            f"{recall:.2f} %",
            _close(recall, printed),
            "balanced multiclass accuracy is macro recall itself",
        )
    for _, row in overall.iterrows():
        best = row[list(PAPER_ARMS)].astype(float).idxmax()
        values = ", ".join(f"{arm} {100 * row[arm]:.2f}" for arm in PAPER_ARMS)
        findings.add(
            f"Best arm by {row['paper_name']}", "5.2", row["best"], best, row["best"] == best, values
        )


def _audit_melanoma(findings: _Findings, tables: Mapping[str, pd.DataFrame], found: Integers) -> None:
    melanoma, positives = tables["melanoma"].set_index("arm"), found.support["mel"]
    negatives = found.images - positives
    for arm in PAPER_ARMS:
        hits, alarms = found.hits[arm], found.false_alarms[arm]
        printed = " / ".join(
            f"{100 * melanoma.loc[arm, f'target_{name}']:.2f}"
            for name in ("precision", "recall", "specificity", "f1")
        )
        exact = (
            hits / (hits + alarms),
            hits / positives,
            1 - alarms / negatives,
            2 * hits / (positives + hits + alarms),
        )
        arithmetic = (
            f"{hits}/{hits + alarms}, {hits}/{positives}, {negatives - alarms:,}/{negatives:,}, {2 * hits}/{positives + hits + alarms} = "
            + " / ".join(f"{100 * x:.2f}" for x in exact)
        )
        findings.add(
            f"Melanoma row of {arm} comes from whole images",
            "5.3",
            f"{printed} %",
            f"{hits} found, {alarms} false alarms",
            True,
            arithmetic,
        )
    same = found.false_alarms["filtered"] == found.false_alarms["baseline"]
    findings.add(
        "Filtered is best in every metric: melanoma specificity",
        "5.2",
        "best in every metric",
        "tie with the baseline" if same else "no tie",
        not same,
        f"{found.false_alarms['filtered']} false alarms of {negatives:,} in both",
    )
    same = found.hits["filtered"] == found.hits["all"]
    findings.add(
        "Filtered beats All in every metric: melanoma recall",
        "6, finding 2",
        "better in every metric",
        "tie with All" if same else "no tie",
        not same,
        f"{found.hits['filtered']} of {positives} melanomas found by both",
    )


def _audit_classes(findings: _Findings, tables: Mapping[str, pd.DataFrame], found: Integers) -> None:
    changes = tables["per_class_change"].set_index("class")
    overall = tables["overall"].set_index("metric")
    for arm in PAPER_ARMS[1:]:
        signed = [found.change[arm, name] for name in changes.index]
        net = found.correct[arm] - found.correct["baseline"]
        arithmetic = (
            " ".join(f"{name} {n:+d}" for name, n in zip(changes.index, signed, strict=True))
            + f"; {found.correct[arm]:,} - {found.correct['baseline']:,} = {net:+d}"
        )
        findings.add(
            f"Class changes of {arm} sum to the change in accuracy",
            "5.5",
            f"{net:+d} images by accuracy",
            f"{sum(signed):+d}",
            sum(signed) == net,
            arithmetic,
        )
        gain, mean = (
            100 * (overall.loc["macro_recall", arm] - overall.loc["macro_recall", "baseline"]),
            100 * changes[arm].mean(),
        )
        findings.add(
            f"Class changes of {arm} average to the change in macro recall",
            "5.5",
            f"{gain:+.2f} points",
            f"{mean:+.2f} points",
            _close(mean, gain),
            "mean of " + ", ".join(f"{100 * x:+.2f}" for x in changes[arm]),
        )
        own = found.hits[arm] - found.hits["baseline"]
        findings.add(
            f"Melanomas gained by {arm}: class table and melanoma table",
            "5.3, 5.5",
            f"{own:+d} by melanoma recall",
            f"{found.change[arm, 'mel']:+d}",
            own == found.change[arm, "mel"],
            f"{found.hits[arm]} - {found.hits['baseline']}",
        )


def _audit_winners(findings: _Findings, tables: Mapping[str, pd.DataFrame], found: Integers) -> None:
    changes = tables["per_class_change"].set_index("class")
    for name, row in changes.iterrows():
        values = {"baseline": 0, **{arm: found.change[arm, name] for arm in PAPER_ARMS[1:]}}
        winners = [arm for arm, value in values.items() if value == max(values.values())]
        expected = {"tie": ["filtered", "all"]}.get(row["winner"], [row["winner"]])
        findings.add(
            f"Winner for {name}",
            "5.5",
            row["winner"],
            " and ".join(winners),
            winners == expected,
            ", ".join(f"{arm} {value:+d}" for arm, value in values.items())
            + f" of {found.support[name]:,} images",
        )
    signs = [int(np.sign(found.change["filtered", name])) for name in changes.index]
    better, equal, worse = (signs.count(sign) for sign in (1, 0, -1))
    printed = int(_stated(tables, "improved_classes")["value"].iloc[0])
    findings.add(
        "Classes that filtered improves",
        "5.5",
        f"{printed} of {len(signs)}",
        f"{better} better, {equal} equal, {worse} worse",
        better == printed,
        ", ".join(f"{name} {found.change['filtered', name]:+d}" for name in changes.index),
    )
    won = [name for name in changes.index if found.change["all", name] > found.change["filtered", name]]
    findings.add(
        "Filtered beats All in every metric: recall by class",
        "6, finding 2",
        "better in every metric",
        f"All wins {', '.join(won)}",
        not won,
        ", ".join(
            f"{name} {found.change['all', name]:+d} against {found.change['filtered', name]:+d}"
            for name in won
        ),
    )
    for name, row in changes[changes["printed"] != changes.index].iterrows():
        findings.add(
            "Class codes are those of the data set",
            "5.5",
            row["printed"],
            name,
            False,
            f"'{row['printed']}' is no class; the row left over is {name}",
        )


def _audit_text(findings: _Findings, tables: Mapping[str, pd.DataFrame], found: Integers) -> None:
    values = tables["metrics"].set_index(["arm", "metric"])["value"]
    for _, row in tables["stated"].iterrows():
        if not row["quantity"].endswith("_gain"):
            continue
        metric = row["quantity"].removesuffix("_gain")
        first, second = 100 * values[row["arm"], metric], 100 * values[row["reference"], metric]
        findings.add(
            f"Stated gain in {metric.replace('_', ' ')}, {row['arm']} over {row['reference']}",
            row["location"].replace("section ", ""),
            f"{row['value']:+.2f} points",
            f"{first - second:+.2f} points",
            _close(first - second, row["value"]),
            f"{first:.2f} - {second:.2f}",
        )
    arms = tables["arms"].set_index("arm")
    synthetic, real = arms.loc["filtered", ["synthetic_images", "real_images"]]
    printed = float(_stated(tables, "added_images")["value"].iloc[0])
    findings.add(
        "Training images added by filtered",
        "6, finding 1",
        f"{printed} %",
        f"{100 * synthetic / real:.2f} %",
        round(100 * synthetic / real, 1) == printed,
        f"{synthetic} / {real:,}",
    )
    epochs = tables["hyperparameters"].query("parameter == 'gan.epochs'")
    words = ", ".join(f"{row.value} ({row.location})" for row in epochs.itertuples())
    findings.add(
        "GAN epochs are the same everywhere",
        "4.3, 5.1, 8",
        words,
        f"{epochs['value'].nunique()} different values",
        epochs["value"].nunique() == 1,
        " against ".join(str(value) for value in epochs["value"].unique()),
    )
    validation = int(tables["split"].set_index("split").loc["validation", "images"])
    for row in tables["dynamics"].itertuples():
        fitting, floor = _numerators(row.value, validation), int(row.value * validation)
        arithmetic = f"{floor:,} / {validation:,} = {100 * floor / validation:.2f} %, {floor + 1:,} / {validation:,} = {100 * (floor + 1) / validation:.2f} %; a mean over batches need not be such a ratio"
        findings.add(
            f"Best validation accuracy of {row.arm} is a ratio of whole images",
            "5.6",
            f"{100 * row.value:.2f} %",
            f"{fitting[0]:,} of {validation:,}" if fitting else "no whole number fits",
            bool(fitting),
            arithmetic,
        )


def _audit_detections(findings: _Findings, tables: Mapping[str, pd.DataFrame], found: Integers) -> None:
    """Melanomas per hundred, and the tables' figures where the running text repeats them."""
    positives = found.support["mel"]
    low, high = (
        int(_stated(tables, f"detections_per_100_{end}")["value"].iloc[0]) for end in ("low", "high")
    )
    gained = found.change["filtered", "mel"]
    findings.add(
        "Melanomas found in addition per 100 melanomas",
        "5.3",
        f"{low} to {high}",
        f"{100 * gained / positives:.1f}",
        low <= 100 * gained / positives <= high,
        f"{gained} of {positives}; per 100 melanomas, not per 100 patients",
    )
    per_hundred = tables["stated"][tables["stated"]["quantity"].str.startswith("detected_per_100")]
    for arm, part in per_hundred.groupby("arm", sort=False):
        low, high, share = part["value"].min(), part["value"].max(), 100 * found.hits[arm] / positives
        says = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        findings.add(
            f"Melanomas found per 100 by {arm}",
            "5.3",
            says,
            f"{share:.1f}",
            low - 0.5 <= share <= high + 0.5,
            f"{found.hits[arm]} of {positives} melanomas",
        )
    values, wrong = tables["metrics"].set_index(["arm", "metric"])["value"], []
    for row in tables["restated"].itertuples():
        exact = 100 * (
            values[row.arm, row.metric]
            - (values[row.reference, row.metric] if isinstance(row.reference, str) else 0)
        )
        wrong += (
            [f"{row.metric} of {row.arm}: {row.value} against {exact:.2f}"]
            if abs(exact - row.value) > 0.05 + 1e-9
            else []
        )
    total = len(tables["restated"])
    findings.add(
        "Rounded figures in the text are those of the tables",
        "5.2, 5.3",
        f"{total} figures",
        f"{total - len(wrong)} agree",
        not wrong,
        "; ".join(wrong) or "each within 0.05 points of its table's figure",
    )
    least = 100 * min(1 - alarms / (found.images - positives) for alarms in found.false_alarms.values())
    printed = _stated(tables, "target_specificity_above")["value"].iloc[0]
    findings.add(
        "Specificity for melanoma in every arm",
        "5.3",
        f"above {printed:g} %",
        f"at least {least:.2f} %",
        least > printed,
        "the least of the three arms",
    )


def _audit_design(findings: _Findings, tables: Mapping[str, pd.DataFrame], found: Integers) -> None:
    counts = tables["arms"].set_index("arm")["synthetic_images"]
    findings.add(
        "Filtered and All differ only in quality",
        "4.6",
        "quality decides",
        "they differ in number too",
        bool(counts["filtered"] == counts["all"]),
        f"{counts['filtered']:,} against {counts['all']:,} images; no arm of {counts['filtered']:,} random images, none of {counts['filtered']:,} repeated real melanomas",
    )
    findings.add(
        "The comparison allows for the chance of training",
        "4.6",
        f"{len(counts)} models",
        "one training of each arm, no interval",
        False,
        "the difference between two trainings of one arm is not known from one of each",
    )
    findings.add(
        "The filter's judge is independent of the generator",
        "4.4",
        "quality scoring",
        "the critic that trained the generator also selects its images",
        False,
        "one network in both parts",
    )
    findings.add(
        "The architecture is StyleGAN2",
        "4.2",
        "StyleGAN2 with AdaIN",
        "AdaIN is the first StyleGAN's layer",
        False,
        "StyleGAN2 replaced AdaIN by weight demodulation (Karras et al. 2020)",
    )


def _audit_critic(findings: _Findings, tables: Mapping[str, pd.DataFrame], found: Integers) -> None:
    """What the published curves and settings say of the generative network."""
    results = tables["gan_results"].set_index("quantity")
    settings = tables["hyperparameters"].set_index("parameter")["value"]
    low, high, penalty = (
        results.loc["generator_loss", "low"],
        results.loc["generator_loss", "high"],
        results.loc["gradient_penalty", "high"],
    )
    weight, side = settings["gan.gradient_penalty"], settings["gan.resolution"]
    findings.add(
        "Generator loss and critic loss tell of a stable scale of scores",
        "5.1",
        f"loss {low:g} to {high:g}, critic loss near zero, clear separation",
        "the scale drifted",
        False,
        f"the generator's loss is minus the mean score of its images, so that is {-high:g} to {-low:g}; a critic loss near zero with a penalty of at most "
        f"{weight:g} x {penalty:g} = {weight * penalty:g} puts real images within about {weight * penalty:g} of it, little beside {low:g}",
    )
    findings.add(
        "The critic's slope is bounded in one way",
        "4.2, 4.3",
        "spectral normalisation and a gradient penalty",
        "bounded twice",
        False,
        "both bound the slope: spectral normalisation limits what each layer that has it can add, and the penalty asks for a slope of 1",
    )
    findings.add(
        "Resizing for the generative network keeps skin texture",
        "4.1",
        f"nearest neighbour to {side:g} x {side:g}",
        "texture is aliased",
        False,
        f"one pixel in {600 * 450 / side**2:.1f} of the data set's 600 x 450 is taken, the others are dropped unseen",
    )


def _audit_evidence(findings: _Findings, tables: Mapping[str, pd.DataFrame], found: Integers) -> None:
    """What the paper's own test set can show: paired tests over all admissible pairs, unpaired ones for orientation."""
    positives = found.support["mel"]
    cases = (
        ("Filtered over baseline, melanoma recall", "5.3", found.hits, "filtered", "baseline", positives),
        ("Filtered over All, accuracy", "6, finding 2", found.correct, "filtered", "all", found.images),
        ("Filtered over baseline, accuracy", "5.2", found.correct, "filtered", "baseline", found.images),
    )
    for name, table, right, first, second, images in cases:
        range_ = discordance(right[first], right[second], images)
        arithmetic = (
            f"{right[first]:,} against {right[second]:,} right, net {range_.net:+d}; the discordant pairs are unpublished, between {range_.least:,} and "
            f"{range_.most:,} ({images - right[second]:,} + {images - right[first]:,} wrong answers, if no image is wrong by both); "
            "clustering and training's chance are not in it"
        )
        findings.add(
            f"{name}: shown by the test set whatever the unpublished pairs (exact McNemar)",
            table,
            "better",
            range_.words,
            range_.p_most < LEVEL,
            arithmetic,
        )
    for name, table, right, first, second, images in cases:
        z, p = two_proportions(right[first], right[second], images)
        ends = [statistics.wilson(right[arm], images) for arm in (second, first)]
        intervals = " and ".join(f"{100 * low:.1f} to {100 * high:.1f} %" for low, high in ends)
        arithmetic = f"{right[second]:,} and {right[first]:,} of {images:,}, Wilson intervals {intervals}; training's chance is not in it"
        findings.add(
            f"{name}: apart as if tested on different images (orientation only)",
            table,
            "better",
            f"z {z:.2f}, p {show_p(p)}",
            p < LEVEL,
            arithmetic,
        )


# --- what became of the claims ------------------------------------------------------------------

SUPPORTED, CONTRADICTED, NEGLIGIBLE, UNDECIDED = (
    "supported",
    "contradicted",
    "real but negligible",
    "undecided",
)
NO_ARM = "not tested"
TOO_FEW = f"not tested (needs {statistics.MINIMUM_REPLICATES} replicates)"


def verdict(low: float, high: float, smallest_effect: float = 0.02) -> str:
    """What an interval of a difference says of the claim that it is a gain.

    supported: wholly above 0. contradicted: wholly below the smallest effect of interest. Both: real
    but negligible. Neither, or no interval: undecided.
    """
    return _ruling(low > 0, high < smallest_effect)


def judged(low: float, high: float, replicates: int, smallest_effect: float = 0.02) -> str:
    """``verdict``, or that there are too few replicates for any."""
    return TOO_FEW if replicates < statistics.MINIMUM_REPLICATES else verdict(low, high, smallest_effect)


def _ruling(above: bool, below: bool) -> str:
    return NEGLIGIBLE if above and below else SUPPORTED if above else CONTRADICTED if below else UNDECIDED


@dataclass(frozen=True)
class Claim:
    """A claim of the paper in our words. ``kind``: gain, kept, every (metric), classes, or none (nothing here tests it)."""

    words: str
    kind: str
    contrast: tuple[str, str] = ("filtered", "baseline")
    metric: str = ""


EVERY_METRIC = (
    "accuracy",
    "macro_precision",
    "macro_recall",
    "macro_specificity",
    "paper_bma",
    "target_precision",
    "target_recall",
    "target_specificity",
    "target_f1",
)
CLAIMS = (
    Claim(
        "Filtered synthetic images make the classifier find more of the {target} images",
        "gain",
        metric="target_recall",
    ),
    Claim("Filtered synthetic images raise accuracy", "gain", metric="accuracy"),
    Claim("Filtered synthetic images raise macro precision", "gain", metric="macro_precision"),
    Claim("Filtered synthetic images raise the paper's BMA", "gain", metric="paper_bma"),
    Claim("Specificity for {target} is kept", "kept", metric="target_specificity"),
    Claim(
        "All synthetic images, unfiltered, make the classifier find more of the {target} images too",
        "gain",
        ("all", "baseline"),
        "target_recall",
    ),
    Claim(
        "Few filtered images give higher accuracy than many unfiltered ones",
        "gain",
        ("filtered", "all"),
        "accuracy",
    ),
    Claim("Few filtered images beat many unfiltered ones in every metric", "every", ("filtered", "all")),
    Claim("All classes but one gain recall", "classes"),
    Claim(
        "The critic's choice is better than a random choice of as many images",
        "gain",
        ("filtered", "random"),
        "target_recall",
    ),
    Claim("Keeping 30 % is the best threshold", "none"),
    Claim("Synthetic images protect the patients' privacy", "none"),
)


def claims(
    tables: Mapping[str, pd.DataFrame],
    smallest_effect: float = 0.02,
    target: str = "mel",
    arms: Mapping[str, str] | None = None,
    confidence: float = 0.95,
    one_gan: bool = False,
    source: str = "ham10000",
) -> pd.DataFrame:
    """Each claim of the paper, what its own test set could show, what this run shows, and the verdict.

    ``tables`` holds ``contrasts`` as ``results.evaluate`` makes it (columns contrast, metric,
    difference, low, high, replicates); ``arms`` maps the paper's roles to the run's arms and only
    serves the wording; ``one_gan`` says that all synthetic images came from one GAN, which limits what the
    run shows to it; ``source`` is data.source: beside one's own images the paper's columns are empty. Verdicts
    are computed (``verdict``). "Kept" judges the difference plus the
    smallest effect. "Every metric": supported if every interval is above 0, contradicted if one is below it.
    "Classes": supported if all classes but one have intervals above 0, contradicted if two or more are below it. Where ``tables`` holds controls and the positive
    one was not seen, each claim on the target's recall that is not supported says so: such a study cannot call synthesis useless.

    Columns: claim, contrast, metric, paper, paper_test_set, this_run, difference, low, high, verdict.
    """
    contrasts, name = tables["contrasts"], "melanoma" if target == "mel" else target
    blind = blind_spot(tables["controls"]) if "controls" in tables else None
    rows = []
    for claim in CLAIMS:
        names = [(arms or {}).get(role, role) for role in claim.contrast]
        contrast = " - ".join(names) if claim.kind != "none" else ""
        mine = contrasts[contrasts["contrast"] == " - ".join(claim.contrast)].set_index("metric")
        outcome = _outcome(claim, mine, smallest_effect, confidence, name)
        words = claim.words.format(target=name)
        theirs = {"paper": "", "paper_test_set": ""} if source == "folder" else _paper_side(claim)
        if one_gan and outcome["verdict"] != NO_ARM:
            outcome["this_run"] += ", for this one GAN"
        if (
            blind is not None
            and claim.metric == "target_recall"
            and outcome["verdict"] in (CONTRADICTED, NEGLIGIBLE, UNDECIDED)
        ):
            outcome["this_run"] += (
                f"; the loss of {share_words(blind)} real {name} images was not seen either, so this study cannot call synthesis useless"
            )
        rows.append({"claim": words, "contrast": contrast, "metric": claim.metric, **theirs, **outcome})
    return pd.DataFrame(rows)


def _outcome(
    claim: Claim, mine: pd.DataFrame, smallest_effect: float, confidence: float, target: str
) -> dict[str, Any]:
    """What the run shows, and the verdict, from the contrast's rows by metric."""
    result = {"this_run": "", "difference": np.nan, "low": np.nan, "high": np.nan, "verdict": NO_ARM}
    if claim.kind == "none":
        return result | {"this_run": "nothing in this study tests it"}
    if mine.empty or (claim.metric and claim.metric not in mine.index):
        return result | {"this_run": f"this run has no arm for {' - '.join(claim.contrast)}"}
    few = int(mine["replicates"].iloc[0]) < statistics.MINIMUM_REPLICATES
    if claim.kind in ("every", "classes"):
        chosen = (
            mine.loc[mine.index.isin(EVERY_METRIC)]
            if claim.kind == "every"
            else mine[mine.index.str.startswith("recall_")]
        )
        return result | _several(claim.kind, chosen, few, target)
    row = mine.loc[claim.metric]
    words = f"{100 * row['difference']:+.1f} points"
    if np.isfinite(row["low"]):
        words += f" ({100 * confidence:g} % interval {100 * row['low']:+.1f} to {100 * row['high']:+.1f})"
    margin = smallest_effect if claim.kind == "kept" else 0.0
    found = judged(row["low"] + margin, row["high"] + margin, int(row["replicates"]), smallest_effect)
    return {
        "this_run": words,
        "difference": row["difference"],
        "low": row["low"],
        "high": row["high"],
        "verdict": found,
    }


def _several(kind: str, chosen: pd.DataFrame, few: bool, target: str) -> dict[str, str]:
    """Outcome of a claim about many metrics, or about every class; those that are shown to be lower are named.

    No smallest effect here: two points are more than macro specificity can gain, and every such claim would fall with it.
    """
    what = "metrics" if kind == "every" else "classes"
    if few:
        up, down = int((chosen["difference"] > 0).sum()), int((chosen["difference"] < 0).sum())
        return {
            "this_run": f"{up} of {len(chosen)} {what} higher, {down} lower, in single runs",
            "verdict": TOO_FEW,
        }
    up, lower = int((chosen["low"] > 0).sum()), chosen[chosen["high"] < 0]
    words = f"interval above 0 for {up} of {len(chosen)} {what}, below 0 for {len(lower)}"
    named = [
        f"{row.Index.removeprefix('recall_').replace('target', target).replace('_', ' ')} ({100 * row.low:+.1f} to {100 * row.high:+.1f})"
        for row in lower.itertuples()
    ]
    words += f": {', '.join(named)}" if named else ""
    spared = 0 if kind == "every" else 1
    return {"this_run": words, "verdict": _ruling(up >= len(chosen) - spared, len(lower) > spared)}


def _paper_side(claim: Claim) -> dict[str, str]:
    """The paper's numbers for a claim and what its test set could show of it."""
    unknown = "not tested by the paper"
    if claim.kind == "none" or "random" in claim.contrast:
        return {"paper": "no comparison", "paper_test_set": unknown}
    values, found = published()["metrics"].set_index(["arm", "metric"])["value"], integers()
    first, second = claim.contrast
    if claim.kind == "every":
        signs = np.sign([round(values[first, metric] - values[second, metric], 6) for metric in EVERY_METRIC])
        return {
            "paper": f"{(signs > 0).sum()} of {len(signs)} metrics higher, {(signs == 0).sum()} equal, {(signs < 0).sum()} lower",
            "paper_test_set": "one training of each arm",
        }
    if claim.kind == "classes":
        signs = np.sign([found.change[first, name] for name in found.support])
        return {
            "paper": f"{(signs > 0).sum()} of {len(signs)} classes higher, {(signs == 0).sum()} equal, {(signs < 0).sum()} lower",
            "paper_test_set": "one training of each arm",
        }
    ends = 100 * values[second, claim.metric], 100 * values[first, claim.metric]
    shown = f"{ends[1] - ends[0]:+.2f} points ({ends[0]:.2f} to {ends[1]:.2f} %)"
    return {"paper": shown, "paper_test_set": _paper_evidence(claim, found)}


def _paper_evidence(claim: Claim, found: Integers) -> str:
    """Range of exact McNemar p values where the paper's counts can be rebuilt."""
    first, second = claim.contrast
    positives = found.support["mel"]
    quiet = {arm: found.images - positives - alarms for arm, alarms in found.false_alarms.items()}
    right = {
        "accuracy": (found.correct, found.images),
        "target_recall": (found.hits, positives),
        "target_specificity": (quiet, found.images - positives),
    }
    if claim.metric not in right:
        return "the counts behind it are unpublished"
    counts, images = right[claim.metric]
    return discordance(counts[first], counts[second], images).words

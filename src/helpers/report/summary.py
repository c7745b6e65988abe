"""A run in numbers and sentences: what the page says before and after the notebooks."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from helpers.classifier.backbones import BACKBONES
from helpers.data.sources import SOURCES as DATA_SOURCES
from helpers.gan.recipes import RECIPES
from helpers.params import Params
from helpers.paths import RunPaths, require
from helpers.report.provenance import devices, read_json, read_records
from helpers.report.results.controls import positive_control_sentence
from helpers.report.results.scope import single_gan_arms
from helpers.report.words import MINUS, counted, decimals, duration, listed, percent, points, points_interval

SOURCES = {  # in the head of the page, and in a sentence
    "phantom": ("drawn by the project", "drawn lesions, which say nothing about patients"),
    "ham10000": ("HAM10000, real dermatoscopic photographs", "HAM10000"),
    "folder": ("one's own, not the paper's", "images of one's own"),
}
HEADLINE = {
    "target_recall": "{target} recall",
    "accuracy": "Accuracy",
    "macro_recall": "Macro recall",
    "macro_precision": "Macro precision",
    "macro_specificity": "Macro specificity",
    "paper_bma": "BMA as in the paper",
}
FEW_ARMS = 4  # with more, the headline table keeps to its first metrics
FIRST_METRICS = 3


@dataclass(frozen=True)
class Results:
    """The tables of a run that the page draws on; absent ones are empty."""

    run: RunPaths
    params: Params
    manifest: dict[str, Any]
    split: pd.DataFrame
    metrics: pd.DataFrame
    arms_table: pd.DataFrame  # evaluation/arms.csv: mean and interval of each arm
    comparisons: pd.DataFrame
    controls: pd.DataFrame
    trainings: pd.DataFrame
    gans: pd.DataFrame
    records: list[dict[str, Any]]

    @property
    def drawn(self) -> bool:
        """Whether the images are drawn lesions."""
        return self.params.data.source == "phantom"

    @property
    def target(self) -> str:
        """The plain name of the class that the report watches."""
        code = self.params.data.target_class
        return DATA_SOURCES.get(self.params.data.source).class_names.get(code, code)

    @property
    def title(self) -> str:
        """report.title, whose default speaks of melanoma: beside one's own images it speaks of their target class."""
        title, own = self.params.report.title, self.params.data.source == "folder"
        return title.replace("melanoma", self.target) if own and title == Params().report.title else title

    def paper_value(self, arm: str, metric: str) -> float | None:
        """The paper's own number (share) for one of its arms; None where it has none, or another data set than this run."""
        return None if self.params.data.source == "folder" else paper_value(arm, metric)

    def paper_change(self, arm: str, metric: str) -> float | None:
        """The paper's difference (share) of an arm to the reference, where it has both."""
        reference = self.params.evaluation.reference
        ends = self.paper_value(arm, metric), self.paper_value(reference, metric)
        return None if arm == reference or None in ends else ends[0] - ends[1]

    @property
    def arms(self) -> list[str]:
        """Arms in the order of the parameters."""
        return list(self.params.arms)

    def values(self, arm: str, metric: str) -> pd.Series:
        """A metric of an arm, one value (share) per replicate."""
        if metric not in self.metrics or "arm" not in self.metrics:
            return pd.Series(dtype=float)
        return self.metrics.loc[self.metrics["arm"].astype(str) == arm, metric].dropna()

    def images(self, metric: str) -> int:
        """Test images behind a metric: those of the target for its recall, else all; 0 where the split is unknown."""
        if not {"split", "dx"} <= set(self.split.columns):
            return 0
        test = self.split["split"] == "test"
        return int(
            (
                test & (self.split["dx"] == self.params.data.target_class)
                if metric.startswith("target_")
                else test
            ).sum()
        )

    def places(self, metric: str) -> int:
        """Decimals of a percentage that the images behind a metric support."""
        images = self.images(metric)
        return decimals(images) if images else 1

    def ends(self, arm: str, metric: str) -> tuple[float | None, float | None]:
        """The interval of an arm's mean; Nones where there is none."""
        if not {"arm", "metric", "low", "high"} <= set(self.arms_table.columns):
            return None, None
        rows = self.arms_table[
            (self.arms_table["arm"].astype(str) == arm) & (self.arms_table["metric"] == metric)
        ]
        return (
            (None, None)
            if rows.empty or rows[["low", "high"]].isna().any(axis=None)
            else tuple(rows[["low", "high"]].iloc[0])
        )

    def comparison(self, arm: str, metric: str) -> dict[str, Any] | None:
        """The row of comparisons.csv for an arm against the reference."""
        if self.comparisons.empty:
            return None
        rows = self.comparisons[
            (self.comparisons["arm"].astype(str) == arm) & (self.comparisons["metric"] == metric)
        ]
        rows = rows[rows["reference"].astype(str) == self.params.evaluation.reference]
        return None if rows.empty else rows.iloc[0].to_dict()

    def is_still(self, metric: str) -> bool:
        """Whether no arm's mean differs from the reference's by the smallest effect of interest."""
        changes = [row["difference"] for arm in self.arms if (row := self.comparison(arm, metric))]
        return bool(changes) and max(map(abs, changes)) < self.params.evaluation.smallest_effect

    def control(self, control: Any, metric: str = "target_recall") -> dict[str, Any] | None:
        """The row of controls.csv of a ``helpers.evaluation.controls.Control``."""
        if self.controls.empty:
            return None
        rows = self.controls[
            (self.controls["contrast"] == control.contrast) & (self.controls["metric"] == metric)
        ]
        return None if rows.empty else rows.iloc[0].to_dict()


def read_results(run: RunPaths, params: Params) -> Results:
    """Read every table of a run; raises MissingStageError where the evaluation has not run."""
    require(run.evaluation / "metrics.csv", "evaluation")
    return Results(
        run=run,
        params=params,
        manifest=read_json(run.manifest, {}),
        split=read_table(run.split),
        metrics=read_table(run.evaluation / "metrics.csv"),
        arms_table=read_table(run.evaluation / "arms.csv"),
        comparisons=read_table(run.evaluation / "comparisons.csv"),
        controls=read_table(run.evaluation / "controls.csv"),
        trainings=_trainings(run, params),
        gans=_gans(run, params),
        records=read_records(run),
    )


def read_table(path: Path) -> pd.DataFrame:
    """A table of a run; an empty one where the file is absent or empty."""
    try:
        return pd.read_csv(path, keep_default_na=False, na_values=[""])
    except (FileNotFoundError, pd.errors.EmptyDataError):
        return pd.DataFrame()


def _trainings(run: RunPaths, params: Params) -> pd.DataFrame:
    """One row per training of the classifier, in the order of arms and replicates."""
    rows = []
    for arm in params.arms:
        for replicate in range(params.replicates):
            folder = run.classifier(arm, replicate)
            summary = read_json(folder / "summary.json")
            if summary is not None:
                rows.append(
                    {"arm": arm, "replicate": replicate}
                    | summary
                    | {"seconds": read_json(folder / "timing.json", {}).get("seconds")}
                )
    return pd.DataFrame(rows)


def _gans(run: RunPaths, params: Params) -> pd.DataFrame:
    rows = [{"seed": seed} | read_json(run.gan(seed) / "timing.json", {}) for seed in params.gan.seeds]
    return pd.DataFrame(rows)


def moment(value: Any) -> datetime | None:
    """A time of a job's record, written as ISO text or seconds since 1970."""
    try:
        return (
            datetime.fromtimestamp(float(value), UTC)
            if isinstance(value, (int, float))
            else datetime.fromisoformat(str(value))
        )
    except (TypeError, ValueError, OSError):
        return None


# --- what was run -------------------------------------------------------------------------------


def facts(results: Results) -> list[tuple[str, str]]:
    """What was run, as pairs of label and value for the head of the page."""
    params, sizes = results.params, _sizes(results)
    images, _ = SOURCES[params.data.source]
    total = results.manifest.get("images")
    weights = {"imagenet": "ImageNet weights", "none": "random weights"}.get(
        params.classifier.weights, "weights from a file"
    )
    share = (
        "each image by itself, as in the paper"
        if params.data.split.by == "image"
        else "whole lesions together"
    )
    rows = [
        ("Images", f"{total:,}, {images}" if isinstance(total, int) else images),
        (
            "Split",
            (f"{listed([f'{count:,} {part}' for part, count in sizes.items()])}; " if sizes else "") + share,
        ),
        (
            "Trainings",
            f"{counted(len(params.arms), 'arm')} ({listed(results.arms)}), {counted(params.replicates, 'replicate')} each",
        ),
        (
            "Classifier",
            f"{BACKBONES.get(params.classifier.backbone).title}, {weights}, {params.classifier.image_size} x {params.classifier.image_size} pixels".replace(
                " x ", " \u00d7 "
            ),
        ),
        (
            "GAN",
            f"{RECIPES.get(params.gan.recipe).title}, {params.gan.resolution} \u00d7 {params.gan.resolution} pixels, {counted(len(params.gan.seeds), 'seed')}",
        ),
        ("Device", listed(devices(results.run, results.params)) or "not recorded"),
        ("When", _when(results)),
    ]
    return [(label, value) for label, value in rows if value]


def _sizes(results: Results) -> dict[str, int]:
    if "split" not in results.split:
        return {}
    counts = results.split["split"].value_counts()
    return {
        name: int(counts[part])
        for part, name in (("train", "training"), ("validation", "validation"), ("test", "test"))
        if part in counts
    }


def _when(results: Results) -> str:
    starts = [at for record in results.records if (at := moment(record.get("started")))]
    ends = [at for record in results.records if (at := moment(record.get("finished")))]
    work = sum(
        record["seconds"] for record in results.records if isinstance(record.get("seconds"), (int, float))
    )
    parts = []
    if ends:
        last = max(ends, key=lambda at: at.timestamp())
        parts.append(f"{last.day} {last:%B %Y}")
    if starts and ends:
        span = max(at.timestamp() for at in ends) - min(at.timestamp() for at in starts)
        # jobs of several days share a run where only some were stale: then the span says nothing
        parts.append(
            f"{duration(span)} from first to last job"
            if 0 < span <= max(2 * work, 60)
            else "in several sittings"
        )
    if work:
        parts.append(f"{duration(work)} of work in {counted(len(results.records), 'job')}")
    return ", ".join(parts)


# --- the answer ---------------------------------------------------------------------------------


def direction(row: dict[str, Any] | None) -> str:
    """``higher`` or ``lower`` where the interval of a comparison excludes zero, ``unclear`` where it does not or there is none; empty without a row."""
    if row is None or not points(row.get("difference")):
        return ""
    low, high = row.get("low"), row.get("high")
    return (
        "unclear"
        if not points_interval(low, high)
        else "higher"
        if low > 0
        else "lower"
        if high < 0
        else "unclear"
    )


def verdict(row: dict[str, Any] | None, smallest_effect: float) -> str:
    """What a comparison says of the claim that the arm gains, by the rule of docs/statistics.md; empty without a row."""
    if not direction(row):
        return ""
    from helpers.evaluation.paper import NO_ARM, TOO_FEW, judged

    ends = [math.nan if row.get(end) is None else row[end] for end in ("low", "high")]
    word = judged(*ends, int(row.get("replicates") or 0), smallest_effect)
    return NO_ARM if word == TOO_FEW else word


def change_sentence(
    subject: str, metric: str, row: dict[str, Any] | None, params: Params, places: int = 1, ending: str = ""
) -> str:
    """One sentence on a difference, as strong as its interval and no stronger; empty without a row.

    ``subject`` begins the sentence, ``metric`` is the metric's name in the middle of one; ``row`` is a row of comparisons.csv; ``ending`` stands
    before the full stop.
    """
    word, reference, smallest = direction(row), params.evaluation.reference, params.evaluation.smallest_effect
    if not word:
        return ""
    signed = points(row["difference"], places)
    size = signed.lstrip("+" + MINUS)
    if verdict(row, smallest) == "not tested":
        apart = "do not differ in" if float(size) == 0 else f"differ by {signed} points of"
        trainings = (
            "the one training with them and the one"
            if int(row.get("replicates") or 0) < 2
            else "trainings with them and those"
        )
        few = (
            "one run per arm"
            if int(row.get("replicates") or 0) < 2
            else f"{row['replicates']:.0f} runs per arm"
        )
        return f"{subject}: {trainings} of {reference} {apart} {metric}, which {few} cannot tell from chance{ending}."
    known = points_interval(row.get("low"), row.get("high"), places)
    ends = f"{100 * params.evaluation.confidence:.0f}\u00a0% interval {known}" if known else "no interval"
    if word == "unclear":
        return f"{subject} changes {metric} by {signed} points against {reference} ({ends}), which {row['replicates']:.0f} trainings per arm cannot tell from chance{ending}."
    small = (
        f", less than the {points(smallest, 0)[1:]} points that would matter"
        if verdict(row, smallest) == "real but negligible"
        else ""
    )
    return f"{subject} {'improves' if word == 'higher' else 'lowers'} {metric} by {size} points against {reference} ({ends}){small}{ending}."


def abstract(results: Results) -> list[str]:
    """The answer in three sentences, written from the run's numbers: what was done, the first arm's change, the other arms'."""
    others = [arm for arm in results.arms if arm != results.params.evaluation.reference]
    if not others:
        return [
            _what_was_done(results),
            _lone_arm(results),
            "There is no second arm, so nothing is compared.",
        ]
    return [
        sentence
        for sentence in (
            _what_was_done(results),
            _first_arm(others[0], results),
            _other_arms(others[1:], results),
        )
        if sentence
    ]


def _what_was_done(results: Results) -> str:
    params, sizes = results.params, _sizes(results)
    test = f" and judged on {sizes['test']:,} test images" if "test" in sizes else ""
    _, kind = SOURCES[params.data.source]
    times = {1: "once", 2: "twice"}.get(params.replicates, f"{params.replicates} times")
    backbone = BACKBONES.get(params.classifier.backbone).title
    return f"On {kind}, {backbone} was trained {times} in {f'each of {len(params.arms)} arms' if len(params.arms) > 1 else 'one arm'}{test}."


def controls(results: Results) -> list[str]:
    """Whether the study saw its positive controls, and called its negative ones an effect; what synthetic images give in place of real ones."""
    from helpers.evaluation import controls as own

    confidence, places, said = results.params.evaluation.confidence, results.places("target_recall"), []
    for control in own.controls(results.params):
        row = results.control(control)
        if row is None:
            continue
        signed = points(row["difference"], places)
        ends = (
            f"{100 * confidence:.0f}\u00a0% interval {points_interval(row['low'], row['high'], places)}"
            if points_interval(row["low"], row["high"])
            else "no interval"
        )
        found = own.outcome(row)
        if control.role == own.WITHHELD:
            lost = f"{own.share_words(control.fraction)} real {results.target} images"
            said.append(
                positive_control_sentence(
                    found, lost, f"arm {control.arm}: {signed} points of recall, {ends}"
                )
            )
        elif control.role == own.AGAIN and found in (own.HIGHER, own.LOWER):
            said.append(
                f"Trained once more with nothing changed (arm {control.arm}), recall differs by {signed} points ({ends}): chance alone can do as much."
            )
        elif control.role == own.RESTORED:
            scope = (
                "For this one GAN, synthetic"
                if control.arm in single_gan_arms(results.params)
                else "Synthetic"
            )
            tail = {own.NOT_SHOWN: ", which chance may explain", own.NOT_TESTED: ", which is not tested"}.get(
                found, ""
            )
            said.append(
                f"{scope} images in place of the withheld ones (arm {control.arm}) change {results.target} recall by {signed} points ({ends}){tail}; "
                "the GAN itself learned from all of them."
            )
    return said


def shifted_thresholds(results: Results) -> list[str]:
    """One sentence on the arms whose recall of the target is higher while the area under the ROC curve, which knows no threshold, is not."""
    reference, said = results.params.evaluation.reference, []
    for arm in results.arms:
        recall, area = (
            results.comparison(arm, metric) if arm != reference else None
            for metric in ("target_recall", "target_roc_auc")
        )
        if direction(recall) == "higher" and direction(area) not in ("", "higher"):
            said.append(
                f"{arm}: {points(area['difference'])} points, {points_interval(area['low'], area['high'])}"
            )
    if not said:
        return []
    where = "; ".join(said)
    return [
        f"More {results.target} images found are not yet a better classifier: its area under the ROC curve, which knows no threshold, is not shown to rise ({where})."
    ]


def equal_alarms(results: Results) -> list[str]:
    """One sentence on the first two arms with synthetic images at one specificity, where no shifted threshold can pass for a gain or a loss."""
    arms = [
        arm
        for arm, spec in results.params.arms.items()
        if spec.synthetic and not spec.withhold and arm != results.params.evaluation.reference
    ][:2]
    rows = {
        arm: row
        for arm in arms
        if (row := results.comparison(arm, "target_operating_recall"))
        and points_interval(row.get("low"), row.get("high"))
    }
    if not rows:
        return []
    places = results.places("target_recall")
    said = [
        f"{points(row['difference'], places)} points with {arm} ({points_interval(row['low'], row['high'], places)})"
        for arm, row in rows.items()
    ]
    scope = "for this one GAN " if single_gan_arms(results.params).intersection(rows) else ""
    return [
        f"With each training's threshold set where {100 * (1 - results.params.evaluation.operating_specificity):g}\u00a0% of the other validation images "
        f"raise a false alarm, {scope}{results.target} recall changes by {listed(said)}."
    ]


def _lone_arm(results: Results) -> str:
    arm = results.params.evaluation.reference
    found = [
        f"{name} of {percent(results.values(arm, metric).mean(), results.places(metric))}\u00a0%"
        for metric, name in answered(results).items()
    ]
    return f"The arm {arm} reached {listed(found)}."


def answered(results: Results) -> dict[str, str]:
    """The metrics of which the page's first sentences speak, as they name them."""
    return {"target_recall": f"{results.target} recall", "accuracy": "accuracy"}


def _first_arm(arm: str, results: Results) -> str:
    """The first arm's change of the target's recall, beside the paper's of melanoma recall."""
    paper = results.paper_change(arm, "target_recall")
    ending = "" if paper is None else f"; the paper, from one training per arm, reports {points(paper)}"
    row, places = results.comparison(arm, "target_recall"), results.places("target_recall")
    return change_sentence(
        _subject(arm, results.params), answered(results)["target_recall"], row, results.params, places, ending
    )


def _other_arms(arms: list[str], results: Results) -> str:
    """How the remaining arms, without the controls that ``controls`` tells of, differ in the target's recall, at most four of them by name.

    Without any, the first arm's accuracy.
    """
    from helpers.evaluation import controls as own

    apart = {
        control.arm
        for control in own.controls(results.params)
        if control.role in (own.AGAIN, own.WITHHELD, own.RESTORED)
    }
    arms = [arm for arm in arms if arm not in apart]
    reference, places = results.params.evaluation.reference, results.places("target_recall")
    rows = {arm: row for arm in arms if (row := results.comparison(arm, "target_recall")) and direction(row)}
    if not rows:
        return _accuracy([arm for arm in results.arms if arm != reference][0], results)
    told = [arm for arm in rows if direction(rows[arm]) != "unclear"]
    named = (told or list(rows))[:4]
    scope = ", for this one GAN" if single_gan_arms(results.params).intersection(named) else ""
    sizes = listed([f"{arm} by {points(rows[arm]['difference'], places)} points" for arm in named])
    metric = f"{results.target} recall"
    if not any(rows[arm]["difference"] for arm in rows):
        return f"In {metric}, {listed(list(rows)[:4])} came out as {reference} did{scope}."
    if told:
        rest = len(rows) - len(named)
        ending = (
            f"; the other {counted(rest, 'arm')} cannot be told from it" if rest and len(told) <= 4 else ""
        )
        return f"Of the other arms, {sizes} {'differs' if len(named) == 1 else 'differ'} from {reference} in {metric}, with intervals that exclude zero{scope}{ending}."
    if len(rows) == 1:
        return f"The other arm differs from {reference} in {metric}, {sizes}, and that cannot be told from chance{scope}."
    if len(rows) > 4:
        low, high = (points(end(row["difference"] for row in rows.values()), places) for end in (min, max))
        return f"None of the other {len(rows)} arms, {low} to {high} points apart from {reference} in {metric}, can be told from chance{scope}."
    return f"The other arms differ from {reference} in {metric}, {sizes}, and none of that can be told from chance{scope}."


def _subject(arm: str, params: Params) -> str:
    added = params.arms[arm].synthetic
    if added is None or added.folder is not None:
        return f"The arm {arm}"
    subject = "For this one GAN, adding" if len(params.gan.seeds) == 1 else "Adding"
    which = {
        "top": "the critic's best",
        "bottom": "the critic's worst",
        "random": "randomly chosen",
        "all": "all",
    }[added.select or "all"]
    count = added.count or (
        round(added.fraction * params.synthesis.count) if added.fraction else params.synthesis.count
    )
    return f"{subject} {which} {count:,} synthetic images (arm {arm})"


def _accuracy(arm: str, results: Results) -> str:
    row, places = results.comparison(arm, "accuracy"), results.places("accuracy")
    return change_sentence(_subject(arm, results.params), "accuracy", row, results.params, places)


def leak(results: Results) -> str:
    """How many test images show a lesion that was trained on; empty where the split is not known."""
    if not {"lesion_id", "dx", "split"} <= set(results.split.columns):
        return ""
    from helpers.data.splits import split_quality

    quality = split_quality(results.split, results.split["split"], results.params.data.target_class)
    if not quality["lesions_known"]:
        return (
            "How many test images show a lesion that was trained on is unknown: the data do not name lesions."
        )
    if not quality["test_seen"]:
        return "No lesion of the test images was trained on."
    shares = [
        f"{percent(quality[key], results.places(metric))}\u00a0%"
        for key, metric in (("test_seen_share", "accuracy"), ("target_seen_share", "target_recall"))
    ]
    return f"Of the test images {shares[0]} show a lesion that was trained on in another photograph ({shares[1]} of those of {results.target}), which may flatter every arm."


# --- tables -------------------------------------------------------------------------------------


def paper_value(arm: str, metric: str) -> float | None:
    """The paper's own number (share) for one of its three arms, or None."""
    from helpers.evaluation.paper import published

    values = published()["metrics"].set_index(["arm", "metric"])["value"]
    # balanced multiclass accuracy is macro recall; the paper prints it under that name alone
    return values.get((arm, "macro_recall" if metric == "balanced_accuracy" else metric))


def headline_metrics(results: Results) -> list[str]:
    """The metrics of the headline table: all, or the first ones where many arms would make it long."""
    return list(HEADLINE)[: FIRST_METRICS if len(results.arms) > FEW_ARMS else None]


def headline(results: Results) -> pd.DataFrame:
    """Paper and run side by side: one row per metric and arm, numbers as text in percent and points.

    With many arms it keeps to the first metrics; section 5 has all of them.
    """
    params = results.params
    reference, level = params.evaluation.reference, f"{100 * params.evaluation.confidence:.0f} % interval"
    rows = []
    for metric in headline_metrics(results):
        for arm in results.arms:
            values = results.values(arm, metric)
            if values.empty:
                continue
            places = results.places(metric)
            row = results.comparison(arm, metric) if arm != reference else None
            low, high = results.ends(arm, metric)
            rows.append(
                {
                    "Metric": f"{HEADLINE[metric].format(target=results.target.capitalize())}, n\u00a0=\u00a0{results.images(metric):,}",
                    "Arm": arm,
                    "Paper, %": percent(results.paper_value(arm, metric), 2),  # as printed
                    "This run, %": percent(values.mean(), places),
                    f"Its {level}": f"{percent(low, places)} to {percent(high, places)}"
                    if low is not None
                    else "",
                    "Change in the paper": points(results.paper_change(arm, metric)),
                    "Change in this run": points(row["difference"], places) if row else "",
                    f"{level} of the change": points_interval(row["low"], row["high"], places) if row else "",
                    "A gain is": verdict(row, params.evaluation.smallest_effect),
                }
            )
    table = pd.DataFrame(rows).fillna("")
    # no interval under three replicates, and nothing of the paper's beside one's own images
    empty = [
        column for column in table if ("interval" in column or "aper" in column) and not table[column].any()
    ]
    return table.drop(columns=empty)


def trainings_table(results: Results) -> pd.DataFrame:
    """Every training of the classifier: images, epochs, validation accuracy, time."""
    rows = []
    for row in results.trainings.to_dict("records"):
        rows.append(
            {
                "Arm": row["arm"],
                "Replicate": row["replicate"],
                "Seed": row.get("seed", ""),
                "Training images": f"{row['training_images']:,}" if "training_images" in row else "",
                "Synthetic": row.get("synthetic_images", ""),
                "Epochs": row.get("epochs", ""),
                "Best epoch": row.get("best_epoch", ""),
                "Validation accuracy, %": percent(row.get("best_validation_accuracy")),
                "Time": duration(row.get("seconds")).replace(" ", "\u00a0"),
            }
        )
    return pd.DataFrame(rows)


def public_summary(results: Results) -> dict[str, Any]:
    """What reports/index.html shows of a run."""
    ends = [at for record in results.records if (at := moment(record.get("finished")))]
    return {
        "run": results.run.run,
        "title": results.title,
        "source": results.params.data.source,
        "split": results.params.data.split.by,
        "replicates": results.params.replicates,
        "backbone": BACKBONES.get(results.params.classifier.backbone).title,
        "date": f"{max(ends, key=lambda at: at.timestamp()):%Y-%m-%d}" if ends else "",
        "target": results.target,
        "arms": [_public_arm(arm, results) for arm in results.arms],
    }


def _public_arm(arm: str, results: Results) -> dict[str, Any]:
    """An arm's headline means (shares) and what became of the target's recall, as text."""
    means = {
        metric: float(results.values(arm, metric).mean())
        for metric in ("accuracy", "macro_precision", "balanced_accuracy", "target_recall")
        if len(results.values(arm, metric))
    }
    row, places = results.comparison(arm, "target_recall"), results.places("target_recall")
    if row is None:
        return {"arm": arm, **means}
    change = {
        "change": points(row["difference"], places),
        "interval": points_interval(row["low"], row["high"], places),
    }
    return {"arm": arm, **means, **change, "verdict": verdict(row, results.params.evaluation.smallest_effect)}

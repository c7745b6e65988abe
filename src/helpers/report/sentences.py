"""Sentences written from a run's numbers: what a reader is told about results is computed, never typed.

A word such as "better" stands only where an interval excludes zero.
"""

import math
from collections.abc import Collection, Container, Iterable, Mapping
from typing import Any

import pandas as pd

from helpers.params import Params
from helpers.report.tables import FEATURE_NAMES, filter_outcome, measure_name
from helpers.report.words import (
    MINUS,
    counted,
    listed,
    metric_words,
    percent_of_images,
    plain,
    points_of_images,
    significant,
)


def data_sentence(manifest: Mapping[str, Any]) -> str:
    """What the images are."""
    images, lesions, classes = manifest["images"], manifest["lesions"], len(manifest["classes"])
    counted = f"{images:,} images of {f'{lesions:,}' if lesions else 'an unknown number of'} lesions in {classes} classes"
    if manifest["source"] == "phantom":
        return (
            f"**This run uses drawn lesions: {counted}, painted by the project itself.** They show that the whole chain works and what its "
            "figures look like. They are no photographs, and nothing here has a clinical meaning; the real data set takes one parameter, `data.source: ham10000`."
        )
    if manifest["source"] == "folder":
        return (
            f"This run uses images of one's own: {counted}. They are not the paper's, so none of the paper's results stand beside them; "
            "what the paper did and claims is told, and its claims are tested here, on these images."
        )
    return f"This run uses the photographs of HAM10000: {counted}."


def photographs_sentence(policy: str) -> str:
    """Why pictures are blurred or grey, or nothing where they are shown (``policy`` is figures.picture_policy's)."""
    if policy == "show":
        return ""
    how = {"blur": "blurred beyond recognition", "omit": "left out, a grey tile in place of each"}[policy]
    return f"The photographs of the data set are {how} (report.real_images is '{policy}'): this page may go to people who may not see them."


def imbalance_sentence(manifest: Mapping[str, Any], target: str) -> str:
    """How rare the target class is."""
    counts = manifest["classes"]
    largest = max(counts, key=counts.get)
    own = counts[target]
    return f"The largest class, {largest}, has {counts[largest]:,} images, {target} {own:,}: {counts[largest] / own:.1f} to 1. {percent_of_images(own / sum(counts.values()), sum(counts.values()))} % of all images are {target}."


def leak_sentence(quality: Mapping[str, Any], target: str, by: str) -> str:
    """How many test images show a lesion that was trained on."""
    share = percent_of_images(quality["test_seen_share"], quality["test_images"])
    own = percent_of_images(quality["target_seen_share"], quality["target_images"])
    if not quality.get("lesions_known", True):
        return f"The split is made by {by}, and the data do not say which images show the same lesion: how many test images show one that was trained on is unknown."
    if not quality["test_seen"]:
        return f"The split is made by {by}: no test image (n = {quality['test_images']:,}) shows a lesion that is also in the training set."
    return (
        f"The split is made by {by}, and lesions are photographed several times: {share} % of the test images (n = {quality['test_images']:,}) and "
        f"{own} % of those of {target} (n = {quality['target_images']:,}) show a lesion that the training set shows too. Scores on such images "
        "count memory as skill; section 5 therefore reports seen and unseen lesions apart."
    )


def gan_sentence(history: pd.DataFrame, images: int, batch_size: int) -> str:
    """How long the GAN was trained and where it ended."""
    steps = int(history["step"].max())
    late = history.iloc[-max(1, len(history) // 10) :]
    separated = late["score_real"].mean() > late["score_fake"].mean()
    order = "above" if separated else "not above"
    return (
        f"The generator took {steps:,} steps of {batch_size} images, learning from {images:,} training images. Over the last tenth of the training the "
        f"critic scores real images {order} generated ones on average ({plain(late['score_real'].mean())} against {plain(late['score_fake'].mean())}), "
        f"and the mean gradient penalty is {plain(late['gradient_penalty'].mean())}."
    )


def filter_sentence(scores: pd.DataFrame, keep_fraction: float) -> str:
    """What the filter kept, and how far apart kept and left out images are."""
    kept = scores[scores["selected"] == 1]["score"]
    left = scores[scores["selected"] == 0]["score"]
    text = f"Of {len(scores):,} synthetic images the critic's best {len(kept):,} are kept ({100 * keep_fraction:.0f} %)"
    if left.empty:
        return text + "."
    return f"{text}; the cut lies at a score of {plain(kept.min())}. Kept images score {plain(kept.mean())} on average, those left out {plain(left.mean())}."


def stability_sentence(stability: pd.DataFrame) -> str:
    """How much the company in which images are scored matters to the filter."""
    worst = math.floor(1000 * stability["rank_correlation"].min()) / 1000
    kept = max(1, round(stability["keep_fraction"].iloc[0] * stability["images"].iloc[0]))
    shared = f"{percent_of_images(stability['kept_by_both'].min(), kept)} to {percent_of_images(stability['kept_by_both'].max(), kept)} %"
    return (
        "An image's score depends on the real images that stand beside it in the critic's batch. With three different companies of them the ranks "
        f"correlate by at least {worst:.3f}, and any two share {shared} of the {kept:,} images that they keep."
    )


def fidelity_sentence(fidelity: pd.DataFrame) -> str:
    """What was compared with what, and how the synthetic images stand to the floor."""
    first = fidelity.iloc[0]
    features, n = first["features"], int(first["images"])
    text = (
        f"Each set is compared with the training images in {FEATURE_NAMES[features]} features, {n:,} images on either side, drawn {int(first['draws']):,} times. "
        f"The Fréchet distance of so few images is biased upwards: it says something only beside others of the same size{'' if features == 'inception' else ', and is no FID'}."
    )
    distance = fidelity[fidelity["measure"] == "kernel_distance"].set_index("set")
    if not {"real", "random"} <= set(distance.index):
        return text
    floor, fake = distance.loc["real"], distance.loc["random"]
    place = "above" if fake["low"] > floor["high"] else "not clearly above"
    name = measure_name("kernel_distance", features)
    return (
        f"{text} The floor is what held-out real images reach, here images {first['held_out']}: a {name} of {significant(floor['low'])} to {significant(floor['high'])} "
        f"in 95 % of the draws. The synthetic images lie {place} it, at {significant(fake['value'])} ({significant(fake['low'])} to {significant(fake['high'])})."
    )


def filter_effect_sentence(fidelity: pd.DataFrame, sweep: pd.DataFrame, keep_fraction: float) -> str:
    """One sentence: what keeping the critic's best does to each measure, and what a stricter filter would do.

    'improves' and 'worsens' stand only where the interval of the difference to random images excludes zero.
    """
    kept = fidelity[fidelity["set"] == "kept"]
    if kept.empty or kept["difference_low"].isna().any():
        return "Too few images were kept to compare them with as many at random."
    outcomes: dict[str, list[str]] = {"improves": [], "worsens": [], "no difference shown": []}
    for row in kept.itertuples():
        name = measure_name(row.measure, row.features)
        ends = f" ({significant(row.difference_low, 2)} to {significant(row.difference_high, 2)})"
        outcome = filter_outcome(row.measure, row.difference_low, row.difference_high)
        outcomes[outcome].append(name + ("" if outcome == "no difference shown" else ends))
    said = [f"{verb} {listed(outcomes[verb])}" for verb in ("improves", "worsens") if outcomes[verb]]
    if outcomes["no difference shown"]:
        said.append(f"shows no difference in {listed(outcomes['no difference shown'])}")
    against = f"Against as many images drawn at random ({int(kept['images'].iloc[0]):,} on either side), keeping the critic's best {100 * keep_fraction:.0f} %"
    return f"{against} {listed(said)}; {_sweep_clause(sweep)}."


def _sweep_clause(sweep: pd.DataFrame) -> str:
    steps = sweep[
        (sweep["set"] == "kept") & (sweep["measure"] == "kernel_distance") & sweep["difference_low"].notna()
    ]
    if steps.empty:
        return "a sweep of the share that is kept needs more images"
    outcomes = [
        filter_outcome("kernel_distance", row.difference_low, row.difference_high)
        for row in steps.itertuples()
    ]
    name = measure_name("kernel_distance", steps["features"].iloc[0])
    low, high = (f"{100 * fraction:.0f} %" for fraction in (steps["fraction"].min(), steps["fraction"].max()))
    better, worse = outcomes.count("improves"), outcomes.count("worsens")
    if not better and not worse:
        return f"no share from {low} to {high} changes the {name} by more than chance"
    told = [f"{count} {verb} it" for count, verb in ((better, "improve"), (worse, "worsen")) if count]
    return f"of the {len(steps)} shares from {low} to {high}, judged by the {name}, {listed(told)} by more than chance"


def correlation_sentence(correlations: pd.DataFrame) -> str:
    """Whether the critic's order agrees with nearness to the real images and with the baseline classifier."""
    meaning = {
        "distance": (
            "images that it scores higher lie nearer to the real ones",
            "images that it scores higher lie farther from the real ones",
            -1,
        )
    }
    meaning["probability"] = (
        "the baseline classifier agrees with it",
        "the baseline classifier contradicts it",
        1,
    )
    said = []
    for row in correlations.itertuples():
        agrees, contradicts, sign = meaning[row.compared_with]
        if not math.isfinite(row.low):
            said.append(f"its correlation with the {row.meaning} cannot be computed")
            continue
        outcome = (
            "no agreement is shown either way"
            if row.low <= 0 <= row.high
            else agrees
            if (row.low > 0) == (sign > 0)
            else contradicts
        )
        said.append(
            f"its rank correlation with the {row.meaning} is {row.correlation:.2f} ({row.low:.2f} to {row.high:.2f}): {outcome}".replace(
                "-", "\N{MINUS SIGN}"
            )
        )
    return f"The critic's score on {int(correlations['images'].iloc[0]):,} images: {'; '.join(said)}."


def memorisation_sentence(memorisation: pd.DataFrame) -> str:
    """Whether synthetic images lie nearer to the training images than real images of new lesions do."""
    said = []
    for row in memorisation.itertuples():
        space = f"{FEATURE_NAMES[row.space]} features" if row.space in FEATURE_NAMES else "pixels"
        if not math.isfinite(row.share):
            return "Too few real images of lesions not trained on are held out, so memorisation cannot be judged."
        n = int(row.synthetic_images)
        outcome = (
            "more than chance: some repeat what was trained on"
            if row.low > row.expected
            else "no sign of copying"
        )
        said.append(
            f"in {space} {percent_of_images(row.share, n)} % of {n:,} (95 % interval {percent_of_images(row.low, n)} to {percent_of_images(row.high, n)} %), {outcome}"
        )
    expected, real = 100 * memorisation["expected"].iloc[0], int(memorisation["held_out_images"].iloc[0])
    return (
        f"Of real images of lesions that were not trained on ({real:,} images), {expected:.0f} % lie nearer to a training image than the rest, by definition. "
        f"Of the synthetic images, nearer than that: {'; '.join(said)}."
    )


def training_sentence(summary: Mapping[str, Any]) -> str:
    """One classifier's training."""
    synthetic = (
        f", {summary['synthetic_images']:,} of them synthetic"
        if summary["synthetic_images"]
        else ", all of them real"
    )
    return (
        f"Arm *{summary['arm']}*, replicate {summary['replicate']}: {summary['training_images']:,} training images{synthetic}. Training ran {summary['epochs']} epochs; "
        f"the weights of epoch {summary['best_epoch']} are kept, with a validation accuracy of {100 * summary['best_validation_accuracy']:.1f} %. "
        f"{summary['trainable_parameters']:,} of {summary['parameters']:,} parameters were trained."
    )


def difference_sentence(
    row: Mapping[str, Any], n: int, target: str = "", confidence: float = 0.95, one_gan: Container[str] = ()
) -> str:
    """One comparison in words; ``row`` is a row of evaluation/comparisons.csv, ``n`` the images behind the share.

    The arm is called higher or lower only where the interval excludes zero. ``one_gan``: arms whose images one GAN alone supplied
    (``single_gan_arms``); what is said of them holds for this one GAN.
    """
    from helpers.evaluation import controls as own

    change = f"{points_of_images(row['difference'], n)} points of {metric_words(row['metric'], target)} against *{row['reference']}*"
    outcome = own.outcome(row)
    scope = ", for this one GAN" if row["arm"] in one_gan or row["reference"] in one_gan else ""
    if outcome == own.NOT_TESTED:
        why = (
            "the replicates do not differ, which leaves no interval"
            if row.get("method") == "no variation"
            else "too few replicates for an interval"
        )
        return f"*{row['arm']}*: {change}{scope}; {why}, and nothing follows from it."
    interval = f"{100 * confidence:.0f} % interval {points_of_images(row['low'], n)} to {points_of_images(row['high'], n)}"
    tail = {
        own.HIGHER: f"the interval excludes zero: *{row['arm']}* is higher in this run",
        own.LOWER: f"the interval excludes zero: *{row['arm']}* is lower in this run",
        own.NOT_SHOWN: "the interval includes zero: this run shows no difference",
    }[outcome]
    return f"*{row['arm']}*: {change} ({interval}){scope}; {tail}."


def comparison_sentences(
    comparisons: pd.DataFrame,
    metric: str,
    n: int,
    target: str = "",
    confidence: float = 0.95,
    one_gan: Container[str] = (),
) -> str:
    """``difference_sentence`` of every arm for one metric, as a Markdown list; of many arms only those that are told from the reference."""
    from helpers.evaluation import controls as own

    rows = comparisons[comparisons["metric"] == metric].to_dict("records")
    if not rows:
        return "There is one arm only, so nothing is compared."
    told = (
        rows
        if len(rows) <= LISTED or not has_intervals(comparisons)
        else [row for row in rows if own.outcome(row) in (own.HIGHER, own.LOWER)]
    )
    lines = "\n".join("- " + difference_sentence(row, n, target, confidence, one_gan) for row in told)
    rest = [f"*{row['arm']}*" for row in rows if row not in told]
    if not rest:
        return lines
    scope = ", for this one GAN" if any(row["arm"] in one_gan for row in rows if row not in told) else ""
    return f"{lines}\n\nNo difference to *{rows[0]['reference']}* in {metric_words(metric, target)} is shown{scope} by {listed(rest)}.".strip()


def seen_sentence(seen: pd.DataFrame, reference: str) -> str:
    """How the reference arm does on lesions it has and has not seen."""
    if seen.empty:
        return "The data do not say which images show the same lesion, so seen and unseen ones cannot be told apart."
    means = seen[seen["arm"] == reference].groupby("lesions")[["accuracy", "images"]].mean()
    if set(means.index) < {"seen", "unseen"}:
        return (
            "Every test lesion is new to the classifiers, as a split by lesion has it."
            if "seen" not in means.index
            else "Every test image shows a lesion of the training set."
        )
    (a, n), (b, m) = means.loc["seen"], means.loc["unseen"]
    return f"*{reference}* is right on {percent_of_images(a, int(n))} % of the images whose lesion is in the training set (n = {int(n):,}) and on {percent_of_images(b, int(m))} % of those whose lesion is new to it (n = {int(m):,})."


def metrics_caption(start: str, paper: pd.DataFrame) -> str:
    """What figures.overall_metrics and melanoma_metrics draw; ``paper`` (tables.paper_metrics) has no row where its bars are not drawn."""
    if paper.empty:
        return f"{start} A dot per replicate, a line at the mean, its interval where there are three."
    return (
        f"{start} The paper's three trainings as bars from zero; this run as a dot per replicate, a line at the mean, its interval where there are three, "
        "and the paper's value as a diamond."
    )


def metrics_alt(which: str, paper: pd.DataFrame) -> str:
    """The same for who cannot see it."""
    ours = f"dots of this run's replicates by metric and arm, {which}"
    return (
        f"{ours[0].upper()}{ours[1:]}." if paper.empty else f"Bars of the paper's metrics by arm, and {ours}."
    )


def departures_sentence(count: int) -> str:
    """How far this run is from the paper's profile."""
    if not count:
        return "Every parameter has the value of the paper's profile."
    return f"{count} parameter{'s differ' if count > 1 else ' differs'} from the paper's profile; where the paper is silent, that profile's file gives the choice and its reason."


def best_arm_sentence(metrics: pd.DataFrame, metric: str, n: int, one_gan: Container[str] = ()) -> str:
    """Which arm has the highest mean, with the range of single replicates that puts it into proportion.

    Arms whose means are printed alike tie. ``one_gan`` as in ``difference_sentence``.
    """
    means = metrics.groupby("arm", sort=False)[metric].mean()
    highest = percent_of_images(means.max(), n)
    leaders = [f"*{arm}*" for arm, mean in means.items() if percent_of_images(mean, n) == highest]
    ranges = metrics.groupby("arm", sort=False)[metric].agg(["min", "max"])
    name = metric_words(metric)
    spread = "; ".join(
        f"*{arm}* {percent_of_images(row['min'], n)} to {percent_of_images(row['max'], n)}"
        for arm, row in ranges.iterrows()
    )
    if len(leaders) == 1:
        outcome = f"The highest mean {name} is {leaders[0]}'s, {highest} %"
    elif len(leaders) == len(means):
        outcome = f"All arms tie: the mean {name} of each is {highest} %"
    else:
        outcome = f"{', '.join(leaders[:-1])} and {leaders[-1]} tie for the highest mean {name}, {highest} %"
    scope = ", for this one GAN" if any(arm in one_gan for arm in means.index) else ""
    return f"{outcome}{scope} (n = {n:,} images). Single replicates range, in percent: {spread}."


def has_intervals(comparisons: pd.DataFrame) -> bool:
    """Whether any row of evaluation/comparisons.csv has an interval: single runs leave none."""
    return bool(comparisons[["low", "high"]].notna().all(axis=1).any())


def differences_caption(
    comparisons: pd.DataFrame, reference: str, n: int, confidence: float = 0.95, one_gan: Container[str] = ()
) -> str:
    """The caption of figures.forest; it speaks of intervals only where some are drawn. ``one_gan`` as in ``difference_sentence``."""
    ending = "the grey band is the smallest effect of interest. Filled squares are contrasts that were named beforehand; hollow ones are exploratory."
    ending += one_gan_note(comparisons["arm"], one_gan)
    if not has_intervals(comparisons):
        return (
            f"Difference to {reference}, in percentage points, on n = {n:,} test images. A square is a difference without an interval, "
            f"which says nothing of chance; {ending}"
        )
    alone = (
        ""
        if comparisons[["low", "high"]].notna().all(axis=None)
        else " A square without a line has no interval."
    )
    return (
        f"Difference to {reference} with its {100 * confidence:.0f} % interval, in percentage points, on n = {n:,} test images; each panel has its own scale. "
        f"An interval that crosses the line at zero shows no difference; {ending}{alone}"
    )


LISTED = 4  # arms of which each gets a sentence of its own


# --- evaluation ---------------------------------------------------------------------------------

ISIC_2018 = (
    0.885,
    0.856,
)  # best on the official test of Task 3, and best without private data, balanced multiclass accuracy


def single_gan_arms(params: Params) -> set[str]:
    """Arms whose synthetic images all came from one GAN of this run: sentences about them hold for that one."""
    return (
        {name for name, arm in params.arms.items() if arm.uses_gan} if len(params.gan.seeds) == 1 else set()
    )


def one_gan_note(arms: Iterable[str], one_gan: Container[str]) -> str:
    """What a caption adds where it shows arms whose synthetic images one GAN supplied; ``one_gan`` as in ``difference_sentence``."""
    return (
        " What it shows of synthetic images holds for this one GAN."
        if any(arm in one_gan for arm in arms)
        else ""
    )


def panels_note(arms: Collection[str], reference: str = "") -> str:
    """What a caption of curves adds where each arm has its panel (figures.panel_per_arm); ``reference`` is the arm in grey behind it, if any."""
    from helpers.report.figures import panel_per_arm

    return (
        f" Each arm has its panel{f', with *{reference}* in grey' if reference else ''}."
        if panel_per_arm(arms)
        else ""
    )


def estimand_sentence(params: Params) -> str:
    """What a difference on the page is a difference of."""
    text = (
        "Every difference is one between two *procedures*, two ways of composing the training set: the difference of their expected metric, over trainings "
        "(replicates) and over lesions of this population."
    )
    gans, synthetic = len(params.gan.seeds), any(arm.uses_gan for arm in params.arms.values())
    scope = (
        " It is measured for this one GAN; another training of the GAN may give another answer."
        if single_gan_arms(params)
        else ""
    )
    if synthetic and 1 < gans < params.replicates:
        scope = f" {params.replicates} replicates share {gans} GANs, so that an interval on synthetic images holds the chance of another GAN only in part."
    if params.replicates < 3:
        return f"{text}{scope} Fewer than three replicates say nothing about procedures: single runs are shown, without an interval."
    return f"{text}{scope} Its variance is that of the replicates and that of the lesions, and the interval is Student's t."


def primary_sentence(
    contrasts: pd.DataFrame, smallest_effect: float, target: str, one_gan: Container[str] = ()
) -> str:
    """How many contrasts were named beforehand, and what became of them after Holm's adjustment."""
    from helpers.evaluation.paper import judged

    rows = contrasts[contrasts["role"] == "primary"]
    if rows.empty:
        return "The run has none of the arms that the contrasts named beforehand need; everything here is exploratory."
    scope = ", for this one GAN" if any(arm in one_gan for arm in rows["arm"]) else ""
    named = f"{counted(len(rows), 'contrast')} in recall of {target} {'was' if len(rows) == 1 else 'were'} named beforehand; everything else is exploratory."
    verdicts = [
        f"*{row.arm}* {MINUS} *{row.reference}* {judged(row.low, row.high, row.replicates, smallest_effect)}"
        for row in rows.itertuples()
    ]
    told = int((rows["p_holm"] < 0.05).sum())
    after = (
        f" After Holm's adjustment {told} of {len(rows)} {'has' if told == 1 else 'have'} p below 0.05."
        if rows["p_holm"].notna().any()
        else ""
    )
    return f"{named} That each is a gain is, by its interval{scope}: {'; '.join(verdicts)}.{after}"


def named_contrasts_caption(
    contrasts: pd.DataFrame, target: str, n: int, confidence: float = 0.95, one_gan: Container[str] = ()
) -> str:
    """The caption of figures.named_contrasts; it speaks of intervals only where some are drawn. ``one_gan`` as in ``difference_sentence``."""
    note = one_gan_note(contrasts["arm"], one_gan)
    start = f"The contrasts named beforehand, in recall of {target} (n = {n:,} test images of it). A dot is the difference between two trainings of one seed"
    if not has_intervals(contrasts):
        return f"{start}; they are too few for an interval, and nothing follows from them. The grey band is the smallest effect of interest.{note}"
    return (
        f"{start}, the thick line the {100 * confidence:.0f} % interval of the difference between procedures, the thin line the same by bootstrap. "
        f"See whether a line leaves the grey band, the smallest effect of interest; hollow squares are exploratory.{note}"
    )


def controls_section(
    controls: pd.DataFrame, n: int, target: str, confidence: float = 0.95, one_gan: Container[str] = ()
) -> str:
    """Heading and words on the arms that test the study itself, one sentence each; ``controls`` is evaluation/controls.csv.

    ``n`` is the number of test images of the target. A study that did not see its positive control is said to be blind to such a loss.
    """
    from helpers.evaluation import controls as own

    parts = [_withheld_sentence(row, n, target, confidence) for row in own.rows_of(controls, own.WITHHELD)]
    if not parts:
        parts = [
            f"No arm of this run has real images of {target} taken away, so whether the study would see such a loss is not known."
        ]
    parts += [_again_sentence(row, n, target, confidence) for row in own.rows_of(controls, own.AGAIN)]
    worth = {row["arm"]: row for row in own.rows_of(controls, own.WITHHELD)}
    for row in own.rows_of(controls, own.RESTORED):
        parts.append(
            _restored_sentence(row, worth[row["reference"]], n, target, confidence, row["arm"] in one_gan)
        )
    return "### What the study can see\n\n" + "\n".join(f"- {part}" for part in parts)


def positive_control_sentence(found: str, lost: str, detail: str) -> str:
    """Whether a study saw the loss of real images of the target: ``found`` is ``helpers.evaluation.controls.outcome``'s word for it.

    ``lost`` says what was taken away, ``detail``, in brackets, what that did to recall.
    """
    from helpers.evaluation import controls as own

    return {
        own.LOWER: f"The study sees the loss of {lost} ({detail}): it can see effects of that size, and smaller ones may escape it.",
        own.NOT_SHOWN: f"This study could not see the loss of {lost} ({detail}), so it cannot call synthesis useless.",
        own.HIGHER: f"The loss of {lost} went the wrong way ({detail}), so this study cannot call synthesis useless.",
        own.NOT_TESTED: f"Whether the study would see the loss of {lost} is not tested ({detail}), so it cannot call synthesis useless.",
    }[found]


def _withheld_sentence(row: Mapping[str, Any], n: int, target: str, confidence: float) -> str:
    from helpers.evaluation import controls as own

    change = f"*{row['arm']}* {MINUS} *{row['reference']}*: {points_of_images(row['difference'], n)} points"
    detail = f"{change} of recall of {target}, {_ends(row['low'], row['high'], n, confidence)}"
    return positive_control_sentence(
        own.outcome(row), f"{own.share_words(row['fraction'])} real images of {target}", detail
    )


def _ends(low: float, high: float, n: int, confidence: float) -> str:
    """'95 % interval -3.0 to +1.2', or that there is none."""
    return (
        f"{100 * confidence:.0f} % interval {points_of_images(low, n)} to {points_of_images(high, n)}"
        if math.isfinite(low) and math.isfinite(high)
        else "no interval"
    )


def _again_sentence(row: Mapping[str, Any], n: int, target: str, confidence: float) -> str:
    from helpers.evaluation import controls as own

    start = (
        f"*{row['arm']}* is *{row['reference']}* trained once more with other seeds: {points_of_images(row['difference'], n)} points "
        f"of recall of {target} ({_ends(row['low'], row['high'], n, confidence)})"
    )
    if own.outcome(row) in (own.HIGHER, own.LOWER):
        return f"{start}. The interval excludes zero where nothing was changed, as about one in {1 / (1 - confidence):.0f} does: read the other exploratory ones with that in mind."
    return f"{start}; {'too few replicates to judge' if row['replicates'] < 3 else 'no difference is shown, as it should be'}."


def _restored_sentence(
    row: Mapping[str, Any], withheld: Mapping[str, Any], n: int, target: str, confidence: float, one_gan: bool
) -> str:
    """What synthetic images give where real ones were taken away, beside what the real ones gave."""
    from helpers.evaluation import controls as own

    words = {
        own.HIGHER: "recall is higher",
        own.LOWER: "recall is lower",
        own.NOT_SHOWN: "no difference is shown",
        own.NOT_TESTED: "nothing follows from it",
    }
    scope = ", for this one GAN" if one_gan else ""
    return (
        f"Synthetic images in place of the withheld real ones (*{row['arm']}* {MINUS} *{row['reference']}*): {points_of_images(row['difference'], n)} points "
        f"of recall of {target} ({_ends(row['low'], row['high'], n, confidence)}){scope}; {words[own.outcome(row)]}. The real ones (*{withheld['reference']}* {MINUS} "
        f"*{withheld['arm']}*) give {points_of_images(-withheld['difference'], n)} points ({_ends(-withheld['high'], -withheld['low'], n, confidence)}). "
        f"The GAN itself learned from all training images of {target}, the withheld ones among them."
    )


def gap_sentence(leak: pd.DataFrame, arm: str, confidence: float = 0.95) -> str:
    """How much recall on lesions that were trained on exceeds that on new ones, at the same mix of classes."""
    from helpers.evaluation import controls as own

    rows = leak[(leak["arm"] == arm) & (leak["class"] == "mean of classes")]
    if rows.empty:
        return "No class has enough test lesions that were trained on (a split by lesion has none) and enough new ones, so the leak cannot be measured within a class."
    row = rows.iloc[0]
    n = int(min(row["seen_images"], row["unseen_images"]))
    change = f"Classes weighed alike, the recall of *{arm}* on lesions that it was trained on differs from that on new ones by {points_of_images(row['difference'], n)} points"
    outcome = own.outcome(row)
    if outcome == own.NOT_TESTED:
        return f"{change}; " + (
            "the replicates do not differ."
            if row["method"] == "no variation"
            else "too few replicates for an interval."
        )
    tail = {
        own.HIGHER: "its score owes something to memory",
        own.LOWER: "memory does not help it",
        own.NOT_SHOWN: "chance may explain that",
    }[outcome]
    return f"{change} ({100 * confidence:.0f} % interval {points_of_images(row['low'], n)} to {points_of_images(row['high'], n)}): {tail}."


def external_section(external: pd.DataFrame, confidence: float = 0.95, one_gan: Container[str] = ()) -> str:
    """Heading and first words of the section on the external test set; empty where the run has none. ``one_gan`` as in ``difference_sentence``."""
    if external.empty:
        return ""
    rows = external[external["metric"] == "balanced_accuracy"]
    n, (best, public) = int(rows["images"].iloc[0]), ISIC_2018
    parts = []
    for row in rows.itertuples():
        ends = (
            f" ({100 * confidence:.0f} % interval {percent_of_images(row.low, n)} to {percent_of_images(row.high, n)})"
            if math.isfinite(row.low)
            else ""
        )
        parts.append(f"*{row.arm}* {percent_of_images(row.mean, n)} %{ends}")
    scope = ", with synthetic images for this one GAN" if any(arm in one_gan for arm in rows["arm"]) else ""
    return (
        f"### An external test set\n\nThe same classifiers on {n:,} images of a second test set, which none of them was trained on or chosen by. Its lesions are "
        f"not named, so each image counts as one. The ISIC metric, balanced multiclass accuracy{scope}: {'; '.join(parts)}. On the official test set of ISIC 2018 "
        f"Task 3 the best entry reached {100 * best:.1f} %, the best without private data {100 * public:.1f} %."
    )
